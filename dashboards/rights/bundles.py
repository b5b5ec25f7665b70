"""Bundles of what is held of somebody: made and fetched by who may have one, after the password.

What is another's is answered as what is not there.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form, reauthentication
from dashboards.forms.form import Fields
from dashboards.rights import rights_page
from retention import holding, own_people, personal_copy, portability
from retention.errors import RetentionError
from warehouse import database
from warehouse.control import right
from warehouse.control.right import Request as Asked
from warehouse.control.right import Subject
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

Make = Callable[[sqlite3.Connection, Vault, datetime], Asked]
_PEOPLE: tuple[Subject, ...] = ("user", "end_user")


def _export(request: Request, fields: Fields) -> Response:
    found = rights_page.owner(request)
    if found is None:
        return form.missing(request)
    home, number = Home.own(), found.member.account_no

    def make(control: sqlite3.Connection, vault: Vault, now: datetime) -> Asked:
        asked = right.ask(control, vault, number, "access", "", now)
        portability.export(home, control, holding.of_account(control, number), asked.request_no, now)
        return asked

    return _made(request, found, fields, reauthentication.FIELD, make)


def _own_copy(request: Request, fields: Fields) -> Response:
    """What is held of who asks, alone; whatever their role."""
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.missing(request)
    member = found.member

    def make(control: sqlite3.Connection, vault: Vault, now: datetime) -> Asked:
        asked = right.ask(control, vault, member.account_no, "access", "", now, member=member, subject="member")
        personal_copy.of_member(Home.own(), control, member, asked.request_no, now)
        return asked

    return _made(request, found, fields, "own-proof", make)


def _copy_of(request: Request, fields: Fields) -> Response:
    """What is held of a user of one's own account, found by the id that its log has."""
    found = rights_page.owner(request)
    kind = next((each for each in _PEOPLE if each == fields.get("person")), None)
    if found is None or kind is None:
        return form.missing(request)
    number, whose, named = found.member.account_no, fields.get("whose", "").strip(), fields.get("account", "").strip()

    def make(control: sqlite3.Connection, vault: Vault, now: datetime) -> Asked:
        subject = own_people.find(control, vault, holding.of_account(control, number), kind, whose, named)
        asked = right.ask(control, vault, number, "access", "", now, subject=kind)
        personal_copy.of_subject(Home.own(), control, subject, number, asked.request_no, now)
        return asked

    return _made(request, found, fields, "person-proof", make)


def _made(request: Request, found: Session, fields: Fields, field: str, make: Make) -> Response:
    """Make a bundle for who proves that it is they; its request stays open where it cannot be made now."""
    with database.control(Home.own()) as control:
        vault, now = Vault(control, session.now()), session.now()
        if wrong := reauthentication.unproved(request, control, vault, found, fields.get(field, "")):
            return rights_page.page(request, wrong=f"No bundle was made: {wrong}.", status=422)
        try:
            asked = make(control, vault, now)
        except RetentionError as error:
            return rights_page.page(request, wrong=f"No bundle was made: {error}.", status=422)
        except WarehouseError as error:
            # Nothing is published yet, or somebody is being erased.
            return rights_page.page(request, wrong=f"It cannot be made now: {error}", status=409)
        right.end(control, vault, asked.request_no, "done", "", now, actor_no=found.member.member_no)
    return form.turned("/account/rights?said=made")


def _own_bundle(request: Request) -> tuple[Session, Path] | None:
    """The bundle that an address names, for who may have it; None for everybody else."""
    found, number = session.find(session.token_of(request.cookies)), str(request.path_params["number"])
    if found is None or not (number.isascii() and number.isdigit()):
        return None
    with database.control(Home.own()) as control:
        mine = found.member.is_owner and is_of_account(control, int(number[:18]), found.member.account_no)
        mine = mine or is_of_member(control, int(number[:18]), found.member.member_no)
    file = portability.bundle_file(Home.own(), int(number[:18]))
    return (found, file) if mine and file.exists() else None


def _bundle(request: Request, *, wrong: str = "") -> Response:
    """A bundle; who has not proved it lately in this browser is asked first."""
    if (own := _own_bundle(request)) is None:
        return form.missing(request)
    found, file = own
    with database.control(Home.own()) as control:
        is_fresh = reauthentication.is_fresh(control, found)
    if wrong or not is_fresh:
        asked = (
            f'<form method="post" action="{escape(request.url.path)}">@form@{reauthentication.asked(found.member)}'
            f'{form.button("Fetch it")}</form><p><a href="/account/rights">Back to your rights</a></p>'
        )
        return form.page(
            request,
            "Your bundle",
            lambda hidden: asked.replace("@form@", hidden),
            wrong=wrong,
            status=422 if wrong else 200,
        )
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return FileResponse(file, media_type="application/zip", filename="apiledger-bundle.zip", headers=headers)


def _fetch(request: Request, fields: Fields) -> Response:
    if (own := _own_bundle(request)) is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        vault, secret = Vault(control, session.now()), fields.get(reauthentication.FIELD, "")
        wrong = reauthentication.unproved(request, control, vault, own[0], secret)
    return _bundle(request, wrong=f"It is not handed out: {wrong}.") if wrong else form.turned(request.url.path)


def is_of_account(control: sqlite3.Connection, request_no: int, account_no: int) -> bool:
    """Whether a bundle was made for an account: its own, or the copy of one of its users."""
    query = """SELECT 1 FROM rights_request
               WHERE request_no = ? AND account_no = ? AND kind = 'access' AND member_no IS NULL"""
    return control.execute(query, (request_no, account_no)).fetchone() is not None


def is_of_member(control: sqlite3.Connection, request_no: int, member_no: int) -> bool:
    """Whether a bundle is the copy of a member, which is theirs alone."""
    query = "SELECT 1 FROM rights_request WHERE request_no = ? AND member_no = ? AND kind = 'access'"
    return control.execute(query, (request_no, member_no)).fetchone() is not None


ROUTES = [
    Route("/account/rights/export", form.posted(_export), methods=["POST"]),
    Route("/account/rights/copy", form.posted(_own_copy), methods=["POST"]),
    Route("/account/rights/copy-of", form.posted(_copy_of), methods=["POST"]),
    Route("/account/rights/bundle/{number}", _bundle, methods=["GET"]),
    Route("/account/rights/bundle/{number}", form.posted(_fetch), methods=["POST"]),
]
