"""A member's address and password: who changes one knows the current password, and is signed out everywhere else.

Where mails go out a new address counts once a link sent to it was opened, and the one before is told.
"""

import sqlite3
from datetime import datetime

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
from warehouse.control.member import Member
from warehouse.control.password import PasswordRefusedError
from warehouse.control.session import Session
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault
from warehouse.home import Home

_TAKEN = "That address cannot be used."


def forms(member: Member, email: str | None, *, mailed: bool) -> str:
    """The forms of an account's page; who has no password yet sets both at once."""
    new = form.field("password", "New password", "password", more="autocomplete=new-password")
    address = form.field("email", "E-mail", "email", value=email or "", more="autocomplete=username")
    if not member.has_password:
        return (
            '<h2>E-mail and password</h2><form method="post" action="/account/password">@form@'
            f"{address}{new}{form.button('Save')}</form>"
        )
    known = form.field("known", "Your password", "password", more="autocomplete=current-password")
    current = form.field("current", "Current password", "password", more="autocomplete=current-password")
    hint = "<small>A link is sent to the new address; it counts once you open it.</small>" if mailed else ""
    return (
        f'<h2>Address</h2><form method="post" action="/account/email">@form@{address}{hint}{known}'
        f"{form.button('Change the address')}</form>"
        f'<h2>Password</h2><form method="post" action="/account/password">@form@{current}{new}'
        f"{form.button('Save')}</form>"
    )


def change_email(request: Request, found: Session, fields: Fields) -> Response | str:
    """Another address, at once or by a link to it; what stands in the way as a sentence."""
    email, now, member = fields.get("email", "").strip(), session.now(), found.member
    if not sign_up.is_address(email):
        return sign_up.NO_ADDRESS
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        guessed = guess(request, vault, member)
        if wrong := unknown(control, guessed, member, fields.get("known", "")):
            return wrong
        if letter.has_server(control):
            throttle.succeeded(control, guessed, now)
            letter.ask_address(control, vault, member, email, now)
            return form.turned("/account?said=asked")
        # Counted as a wrong guess: an address that is taken tells that somebody has it.
        before = members.email_of(control, vault, member)
        if not members.set_email(control, vault, member, email):
            return _TAKEN
        throttle.succeeded(control, guessed, now)
        _tell_address(control, vault, member, before, now)
        return _renewed(control, found)


def change_password(request: Request, found: Session, fields: Fields) -> Response | str:
    """Another password, and for who has none yet the address with it; what stands in the way as a sentence."""
    secret, now, member = fields.get("password", ""), session.now(), found.member
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        before = members.email_of(control, vault, member)
        email = before if member.has_password and before else fields.get("email", "").strip()
        if not sign_up.is_address(email):
            return sign_up.NO_ADDRESS
        try:
            password.check(secret, email)
        except PasswordRefusedError as error:
            return f"Choose another one: {error}."
        guessed = guess(request, vault, member)
        if wrong := unknown(control, guessed, member, fields.get("current", "")):
            return wrong
        if email != before and not members.set_email(control, vault, member, email):
            return _TAKEN
        members.set_password(control, member.member_no, password.hashed(secret))
        throttle.succeeded(control, guessed, now)
        acts = ["password.changed"] if email == before else ["password.changed", "address.changed"]
        for act in acts:
            audit.note(control, act, now, actor_no=member.member_no, object_no=member.member_no)
        if before is not None:
            notice.tell(control, member, "password_changed", now, at=(vault, before))
        return _renewed(control, found)


def guess(request: Request, vault: Vault, member: Member) -> Guess:
    """The guess at the password of somebody who is signed in."""
    return Guess.of(vault, str(member.member_no), request.client.host if request.client else "", member.member_no)


def unknown(control: sqlite3.Connection, guessed: Guess, member: Member, told: str) -> str:
    """Why somebody does not pass for the member; empty where they know the password."""
    if throttle.admit(control, guessed, session.now()):
        return "Too many tries. Try again in a few minutes."
    if member.has_password and not password.fits(members.password_of(control, member), told[: password.LONGEST + 1]):
        return "The current password is another one."
    return ""


def _renewed(control: sqlite3.Connection, found: Session) -> Response:
    """Every session of the member ends; this browser gets another."""
    now = session.now()
    limits = sessions.limits_of(control, found.lookup)
    sessions.end_all(control, found.member.member_no, now)
    token = sessions.begin(control, found.member.member_no, limits, now)
    response = form.turned("/account?said=saved")
    session.keep(response, token, int(limits.absolute.total_seconds()))
    return response


def _address_page(request: Request, wrong: str = "") -> Response:
    return ticket_form.page(request, "address", "Confirm this address", "", wrong)


def _address(request: Request, fields: Fields) -> Response:
    """The link that was sent to a new address was opened: it is the member's now, and the one before is told."""
    now = session.now()
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        with database.transaction(control):
            found = ticket.use(control, "address", fields.get("ticket", ""), now)
        there = members.of_account(control, found.account_no) if found else []
        member = next((one for one in there if found and one.member_no == found.member_no), None)
        if found is None or member is None:
            return _address_page(request, ticket_form.OLD_LINK)
        before = members.email_of(control, vault, member)
        if not members.set_email(control, vault, member, found.email(vault)):
            return _address_page(request, _TAKEN)
        with database.transaction(control):
            # A link to the address before is good no more.
            ticket.end_resets(control, member.member_no, now)
            sessions.end_all(control, member.member_no, now)
        _tell_address(control, vault, member, before, now)
    return form.turned("/sign-in?said=address")


def _tell_address(control: sqlite3.Connection, vault: Vault, member: Member, before: str | None, now: datetime) -> None:
    """Write down that an address is another one, and tell both: the one before may be all its owner still reads."""
    audit.note(control, "address.changed", now, actor_no=member.member_no, object_no=member.member_no)
    if before is not None:
        notice.tell(control, member, "address_changed", now, at=(vault, before))
        notice.tell(control, member, "address_changed", now)


ROUTES = [
    Route("/address", _address_page, methods=["GET"]),
    Route("/address", form.posted(_address), methods=["POST"]),
]
