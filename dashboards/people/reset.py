"""A forgotten password: a link is asked for by mail, and what the link opens sets a new one.

Asking is answered alike whether anybody has the address, in words and in time: nobody is looked up here.
"""

import math
import sqlite3

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form, ticket_form
from dashboards.forms.form import Fields
from dashboards.people import sign_up
from warehouse import database
from warehouse.control import audit, letter, notice, password, throttle, ticket
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.password import PasswordRefusedError
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault
from warehouse.home import Home

_SENT = "If somebody here has that address, a link is on its way to it. It holds for ten minutes."
_BY_HAND = (
    "<p>No mail server is set up here, so no link can be sent. Whoever runs this site makes one for you with</p>"
    "<pre><code>apiledger account reset YOUR-ADDRESS</code></pre>"
    '<p><a href="/sign-in">To the sign-in</a></p>'
)


def _forgot_page(request: Request, *, said: str = "", wrong: str = "", status: int = 200) -> Response:
    with database.control(Home.own()) as control:
        mailed = letter.has_server(control)
    return form.page(
        request,
        "Forgotten password",
        lambda hidden: (
            f'<form method="post" action="/forgot">{hidden}'
            f"{form.field('email', 'E-mail', 'email', more='autocomplete=username')}"
            f'{form.button("Send a link")}</form><p><a href="/sign-in">To the sign-in</a></p>'
            if mailed
            else _BY_HAND
        ),
        said=said,
        wrong=wrong,
        status=status,
    )


def _forgot(request: Request, fields: Fields) -> Response:
    email, now = fields.get("email", "").strip(), session.now()
    if not sign_up.is_address(email):
        return _forgot_page(request, wrong=sign_up.NO_ADDRESS, status=422)
    with database.control(Home.own()) as control:
        if not letter.has_server(control):
            return _forgot_page(request, status=409)
        vault = Vault(control, now)
        # Counted apart from sign-ins: who asks for links keeps nobody from signing in.
        guess = Guess.of(vault, f"reset {email}", request.client.host if request.client else "")
        if pause := throttle.admit(control, guess, now):
            seconds = math.ceil(pause.total_seconds())
            return _forgot_page(request, wrong=f"Too many tries. Try again in {seconds} s.", status=429)
        letter.ask_reset(control, vault, email, now)
    return _forgot_page(request, said=_SENT)


def _reset_page(request: Request, wrong: str = "", sent: str = "") -> Response:
    return ticket_form.page(request, "reset", "Set a new password", ticket_form.NEW_PASSWORD, wrong, sent)


def _reset(request: Request, fields: Fields) -> Response:
    sent, secret, now = fields.get("ticket", ""), fields.get("password", ""), session.now()
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        found = ticket.find(control, "reset", sent, now)
        there = members.of_account(control, found.account_no) if found else []
        member = next((one for one in there if found and one.member_no == found.member_no), None)
        email = members.email_of(control, vault, member) if member else None
        if member is None or email is None:
            return _reset_page(request, ticket_form.OLD_LINK)
        try:
            password.check(secret, email)
        except PasswordRefusedError as error:
            return _reset_page(request, f"Choose another one: {error}.", sent)
        kept = password.hashed(secret)
        with database.transaction(control):
            if not _reset_now(control, sent, member.member_no, kept):
                return _reset_page(request, ticket_form.OLD_LINK)
        notice.tell(control, member, "password_changed", now, at=(vault, email))
    return form.turned("/sign-in?said=password")


def _reset_now(control: sqlite3.Connection, sent: str, member_no: int, kept: str) -> bool:
    """Set the password and end every session and every other link, if the ticket is still good."""
    now = session.now()
    if ticket.use(control, "reset", sent, now) is None:
        return False
    ticket.end_resets(control, member_no, now)
    members.set_password(control, member_no, kept)
    sessions.end_all(control, member_no, now)
    audit.note(control, "password.changed", now, object_no=member_no, detail="by=link")
    return True


ROUTES = [
    Route("/forgot", _forgot_page, methods=["GET"]),
    Route("/forgot", form.posted(_forgot), methods=["POST"]),
    Route("/reset", _reset_page, methods=["GET"]),
    Route("/reset", form.posted(_reset), methods=["POST"]),
]
