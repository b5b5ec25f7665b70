"""Two accounts that sign in, each with canaries in all that is held of it: logs, bills, mails, members, words."""

import sqlite3
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tests.pipelines.gateway_log import take_in
from tests.retention.erased_world import NOW, Canary, lived
from warehouse import database, publication
from warehouse.control import (
    balance_watch,
    budget,
    claim,
    credit,
    invoice,
    objection,
    outbox,
    payment_claim,
    plan,
    prepaid,
    right,
    session,
    ticket,
    upstream_claim,
    zone,
)
from warehouse.control import member as members
from warehouse.control.invoice import Invoice
from warehouse.control.plan import Plan
from warehouse.control.vault import Vault
from warehouse.home import Home

ANNE, BELA = Canary(1), Canary(2)
# Everything of an account that is a text, by what a canary of it is called.
CLASSES = (
    "account", "key", "project", "team", "tag", "request", "upstream", "user", "end_user", "agent", "email", "invited",
    "mail", "note", "answer", "reason", "plan", "invoice", "line",
    "granted", "low", "customer", "claimed",
)  # fmt: skip
MONTH = (date(2026, 11, 1), date(2026, 11, 30))


@dataclass(frozen=True)
class Held:
    """The home, and each account's number to sign in with."""

    home: Home
    anne: int
    bela: int


def email(whose: Canary) -> str:
    """The address of an account's owner."""
    return f"{whose.word('email')}@example.org"


def held(home: Home) -> Held:
    """Fill a home: two passes, and everything between them that a pass does not make."""
    lived(home, [ANNE, BELA])
    with database.control(home) as control:
        vault = Vault(control, NOW)
        operator = members.operator(control, vault, NOW)
        numbers = [_signed_up(control, vault, each, operator.member_no) for each in (ANNE, BELA)]
    take_in(home, NOW)
    with database.held(home.build_lock), database.build(home) as build, database.control(home) as control:
        for each, number in zip((ANNE, BELA), numbers, strict=True):
            (connection,) = control.execute("SELECT connection_no FROM connection WHERE account_no = ?", (number,))
            build.execute(
                """INSERT INTO model.charges (day, connection_no, report, line, amount_usd)
                   VALUES ('2026-11-20', ?, 'costs', ?, 1.25)""",
                [connection[0], each.word("line")],
            )
            build.execute(
                "INSERT INTO model.bill_day VALUES ('2026-11-20', ?, 1, 1.25, 'settled')",
                [connection[0]],
            )
            build.execute(
                "INSERT INTO model.built_pull VALUES (?, 'costs', '2026-11-20', ?, 'settled')",
                [
                    connection[0],
                    control.execute("SELECT pull_no FROM pull WHERE connection_no = ?", connection).fetchone()[0],
                ],
            )
        # Of one day, on which the last one's connection paid for everybody somewhere.
        build.execute(
            """INSERT INTO model.upstream_claim SELECT DISTINCT upstream_no, account_no, 'nobody', ?, day, day
               FROM model.usage_daily WHERE day = '2026-11-19'""",
            [connection[0]],
        )
        publication.changed(build)
        publication.publish(home, build, NOW)
    return Held(home, *numbers)


def _signed_up(control: sqlite3.Connection, vault: Vault, each: Canary, operator: int) -> int:
    members.sign_up(control, vault, email(each), f"$argon2id${each.word('secret')}", NOW)
    found = members.find(control, vault, email(each))
    assert found
    member, _ = found
    number = member.account_no
    claim.put(control, each.account, number, NOW)
    ticket.invitation(control, vault, number, f"{each.word('invited')}@example.org", "viewer", ("p",), NOW)
    session.begin(control, member.member_no, session.BY_PASSWORD, NOW)
    looks = session.begin(control, operator, session.BY_LINK, NOW)
    claim.open_account(control, vault, session.lookup(looks), operator, number, f"looked: {each.word('reason')}", NOW)
    place = budget.scope(control, each.account, None)
    kept = budget.put(control, vault, place, Decimal(5), (50,), f"{each.word('mail')}@example.org", NOW)
    outbox.enqueue(control, [outbox.Usage(kept, MONTH[0], Decimal(4), 0, 1)], NOW)
    _paid(control, vault, each, place.account_no)
    zone.put(control, place.account_no, "Europe/Berlin", NOW)
    name = f"{each.word('plan')}"
    plan.add(control, Plan(0, name, "anthropic", number, each.account, Decimal(20), 1, MONTH[0], None, ("codex",)), NOW)
    invoice.add(control, [Invoice("anthropic", number, each.word("invoice"), *MONTH, Decimal(20), plan=name)], NOW)
    asked = right.ask(control, vault, number, "rectification", f"said {each.word('note')}", NOW)
    right.end(control, vault, asked.request_no, "done", f"told {each.word('answer')}", NOW)
    objection.begin(control, number, "agent_sessions", NOW)
    stamp = database.stamp(NOW)
    control.execute(
        "INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at, used_key)"
        " VALUES (?, 'openai', 'openai', ?, 0, ?, x'5ec2e7')",
        (number + 1, number, stamp),
    )
    control.execute(
        "INSERT INTO pull (connection_no, begun_at, completed_at) VALUES (?, ?, ?)", (number + 1, stamp, stamp)
    )
    (pull_no,) = control.execute("SELECT max(pull_no) FROM pull").fetchone()
    control.execute(
        "INSERT INTO report_day VALUES (?, 'costs', '2026-11-20', ?, 1, x'00', '2026-11-21', 0, 0, NULL, 0)",
        (number + 1, pull_no),
    )
    for pattern in (each.word("upstream"), f"{each.word('claimed')}@*"):
        upstream_claim.put(control, vault, pattern, number + 1, NOW, first_day=MONTH[0])
    return number


def _paid(control: sqlite3.Connection, vault: Vault, each: Canary, account_no: int) -> None:
    """Prepaid credits: terms, a grant with its reason, a line with an address, a mail, a paying customer."""
    prepaid.put(control, prepaid.Terms(account_no, MONTH[0], is_prepaid=True, factor=Decimal("1.5")), NOW)
    reason = vault.seal(account_no, "credit_tx.sealed_reason", each.word("granted"))
    with database.transaction(control):
        credit.post(control, account_no, "adjustment", "adjust", MONTH[0], 10**9, NOW, sealed_reason=reason)
    balance_watch.put(control, vault, account_no, Decimal(2), f"{each.word('low')}@example.org", NOW)
    balance_watch.evaluate(control, (), NOW, has_operator=False)
    payment_claim.put(control, each.word("customer"), account_no, MONTH[0], NOW)
