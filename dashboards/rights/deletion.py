"""Deleting oneself, one's account, a user of it or, for the operator, another's: at once, nobody can take it back.

Who asks proves once more who they are and types what they mean; from the answer on they are signed out everywhere. The
bytes go in a process of its own, and the page of the receipt (`erased.py`) waits for it.
"""

import secrets
import sqlite3
from datetime import datetime
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.figures import marts
from dashboards.forms import form, reauthentication
from dashboards.forms.form import Fields
from dashboards.processes import own_process
from dashboards.rights import erased, rights_parts
from retention import erase, holding, own_people, people
from retention.erasure_receipt import BEYOND_REACH
from retention.errors import RetentionError
from retention.subjects import Subject
from warehouse import database
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.home import Home

PHRASES = {"account": "delete this account", "member": "delete me"}
_GOES = {
    "account": "All its members with their addresses and passwords, every session and link, its labels with every call "
    "and sum of them, keys, budgets, alerts and connections with their bills. Where somebody else pays a bill, the "
    "bill's total stays, without you.",
    "member": "Your address, your password, your sessions and links, and from where you signed in. What the account "
    "has stays with its other members; alerts that were mailed to you go to its owner.",
    "user": "What goes is their id, and their number, address and user agent on every call; what they spent stays, "
    "unnamed.",
}


def _delete_page(request: Request, *, wrong: str = "", status: int = 200) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    with database.control(Home.own()) as control:
        parts = _parts(control, found.member)
    return form.page(
        request,
        "Delete for good",
        lambda hidden: (
            '<p><a href="/account">Back to your account</a></p>'
            "<p>At once, and nobody can take it back. Whoever is deleted is signed out everywhere, and there is a "
            "receipt.</p>"
            + "".join(parts).replace("@form@", hidden)
            + f"<h2>What this cannot reach</h2><ul>{''.join(f'<li>{escape(each)}</li>' for each in BEYOND_REACH)}</ul>"
        ),
        wrong=wrong,
        status=status,
    )


def _parts(control: sqlite3.Connection, member: Member) -> list[str]:
    if not member.has_password:
        return ['<p>Set a password first: it proves that it is you. <a href="/account">To your account</a></p>']
    owners = [one for one in members.of_account(control, member.account_no) if one.is_owner]
    parts = []
    if not member.is_owner or len(owners) > 1:
        parts.append(_form("member", "Delete me"))
    if member.is_owner and not member.is_operator:
        parts.append(_form("account", "Delete this account"))
    if member.is_owner:
        parts.append(
            "<h2>One of your users</h2><p>For who asked you to: a user that your gateway's log names by an id, or an "
            f"end user. {_GOES['user']}</p>"
            '<form method="post" action="/account/delete">@form@<input type="hidden" name="what" value="user">'
            f"{rights_parts.whose('user')}{form.field('user-typed', 'The id once more', more='autocomplete=off')}"
            f"{form.field('user-password', 'Your password', 'password', more='autocomplete=current-password')}"
            f"{form.button('Erase this user', grave=True)}</form>"
        )
    if member.is_owner and member.is_operator:
        parts.append(
            "<h2>Somebody else's account</h2><p>For who asked you to: the account's number erases it as a whole, an "
            "address that one member.</p>"
            f'<form method="post" action="/account/delete">@form@<input type="hidden" name="what" value="other">'
            f"{form.field('whose', 'Account number or e-mail')}"
            f"{form.field('typed', 'The same once more', more='autocomplete=off')}"
            f"{form.field('other-password', 'Your password', 'password', more='autocomplete=current-password')}"
            f"{form.button('Erase', grave=True)}</form>"
        )
    return parts


def _form(what: str, title: str) -> str:
    typed = form.field(f"{what}-typed", f"Type: {PHRASES[what]}", more="autocomplete=off")
    secret = form.field(f"{what}-password", "Your password", "password", more="autocomplete=current-password")
    return (
        f"<h2>{title}</h2><p>{_GOES[what]}</p>"
        f'<form method="post" action="/account/delete">@form@<input type="hidden" name="what" value="{what}">'
        f"{typed}{secret}{form.button(title, grave=True)}</form>"
    )


def _delete(request: Request, fields: Fields) -> Response:
    found, what, now = session.find(session.token_of(request.cookies)), fields.get("what", ""), session.now()
    if found is None:
        return form.turned("/sign-in")
    owns = found.member.is_owner
    may = {"member": True, "account": owns, "user": owns, "other": owns and found.member.is_operator}
    if not may.get(what, False):
        return form.missing(request)
    whose = fields.get("whose", "").strip()
    meant = PHRASES.get(what, whose)
    typed = fields.get("typed" if what == "other" else f"{what}-typed", "").strip()
    if not meant or typed.casefold() != meant.casefold():
        return _delete_page(request, wrong="Nothing was deleted: what you typed is something else.", status=422)
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        if wrong := reauthentication.unproved(request, control, vault, found, fields.get(f"{what}-password", "")):
            return _delete_page(request, wrong=f"Nothing was deleted: {wrong}.", status=422)
        try:
            subject = _subject(control, vault, found.member, what, whose, fields)
            erasure = erase.begin(Home.own(), control, subject, now)
        except RetentionError as error:
            return _delete_page(request, wrong=f"Nothing was deleted: {error}.", status=422)
        response = form.turned(erased.address(vault, erasure.erasure_no))
    marts.forget()
    carry_out(Home.own(), now)
    if session.find(session.token_of(request.cookies)) is None:
        # The id the browser has is nobody's any more; forms of those who are not signed in need one.
        session.keep(response, secrets.token_urlsafe(32))
    return response


def _subject(
    control: sqlite3.Connection, vault: Vault, member: Member, what: str, whose: str, fields: Fields
) -> Subject:
    if what == "other":
        return people.find(control, vault, "member" if "@" in whose else "account", whose)
    if what == "user":
        own, named = holding.of_account(control, member.account_no), fields.get("account", "").strip()
        return own_people.find(control, vault, own, fields.get("person", ""), whose, named)
    if what == "account":
        return people.of_account(control, vault, member.account_no)
    return people.member(control, member.member_no)


def carry_out(home: Home, now: datetime) -> None:
    """Begin the work in a process of its own; where a pass or Dagster takes it up first, it finds nothing to do."""
    own_process.begin("retention", str(home.root.absolute()), now.isoformat())


ROUTES = [
    Route("/account/delete", _delete_page, methods=["GET"]),
    Route("/account/delete", form.posted(_delete), methods=["POST"]),
]
