"""Setting and removing budgets: for owners and editors, of what is theirs to see; each change comes by a form of ours.

A scope of somebody else is answered as one that is not there.
"""

import sqlite3
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.figures import viewer
from dashboards.figures.viewer import Viewer
from dashboards.forms import form
from dashboards.forms.form import Fields
from dashboards.people import account, sign_up
from warehouse import database
from warehouse.control import budget as budgets
from warehouse.control.budget import Scope
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.money import shown

_ROLES = frozenset({"owner", "editor"})
_SAID = {"set": "The budget is set.", "removed": "The budget is removed; what it had still to say is not sent."}


def _may(found: Session | None) -> bool:
    """Whether a session may change budgets; an operator who looks into another account only looks."""
    return found is not None and found.member.role in _ROLES and found.opened_account_no is None


def _places(control: sqlite3.Connection, looks: Viewer) -> dict[str, Scope]:
    """What a viewer may set a budget for, by the word that their form sends."""
    rows = control.execute(
        """SELECT thing.kind, thing.no, thing.account_no, owner.label, name.label
           FROM outside_id AS thing JOIN label AS name ON name.no = thing.no AND name.valid_to IS NULL
           JOIN label AS owner ON owner.no = thing.account_no AND owner.valid_to IS NULL
           WHERE thing.kind IN ('account', 'project') ORDER BY owner.label, thing.kind, name.label, thing.no"""
    ).fetchall()
    found: dict[tuple[str, str | None], Scope] = {}
    for kind, number, account_no, owner, name in rows:
        project = None if kind == "account" else name
        if looks.sees(owner, project):
            # Two gateways' names for one thing are one scope, the first that was seen, as the command line takes it.
            found.setdefault((owner, project), Scope(account_no, None if project is None else number, owner, project))
    return {f"{one.account_no}-{one.project_no or 0}": one for one in found.values()}


def _page(request: Request, *, said: str = "", wrong: str = "", status: int = 200) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in?to=/budget")
    if not _may(found):
        return form.missing(request)
    looks = viewer.of(found.lookup)
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        places = _places(control, looks)
        rows = ""
        for one in budgets.current(control):
            place = budgets.scope_of(control, one)
            if not looks.sees(place.account, place.project):
                continue
            address = budgets.address_of(control, vault, one.budget_no)
            shares = ", ".join(f"{share} %" for share in one.thresholds)
            rows += (
                f"<tr><td>{_named(place)}<small>{shown(one.monthly_usd)} a month, a mail at {shares} to "
                f"{escape(account.masked(address))}</small></td>"
                f'<td><form method="post" action="/budget/remove">@form@<input type="hidden" name="scope" '
                f'value="{one.account_no}-{one.project_no or 0}">{form.button("Remove", calm=True)}</form></td></tr>'
            )
    return form.page(
        request,
        "Budgets",
        lambda hidden: _body(places, rows).replace("@form@", hidden),
        said=said or _SAID.get(request.query_params.get("said", ""), ""),
        wrong=wrong,
        status=status,
    )


def _named(place: Scope) -> str:
    return escape(place.account if place.project is None else f"{place.project} ({place.account})")


def _body(places: dict[str, Scope], rows: str) -> str:
    options = "".join(f'<option value="{word}">{_named(place)}</option>' for word, place in places.items())
    listed = (
        f'<div class="scroll"><table aria-label="Budgets"><tr><th>Budget of</th><th></th></tr>{rows}</table></div>'
        if rows
        else "<p>No budget is set.</p>"
    )
    asked = (
        f'<h2>Set or change one</h2><form method="post" action="/budget/set">@form@<label for="scope">Of</label>'
        f'<select id="scope" name="scope">{options}</select>'
        + form.field("monthly", "USD a month", hint="From the 1st, UTC days.", more='inputmode="decimal"')
        + form.field("thresholds", "A mail at", value="50,80,100", hint="Percents of it, separated by commas.")
        + form.field("address", "Mails go to", "email")
        + form.button("Set the budget")
        + "</form>"
    )
    nothing = "<p>No log has named an account or a project yet.</p>"
    return f'<p><a href="/budgets">Back to the budgets</a></p>{listed}{asked if places else nothing}'


def _set(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None or not _may(found):
        return form.missing(request)
    address = fields.get("address", "").strip()
    if not sign_up.is_address(address):
        return _page(request, wrong="That is not one e-mail address.", status=422)
    now = session.now()
    with database.control(Home.own()) as control:
        place = _places(control, viewer.of(found.lookup)).get(fields.get("scope", ""))
        if place is None:
            return form.missing(request)
        try:
            monthly_usd = budgets.amount(fields.get("monthly", ""))
            shares = budgets.thresholds(fields.get("thresholds", ""))
        except WarehouseError as error:
            return _page(request, wrong=f"Nothing was set: {error}.", status=422)
        budgets.put(control, Vault(control, now), place, monthly_usd, shares, address, now)
    return form.turned("/budget?said=set")


def _remove(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None or not _may(found):
        return form.missing(request)
    looks, now = viewer.of(found.lookup), session.now()
    with database.control(Home.own()) as control:
        for one in budgets.current(control):
            place = budgets.scope_of(control, one)
            is_meant = fields.get("scope") == f"{one.account_no}-{one.project_no or 0}"
            if is_meant and looks.sees(place.account, place.project):
                budgets.remove(control, place, now)
                return form.turned("/budget?said=removed")
    return form.missing(request)


ROUTES = [
    Route("/budget", _page, methods=["GET"]),
    Route("/budget/set", form.posted(_set), methods=["POST"]),
    Route("/budget/remove", form.posted(_remove), methods=["POST"]),
]
