"""What goes tonight from the control store, and its going: a transaction a clause, with its receipt in it."""

import sqlite3
from collections.abc import Iterator
from datetime import date, datetime

from retention import receipts
from retention.policy import Policy
from retention.receipts import Expired
from warehouse import database

_HELD_UNTIL = "(SELECT expires_on FROM hold WHERE hold.hold_no = {}.hold_no)"
# Of the control store: the clause, its table, the column that dates a row, what else must hold, what a row is called.
_CONTROL = (
    ("R-client", "client", "day", "TRUE", "client_no"),
    (
        "R-receipt-days",
        "load_day",
        "day",
        "(gateway_of(load_no), day) IN (SELECT gateway, day FROM closed_day)",
        "load_no",
    ),
    ("R-receipts", "load", "landed_at", "load_no NOT IN (SELECT load_no FROM load_day)", "load_no"),
    ("R-pull-receipts", "pull", "completed_at", "pull_no NOT IN (SELECT pull_no FROM report_day)", "pull_no"),
    ("R-watched", "watched", "seen_on", "TRUE", "size"),
    ("R-quarantine", "quarantine", "seen_at", "TRUE", "line_no"),
    ("R-expiry", "expiry", "ran_at", "TRUE", "expiry_no"),
    ("R-sessions", "session", "ends_at", "TRUE", "rowid"),
    ("R-tickets", "ticket", "expires_at", "TRUE", "rowid"),
    ("R-tokens", "token", "expires_at", "TRUE", "token_no"),
    ("R-looks", "look", "looked_at", "TRUE", "look_no"),
    ("R-letters", "letter", "asked_at", "TRUE", "mail_no"),
    ("R-notices", "notice", "happened_at", "TRUE", "mail_no"),
    ("R-throttle", "throttle", "last_at", "TRUE", "rowid"),
    ("R-known-places", "known_place", "seen_at", "TRUE", "rowid"),
    ("R-openings", "opening", "opened_at", "TRUE", "opening_no"),
    ("R-audit", "audit", "at", "TRUE", "audit_no"),
    ("R-disclosures", "disclosure", "asked_at", "TRUE", "disclosure_no"),
    ("R-self-audits", "self_audit", "ran_at", "TRUE", "audit_no"),
    ("R-holds", "held_entry", _HELD_UNTIL.format("held_entry"), "TRUE", "rowid"),
    ("R-holds", "held_request", _HELD_UNTIL.format("held_request"), "TRUE", "request_no"),
    ("R-holds", "hold", "expires_on", "TRUE", "hold_no"),
    ("R-rights", "rights_request", "asked_at", "state <> 'open'", "request_no"),
)


def from_control(
    control: sqlite3.Connection, policy: Policy, now: datetime, *, only_plan: bool = False
) -> Iterator[Expired]:
    """Take what has expired from the control store, a transaction a clause; with `only_plan` only say what would go."""
    for clause_id, table, when, also, name in _CONTROL:
        cutoff = policy.clause(clause_id).cutoff(now.date()).isoformat()
        only = f"{when} < ? AND {also}".replace(
            "gateway_of(load_no)", "(SELECT gateway FROM load WHERE load.load_no = load_day.load_no)"
        )
        rows = control.execute(f"SELECT {name}, substr({when}, 1, 10) FROM {table} WHERE {only}", (cutoff,)).fetchall()
        if not rows:
            continue
        days = sorted(date.fromisoformat(day) for _, day in rows)
        place = f"control.{table}"
        expired = Expired(clause_id, place, len(rows), days[0], days[-1], receipts.digest(number for number, _ in rows))
        if not only_plan:
            with database.transaction(control):
                control.execute(f"DELETE FROM {table} WHERE {only}", (cutoff,))
                receipts.write(control, expired, now)
        yield expired
