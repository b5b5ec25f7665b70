"""Becoming a member: sign-up, an invitation, a reset; each asks for a password, and the first two for an agreement.

Sign-up answers an address that has an account as one that has none.
"""

import re
import sqlite3
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards import form, gate, proof, session, sign_in
from dashboards.form import Fields
from warehouse import database
from warehouse.control import member as members
from warehouse.control import password, throttle, ticket
from warehouse.control import session as sessions
from warehouse.control.password import PasswordRefusedError
from warehouse.control.session import BY_PASSWORD
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault
from warehouse.home import Home

_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII
)
_NO_ADDRESS = "That is not one e-mail address."
_OLD_LINK = "This link was used already, or it is too old. Ask for another."
_AGREE = (
    '<label class="check"><input type="checkbox" name="of_age" value="yes" required>I am 18 or older</label>'
    '<label class="check"><input type="checkbox" name="policy" value="yes" required>'
    f'<span>I accept the <a href="/privacy">privacy policy</a> of {members.POLICY_VERSION}</span></label>'
)
_NEW_PASSWORD = form.field(
    "password",
    "Password",
    "password",
    hint=f"{password.SHORTEST} characters or more; a sentence is good.",
    more="autocomplete=new-password",
)


def is_address(text: str) -> bool:
    """Whether a text is one e-mail address, in ASCII, without a name beside it."""
    return _ADDRESS.fullmatch(text) is not None


def agreed(fields: Fields) -> str:
    """What is missing before anybody may be a member; empty where nothing is."""
    if fields.get("of_age") != "yes":
        return "Only who is 18 or older may have an account."
    return "" if fields.get("policy") == "yes" else "Without accepting the policy there is no account."


def _sign_up_page(request: Request, wrong: str = "", status: int = 200) -> Response:
    return form.page(
        request,
        "Make an account",
        lambda hidden: (
            f'<form method="post" action="/sign-up">{hidden}'
            f"{form.field('email', 'E-mail', 'email', more='autocomplete=username')}{_NEW_PASSWORD}{_AGREE}"
            f"{form.button('Make an account')}</form>"
            '<p><a href="/sign-in">Sign in instead</a></p>'
        ),
        wrong=wrong,
        status=status,
    )


def _sign_up(request: Request, fields: Fields) -> Response:
    email, secret = fields.get("email", "").strip(), fields.get("password", "")
    if missing := agreed(fields):
        return _sign_up_page(request, missing, 422)
    if not is_address(email):
        return _sign_up_page(request, _NO_ADDRESS, 422)
    try:
        password.check(secret, email)
    except PasswordRefusedError as error:
        return _sign_up_page(request, f"Choose another one: {error}.", 422)
    now = session.now()
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        guess = Guess.of(vault, "", request.client.host if request.client else "")
        if throttle.wait(control, guess, now):
            return _sign_up_page(request, "Too many tries from here. Try again in a few minutes.", 429)
        throttle.count(control, guess.place, now)
        members.sign_up(control, vault, email, password.hashed(secret), now)
    return form.turned("/sign-in?said=new")


def _ticket_page(
    request: Request, kind: ticket.Kind, title: str, asked: str, wrong: str = "", sent: str = ""
) -> Response:
    if request.headers.get("sec-fetch-site") == "cross-site":
        return gate.bounce()
    return form.page(
        request,
        title,
        lambda hidden: (
            f'<form method="post" action="/{kind}" data-ticket="keep">{hidden}'
            f'<input type="hidden" name="ticket" value="{escape(sent)}">{asked}{form.button(title)}</form>'
        ),
        wrong=wrong,
        status=422 if wrong else 200,
    )


def _invitation_page(request: Request, wrong: str = "", sent: str = "") -> Response:
    return _ticket_page(request, "invitation", "Accept the invitation", _NEW_PASSWORD + _AGREE, wrong, sent)


def _invitation(request: Request, fields: Fields) -> Response:
    sent, secret, now = fields.get("ticket", ""), fields.get("password", ""), session.now()
    if missing := agreed(fields):
        return _invitation_page(request, missing, sent)
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        found = ticket.find(control, "invitation", sent, now)
        if found is None or found.role is None:
            return _invitation_page(request, _OLD_LINK)
        email = found.email(vault)
        try:
            password.check(secret, email)
        except PasswordRefusedError as error:
            return _invitation_page(request, f"Choose another one: {error}.", sent)
        kept = password.hashed(secret)
        with database.transaction(control):
            used = ticket.use(control, "invitation", sent, now)
            number = used and members.join(
                control, vault, found.account_no, found.role, found.projects, email, kept, now
            )
        if not number:
            return _invitation_page(request, _OLD_LINK)
        return sign_in.begun(request, control, number, BY_PASSWORD, "/")


def _reset_page(request: Request, wrong: str = "", sent: str = "") -> Response:
    return _ticket_page(request, "reset", "Set a new password", _NEW_PASSWORD, wrong, sent)


def _reset(request: Request, fields: Fields) -> Response:
    sent, secret, now = fields.get("ticket", ""), fields.get("password", ""), session.now()
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        found = ticket.find(control, "reset", sent, now)
        there = members.of_account(control, found.account_no) if found else []
        member = next((one for one in there if found and one.member_no == found.member_no), None)
        email = members.email_of(control, vault, member) if member else None
        if member is None or email is None:
            return _reset_page(request, _OLD_LINK)
        try:
            password.check(secret, email)
        except PasswordRefusedError as error:
            return _reset_page(request, f"Choose another one: {error}.", sent)
        kept = password.hashed(secret)
        with database.transaction(control):
            if not _reset_now(control, sent, member.member_no, kept):
                return _reset_page(request, _OLD_LINK)
    return form.turned("/sign-in?said=password")


def _reset_now(control: sqlite3.Connection, sent: str, member_no: int, kept: str) -> bool:
    """Set the password and end every session, if the ticket is still good."""
    now = session.now()
    if ticket.use(control, "reset", sent, now) is None:
        return False
    members.set_password(control, member_no, kept)
    sessions.end_all(control, member_no, now)
    return True


def _privacy(request: Request) -> Response:
    with database.control(Home.own()) as control:
        shown = proof.shown(Home.own(), control)
    return form.page(
        request,
        "Privacy policy",
        lambda _: (
            f"<p>Of {members.POLICY_VERSION}. "
            "Of you it holds your e-mail address, sealed, and a hash of your password that nobody can turn back. "
            f"One cookie keeps you signed in; nothing counts what you look at.</p>{shown}"
        ),
    )


ROUTES = [
    Route("/sign-up", _sign_up_page, methods=["GET"]),
    Route("/sign-up", form.posted(_sign_up), methods=["POST"]),
    Route("/invitation", _invitation_page, methods=["GET"]),
    Route("/invitation", form.posted(_invitation), methods=["POST"]),
    Route("/reset", _reset_page, methods=["GET"]),
    Route("/reset", form.posted(_reset), methods=["POST"]),
    Route("/privacy", _privacy, methods=["GET"]),
]
