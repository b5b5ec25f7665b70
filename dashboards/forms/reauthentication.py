"""That it is they, once more: asked before a key is given or destroyed, a copy of their data made, somebody erased.

A browser that was left open is not its person. Who has a password types it; who has none yet comes by a link of the
command line, which counts for a few minutes.
"""

import sqlite3
from datetime import timedelta

from starlette.requests import Request

from dashboards.access import session
from dashboards.forms import form
from warehouse.control import member as members
from warehouse.control import password, throttle
from warehouse.control import session as sessions
from warehouse.control.member import Member
from warehouse.control.session import Session
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault

FRESH = timedelta(minutes=10)
FIELD = "proof"


def asked(member: Member, name: str = FIELD) -> str:
    """The field of a form that asks for it; for who has no password, what counts in its place."""
    if member.has_password:
        return form.field(name, "Your password", "password", more="autocomplete=current-password")
    minutes = int(FRESH.total_seconds()) // 60
    return (
        f"<p><small>You have no password yet, so this works within {minutes} minutes of signing in by a link; "
        '<a href="/account">set a password</a>.</small></p>'
    )


def is_fresh(control: sqlite3.Connection, found: Session) -> bool:
    """Whether somebody signed in, or proved it once more, within the last minutes in this very session."""
    proved_at = sessions.proved_at(control, found.lookup)
    return proved_at is not None and session.now() - proved_at <= FRESH


def unproved(request: Request, control: sqlite3.Connection, vault: Vault, found: Session, secret: str) -> str:
    """Why it is not proved that it is they, as the rest of a sentence; empty where it is. Wrong guesses wait longer."""
    now, member = session.now(), found.member
    if not member.has_password:
        if is_fresh(control, found):
            return ""
        return "sign in anew with the link of `apiledger account link`, or set a password first"
    guess = Guess.of(vault, "", request.client.host if request.client else "", member.member_no)
    if throttle.admit(control, guess, now):
        return "too many tries; try again in a few minutes"
    if not password.fits(members.password_of(control, member), secret[: password.LONGEST + 1]):
        return "the password is another one"
    throttle.succeeded(control, guess, now)
    sessions.prove(control, found.lookup, now)
    return ""
