"""Bundles of what is held of somebody: made and fetched by who may have one, after the password.

What is another's is answered as what is not there.
"""

import sqlite3
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dashboards import form, reauthentication, rights, session
from dashboards.form import Fields
from retention import holding, portability
from warehouse import database
from warehouse.control import right
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home


def _export(request: Request, fields: Fields) -> Response:
    found = rights.owner(request)
    if found is None:
        return form.missing(request)
    home, number, now = Home.own(), found.member.account_no, session.now()
    with database.control(home) as control:
        vault = Vault(control, now)
        if wrong := reauthentication.unproved(request, control, vault, found, fields.get(reauthentication.FIELD, "")):
            return rights.page(request, wrong=f"No bundle was made: {wrong}.", status=422)
        asked = right.ask(control, vault, number, "access", "", now)
        try:
            portability.export(home, control, holding.of_account(control, number), asked.request_no, now)
        except WarehouseError as error:
            # Nothing is published yet, or somebody is being erased: the request stays open.
            return rights.page(request, wrong=f"It cannot be made now: {error}", status=409)
        right.end(control, vault, asked.request_no, "done", "", now)
    return form.turned("/account/rights?said=made")


def _own_bundle(request: Request) -> tuple[Session, Path] | None:
    """The bundle that an address names, for who may have it; None for everybody else."""
    found, number = rights.owner(request), str(request.path_params["number"])
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


ROUTES = [
    Route("/account/rights/export", form.posted(_export), methods=["POST"]),
    Route("/account/rights/bundle/{number}", _bundle, methods=["GET"]),
    Route("/account/rights/bundle/{number}", form.posted(_fetch), methods=["POST"]),
]
