"""What the privacy page and `/api/promises` show as proof: each promise, its check, the last run, result and receipt.

Of the whole installation and of nobody in it: numbers of receipts, hashes, counts and days.
"""

import sqlite3
from html import escape

import pyarrow as pa

from dashboards.access import session
from dashboards.figures.viewer import Viewer
from retention import edition
from retention.audit_anchor import RESTORED
from retention.evidence import Evidence, Proof
from retention.promises import CHECKS, Promise
from retention.self_audit import STALE_AFTER
from warehouse import database
from warehouse.control import audit
from warehouse.home import Home

# So much of a hash tells two receipts apart; the whole one is in the report and in the API.
_SHORT = 16
_TABLE = pa.schema(
    [
        *((name, pa.string()) for name in ("promise", "says", "state", "check")),
        ("last_run", pa.timestamp("us")),
        ("result", pa.string()),
        ("wrong", pa.int64()),
        ("receipt", pa.string()),
        ("receipt_no", pa.int64()),
        ("receipt_sha256", pa.string()),
    ]
)


def shown(home: Home, control: sqlite3.Connection) -> str:
    """The last self-audit and every promise as HTML, of the policy that is in force in a home."""
    held, promised = edition.in_force(home)
    known = Evidence.read(control)
    rows = "".join(_row(one, known.of(one, held)) for one in promised)
    back = audit.last(control, RESTORED)
    since = "" if back is None else f"<p>An older copy was put back on {back.at:%d %b %Y} (act {back.audit_no}).</p>"
    told = f'<ul class="promises" aria-label="Promises">{rows}</ul>'
    return (
        f"{_audit(known)}{since}<h2>Every promise, and what shows it</h2>"
        "<p>What carries it out or looks at it, the last result here, and the receipt that tells of it, by number "
        "and hash. Receipts are chained: none can be changed unnoticed. The self-audit is weekly, <code>expiry</code> "
        "nightly, <code>erasure</code> whenever somebody is erased; <code>tests</code> are of the program."
        f"</p>{told}"
    )


def _audit(known: Evidence) -> str:
    if not known.looked:
        return "<h2>Self-audit</h2><p>The first one is made within a week.</p>"
    oldest = min(one.ran_at for one in known.looked.values())
    late = "<p>The last one is more than a week old.</p>" if session.now() - oldest > STALE_AFTER else ""
    rows = "".join(
        f"<li>{escape(_sentence(CHECKS.get(name, name)))}{_told(known.checked(name))}</li>" for name in known.looked
    )
    return f'<h2>Self-audit</h2>{late}<ul class="promises" aria-label="Self-audit">{rows}</ul>'


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _row(promise: Promise, proofs: list[Proof]) -> str:
    """A promise with its state, its clauses, and a line for each check of it."""
    told = " · ".join(
        escape(part) for part in (promise.id, _state(promise, proofs), ", ".join(promise.clauses)) if part
    )
    lines = "".join(map(_told, proofs))
    return f"<li>{escape(promise.says)}<small>{told}</small>{lines}</li>"


def _state(promise: Promise, proofs: list[Proof]) -> str:
    wrong = [proof.check for proof in proofs if proof.wrong]
    return f"found wrong: {', '.join(wrong)}" if wrong else "kept" if promise.kept else f"not yet: {promise.lacks}"


def _told(proof: Proof) -> str:
    """A check's last run in a line."""
    parts = [f"<code>{escape(proof.check)}</code>: {escape(proof.result)}"]
    if proof.ran_at is not None:
        parts.append(f"{proof.ran_at:%d %b %Y %H:%M} UTC")
    if (receipt := proof.receipt) is not None:
        whole = receipt.sha256
        hashed = "expired" if whole is None else f'<code title="{escape(whole)}">{escape(whole[:_SHORT])}</code>'
        parts.append(f"{escape(receipt.said())} {hashed}")
    return f"<small>{' · '.join(parts)}</small>"


def rows(home: Home) -> pa.Table:
    """A row for every promise and check of it."""
    held, promised = edition.in_force(home)
    with database.control(home) as control:
        known = Evidence.read(control)
    found = []
    for promise in promised:
        proofs = known.of(promise, held)
        found += [
            {
                "promise": promise.id,
                "says": promise.says,
                "state": _state(promise, proofs),
                "check": proof.check,
                "last_run": proof.ran_at,
                "result": proof.result,
                "wrong": proof.wrong,
                "receipt": proof.receipt and proof.receipt.kind,
                "receipt_no": proof.receipt and proof.receipt.number,
                "receipt_sha256": proof.receipt and proof.receipt.sha256,
            }
            for proof in proofs
        ]
    return pa.Table.from_pylist(found, schema=_TABLE)


def state(home: Home, _: Viewer) -> str:
    """What the answer depends on besides the version: the store's newest receipts, and the policy in force."""
    with database.control(home) as control:
        known = repr(Evidence.read(control))
    return edition.digest(*edition.in_force(home)) + known
