"""The rights of who is signed in: take all along, restrict, object, withdraw, ask; the operator sees what is due.

Only an owner asks for the whole account, since a bundle holds all of it. What is another account's is not there.
"""

import sqlite3
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dashboards import form, reauthentication, rights_parts, session
from dashboards.form import Fields
from dashboards.rights_parts import IN_WORDS
from retention import holding, portability, restrict
from retention.errors import RetentionError
from warehouse import database
from warehouse.control import consent, objection, restriction, right
from warehouse.control.member import Member
from warehouse.control.objection import PURPOSES
from warehouse.control.right import Kind
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

_SAID = {
    "made": "Your bundle is ready below. It stays for 7 days.",
    "asked": "Your request is written down.",
    "restricted": "Nothing of your data is processed from now on; it is kept.",
    "lifted": "Your data is processed again, with what came meanwhile.",
    "objected": "It is not done any more.",
    "taken-back": "Your objection is taken back.",
    "withdrawn": "That connection is not read any more.",
    "answered": "The request is answered.",
}

_OF_ACCOUNT = (rights_parts.restriction, rights_parts.objections, rights_parts.consents)


def _owner(request: Request) -> Session | None:
    found = session.find(session.token_of(request.cookies))
    return found if found is not None and found.member.is_owner else None


def _page(request: Request, *, wrong: str = "", status: int = 200) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    said = _SAID.get(request.query_params.get("said", ""), "")
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        if found.member.is_owner:
            parts = [rights_parts.everything(control, vault, found.member)]
            parts += [part(control, found.member) for part in _OF_ACCOUNT]
            parts += [rights_parts.asking(), rights_parts.requests(control, vault, found.member)]
        else:
            parts = ["<p>An owner of your account uses these rights for all of it. For your own, write to them.</p>"]
        if found.member.is_operator and found.member.is_owner:
            parts.append(rights_parts.due(control, vault))
    return form.page(
        request,
        "Your rights",
        lambda hidden: '<p><a href="/account">Back to your account</a></p>' + "".join(parts).replace("@form@", hidden),
        said=said,
        wrong=wrong,
        status=status,
    )


def _export(request: Request, fields: Fields) -> Response:
    found = _owner(request)
    if found is None:
        return form.missing(request)
    home, number, now = Home.own(), found.member.account_no, session.now()
    with database.control(home) as control:
        vault = Vault(control, now)
        if wrong := reauthentication.unproved(request, control, vault, found, fields.get(reauthentication.FIELD, "")):
            return _page(request, wrong=f"No bundle was made: {wrong}.", status=422)
        asked = right.ask(control, vault, number, "access", "", now)
        try:
            portability.export(home, control, holding.of_account(control, number), asked.request_no, now)
        except WarehouseError as error:
            # Nothing is published yet, or somebody is being erased: the request stays open.
            return _page(request, wrong=f"It cannot be made now: {error}", status=409)
        right.end(control, vault, asked.request_no, "done", "", now)
    return form.turned("/account/rights?said=made")


def _own_bundle(request: Request) -> tuple[Session, Path] | None:
    """The bundle that an address names, for who may have it; None for everybody else."""
    found, number = _owner(request), str(request.path_params["number"])
    if found is None or not (number.isascii() and number.isdigit()):
        return None
    with database.control(Home.own()) as control:
        mine = is_of_account(control, int(number[:18]), found.member.account_no)
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
    """Whether a bundle was made for an account."""
    query = "SELECT 1 FROM rights_request WHERE request_no = ? AND account_no = ? AND kind = 'access'"
    return control.execute(query, (request_no, account_no)).fetchone() is not None


def _restrict(request: Request, _: Fields) -> Response:
    found = _owner(request)
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        try:
            restrict.begin(control, holding.of_account(control, found.member.account_no), session.now())
        except RetentionError as error:
            return _page(request, wrong=str(error), status=409)
        _carried_out(control, found.member, "restriction", "restricted")
    return form.turned("/account/rights?said=restricted")


def _lift(request: Request, _: Fields) -> Response:
    found = _owner(request)
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        restriction.lift(control, found.member.account_no, session.now())
    return form.turned("/account/rights?said=lifted")


def _object(request: Request, fields: Fields) -> Response:
    found = _owner(request)
    purpose = next((each for each in PURPOSES if each == fields.get("purpose")), None)
    if found is None or purpose is None or (purpose == "agent_sessions" and not found.member.is_operator):
        return form.missing(request)
    with database.control(Home.own()) as control:
        objection.begin(control, found.member.account_no, purpose, session.now())
        _carried_out(control, found.member, "objection", PURPOSES[purpose])
    return form.turned("/account/rights?said=objected")


def _take_back(request: Request, fields: Fields) -> Response:
    found = _owner(request)
    purpose = next((each for each in PURPOSES if each == fields.get("purpose")), None)
    if found is None or purpose is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        objection.end(control, found.member.account_no, purpose)
    return form.turned("/account/rights?said=taken-back")


def _withdraw(request: Request, fields: Fields) -> Response:
    found, number = _owner(request), fields.get("connection", "")
    if found is None or not (number.isascii() and number.isdigit()):
        return form.missing(request)
    with database.control(Home.own()) as control:
        try:
            consent.withdraw(control, found.member.account_no, int(number[:18]), session.now())
        except WarehouseError:
            return form.missing(request)
        _carried_out(control, found.member, "withdrawal", f"connection {number[:18]}")
    return form.turned("/account/rights?said=withdrawn")


def _ask(request: Request, fields: Fields) -> Response:
    found = _owner(request)
    if found is None or fields.get("kind") not in IN_WORDS:
        return form.missing(request)
    kind, _ = IN_WORDS[fields["kind"]]
    with database.control(Home.own()) as control:
        try:
            right.ask(
                control,
                Vault(control, session.now()),
                found.member.account_no,
                kind,
                fields.get("note", ""),
                session.now(),
            )
        except WarehouseError as error:
            return _page(request, wrong=f"Nothing was written down: {error}.", status=422)
    return form.turned("/account/rights?said=asked")


def _answer(request: Request, fields: Fields) -> Response:
    found, number = _owner(request), fields.get("number", "").strip()
    if found is None or not found.member.is_operator:
        return form.missing(request)
    with database.control(Home.own()) as control:
        vault, now = Vault(control, session.now()), session.now()
        try:
            asked = int(number[:18]) if number.isascii() and number.isdigit() else 0
            right.end(control, vault, asked, "done", fields.get("answer", ""), now, actor_no=found.member.member_no)
        except WarehouseError as error:
            return _page(request, wrong=f"{error}.", status=422)
    return form.turned("/account/rights?said=answered")


def _carried_out(control: sqlite3.Connection, member: Member, kind: Kind, answer: str) -> None:
    vault, now = Vault(control, session.now()), session.now()
    made = right.ask(control, vault, member.account_no, kind, "", now)
    right.end(control, vault, made.request_no, "done", answer, now)


_POSTED = {
    "export": _export,
    "restrict": _restrict,
    "lift": _lift,
    "object": _object,
    "take-back": _take_back,
    "withdraw": _withdraw,
    "ask": _ask,
    "answer": _answer,
}
ROUTES = [
    Route("/account/rights", _page, methods=["GET"]),
    Route("/account/rights/bundle/{number}", _bundle, methods=["GET"]),
    Route("/account/rights/bundle/{number}", form.posted(_fetch), methods=["POST"]),
    *(Route(f"/account/rights/{name}", form.posted(act), methods=["POST"]) for name, act in _POSTED.items()),
]
