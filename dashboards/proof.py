"""What the privacy page shows as proof: each promise, whether it is kept and by what, and the last self-audit."""

import sqlite3
from html import escape

from retention import edition, promises
from retention.promises import CHECKS, Promise
from warehouse.control import self_audit
from warehouse.control.self_audit import Looked
from warehouse.home import Home


def shown(home: Home, control: sqlite3.Connection) -> str:
    """The last self-audit and every promise as HTML, of the policy that is in force in a home."""
    _, promised = edition.in_force(home)
    looked, last = self_audit.newest(control), promises.last_carried_out(control)
    rows = "".join(_row(one, looked, last) for one in promised)
    told = f'<ul class="promises" aria-label="Promises">{rows}</ul>'
    return f"{_audit(looked)}<h2>Every promise, and what shows it</h2>{told}"


def _audit(looked: dict[str, Looked]) -> str:
    if not looked:
        return "<h2>Self-audit</h2><p>The first one is made within a week.</p>"
    rows = "".join(
        f"<li>{escape(_sentence(CHECKS.get(name, name)))}<small>{f'{one.wrong} wrong' if one.wrong else 'holds'} · "
        f"{one.ran_at:%d %b %Y} · act {one.audit_no}</small></li>"
        for name, one in looked.items()
    )
    return f'<h2>Self-audit</h2><ul class="promises" aria-label="Self-audit">{rows}</ul>'


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _row(promise: Promise, looked: dict[str, Looked], last: dict[str, str]) -> str:
    """A promise with its state, its clauses, and when it was last carried out or looked at."""
    wrong = [name for name in promise.checks if name in looked and looked[name].wrong]
    state = f"found wrong: {', '.join(wrong)}" if wrong else "kept" if promise.kept else f"not yet: {promise.lacks}"
    parts = [promise.id, state, ", ".join(promise.clauses)]
    if promise.tests:
        parts.append(f"{len(promise.tests)} {'test file' if len(promise.tests) == 1 else 'test files'}")
    if days := [last[clause] for clause in promise.clauses if clause in last]:
        parts.append(f"last carried out on {max(days)}")
    told = " · ".join(escape(part) for part in parts if part)
    return f"<li>{escape(promise.says)}<small>{told}</small></li>"
