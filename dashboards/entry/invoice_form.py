"""Entering invoices: one by a form, several by a CSV file, and taking one out; for owners and editors, their own alone.

An invoice is of the bills of the account's own connections, or of a plan that is theirs to see. Another account's
invoice or plan is answered as one that is not there.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.figures import viewer
from dashboards.forms import form, upload
from dashboards.forms.form import Fields
from warehouse import database, money
from warehouse.control import credential
from warehouse.control import invoice as invoices
from warehouse.control import plan as plans
from warehouse.control.invoice import Invoice
from warehouse.control.plan import Plan
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

_ROLES = frozenset({"owner", "editor"})
_SAID = {
    "entered": "It is entered; the next pass holds it against its bills.",
    "removed": "It is taken out; the next pass shows it.",
}
_TYPED = ("provider", "number", "period", "amount", "currency", "tax", "credits")


@dataclass(frozen=True)
class _Mine:
    """Whose invoices are entered: the account, its plans, and the providers that it has connections at."""

    account_no: int
    is_operator: bool
    plans: tuple[Plan, ...]
    providers: tuple[str, ...]

    @property
    def accounts(self) -> set[int]:
        """The accounts whose invoices are theirs: their own, and those that their plans are of."""
        return {self.account_no, *(one.account_no for one in self.plans)}


def _editor(request: Request) -> Session | None:
    """Who looks, where they may enter invoices; an operator who looks into another account only looks."""
    found = session.find(session.token_of(request.cookies))
    if found is None or found.member.role not in _ROLES or found.opened_account_no is not None:
        return None
    return found if found.member.projects is None else None


def _mine(control: sqlite3.Connection, found: Session) -> _Mine:
    looks, own = viewer.of(found.lookup), found.member.account_no
    query = "SELECT no, label FROM label WHERE valid_to IS NULL"
    names = dict(control.execute(query).fetchall())
    query = "SELECT DISTINCT provider FROM connection WHERE account_no = ? ORDER BY provider"
    return _Mine(
        own,
        looks.is_operator,
        tuple(
            one
            for one in plans.listed(control)
            if one.account_no == own or (one.account_no in names and looks.sees(names[one.account_no], None))
        ),
        tuple(provider for (provider,) in control.execute(query, (own,))),
    )


def _page(request: Request, *, wrong: str = "", status: int = 200, typed: Fields | None = None) -> Response:
    if session.find(session.token_of(request.cookies)) is None:
        return form.turned("/sign-in?to=/invoice")
    found = _editor(request)
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        mine = _mine(control, found)
        entered = [one for one, _ in invoices.listed(control) if one.account_no in mine.accounts]
    return form.page(
        request,
        "Invoices",
        lambda hidden: (
            '<p><a href="/invoices">Back to the tie-out</a></p>'
            + (_one(mine, typed or {}) + _several() + _entered(entered)).replace("@form@", hidden)
        ),
        said="" if wrong else _SAID.get(request.query_params.get("said", ""), ""),
        wrong=wrong,
        status=status,
    )


def _one(mine: _Mine, typed: Fields) -> str:
    options = "".join(
        f'<option value="{one.plan_no}"{" selected" if typed.get("plan") == str(one.plan_no) else ""}>'
        f"The plan {escape(one.name)} ({escape(one.provider)}, from {one.starts_on})</option>"
        for one in mine.plans
    )
    of = (
        '<label for="plan">Of</label><select id="plan" name="plan"><option value="">A provider\'s bill</option>'
        f"{options}</select>"
        if mine.plans
        else ""
    )
    known = "".join(f'<option value="{escape(name)}"></option>' for name in mine.providers)
    value = {name: typed.get(name, "") for name in _TYPED}
    decimal = 'inputmode="decimal" autocomplete="off"'
    return (
        f'<form method="post" action="/invoice/add">@form@{of}'
        + form.field(
            "provider",
            "Provider",
            value=value["provider"],
            hint="As the logs call it, such as openai.",
            more='list="providers" autocomplete="off" spellcheck="false"',
        )
        + f'<datalist id="providers">{known}</datalist>'
        + form.field(
            "number", "Number", value=value["number"], hint="As the provider writes it.", more='maxlength="64"'
        )
        + form.field("period", "Period", value=value["period"], hint="2026-10, or 2026-10-05..2026-11-04.")
        + form.field(
            "amount", "Amount", value=value["amount"], hint="What is to be paid, tax and credits in it.", more=decimal
        )
        + form.field("currency", "Currency", value=value["currency"] or invoices.USD, more='maxlength="3" size="3"')
        + form.field(
            "tax",
            "Tax in it",
            value=value["tax"],
            hint="Left empty: what the bill's own lines say.",
            more=decimal,
            is_required=False,
        )
        + form.field(
            "credits",
            "Credits in it",
            value=value["credits"],
            hint="Such as -5. Left empty: what the bill's own lines say.",
            more=decimal,
            is_required=False,
        )
        + form.button("Enter the invoice")
        + "</form>"
    )


def _several() -> str:
    columns = ", ".join(name for name in invoices.CSV_COLUMNS if name != "account")
    return (
        '<h2>Several from a file</h2><form method="post" action="/invoice/file" enctype="multipart/form-data">@form@'
        + form.field(
            upload.FILE,
            "CSV file",
            "file",
            hint=f"Its first line names its columns: {columns}; the last four may miss. All of it is entered, or none.",
            more='accept=".csv,text/csv"',
        )
        + form.button("Enter the file", calm=True)
        + "</form>"
    )


def _entered(found: Iterable[Invoice]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.number)}<small>{escape(one.provider)}{f', {escape(one.plan)}' if one.plan else ''}, "
        f"{one.period_start} to {one.period_end}</small></td>"
        f'<td class="n">{escape(_amount(one))}</td>'
        f'<td><form method="post" action="/invoice/remove">@form@'
        f'<input type="hidden" name="account" value="{one.account_no}">'
        f'<input type="hidden" name="provider" value="{escape(one.provider)}">'
        f'<input type="hidden" name="number" value="{escape(one.number)}">'
        f"{form.button('Remove', calm=True)}</form></td></tr>"
        for one in reversed(list(found))
    )
    if not rows:
        return ""
    head = '<tr><th>Invoice</th><th class="n">Amount</th><th></th></tr>'
    return f'<h2>Entered so far</h2><div class="scroll"><table aria-label="Entered so far">{head}{rows}</table></div>'


def _amount(one: Invoice) -> str:
    return money.shown(one.amount) if one.currency == invoices.USD else money.billed(one.amount, one.currency)


def _made(mine: _Mine, row: Mapping[str, str]) -> Invoice:
    """The invoice of a line or a form; a plan is named there, and is one of theirs."""
    if row.get("account"):
        raise WarehouseError("account: leave that column out here, an invoice is your account's")
    named = row.get("plan", "")
    same = [
        one
        for one in mine.plans
        if (one.name, one.provider) == (named, row.get("provider", "").strip())
        and row.get("plan_no") in {None, str(one.plan_no)}
    ]
    if named and not same:
        raise WarehouseError(f"plan: you have none of that name at {row.get('provider') or 'that provider'}")
    return invoices.of_row(row, same[0].account_no if named else mine.account_no)


def _keep(found: Session, mine: _Mine, rows: list[dict[str, str]]) -> Response | str:
    """Enter them all; the sentence that says what is wrong where none was."""
    made = []
    for place, row in enumerate(rows, start=1):
        try:
            made.append(_made(mine, row))
        except WarehouseError as error:
            return f"invoice {place} of {len(rows)}: {error}" if len(rows) > 1 else str(error)
    now = session.now()
    with database.control(Home.own()) as control:
        try:
            invoices.add(control, made, now)
        except WarehouseError as error:
            return str(error)
        if not mine.is_operator:
            # What is held against no connection yet has its account's label all the same: nobody else sees it.
            credential.name_own(control, Vault(control, now), found.member.account_no, now)
    return form.turned("/invoice?said=entered")


def _add(request: Request, fields: Fields) -> Response:
    found = _editor(request)
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        mine = _mine(control, found)
    row = {name: fields.get(name, "").strip() for name in _TYPED}
    if number := fields.get("plan", ""):
        picked = next((one for one in mine.plans if str(one.plan_no) == number), None)
        if picked is None:
            return form.missing(request)
        row |= {"plan": picked.name, "plan_no": number}
    kept = _keep(found, mine, [row])
    return _page(request, wrong=_nothing(kept), status=422, typed=fields) if isinstance(kept, str) else kept


def _file(request: Request, _: Fields, text: str) -> Response:
    found = _editor(request)
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        mine = _mine(control, found)
    kept: Response | str = "the file is no UTF-8 text; save it as CSV UTF-8"
    if text != upload.UNREADABLE:
        try:
            rows = invoices.told(text)
            kept = _keep(found, mine, rows) if rows else "the file has no invoice in it"
        except WarehouseError as error:
            kept = str(error)
    return _page(request, wrong=_nothing(kept), status=422) if isinstance(kept, str) else kept


def _nothing(why: str) -> str:
    return f"Nothing was entered: {why}."


def _remove(request: Request, fields: Fields) -> Response:
    found, number = _editor(request), fields.get("account", "")
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        theirs = {str(one): one for one in _mine(control, found).accounts}
        try:
            if number not in theirs:
                return form.missing(request)
            invoices.remove(control, fields.get("number", ""), fields.get("provider", ""), theirs[number])
        except WarehouseError:
            return form.missing(request)
    return form.turned("/invoice?said=removed")


ROUTES = [
    Route("/invoice", _page, methods=["GET"]),
    Route("/invoice/add", form.posted(_add), methods=["POST"]),
    Route("/invoice/file", upload.posted(_file, "/invoice"), methods=["POST"]),
    Route("/invoice/remove", form.posted(_remove), methods=["POST"]),
]
