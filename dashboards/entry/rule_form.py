"""Rules within what is claimed, by the operator: keys by alias -> a project; upstreams -> the connection that pays."""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import operating, session
from dashboards.forms import form
from dashboards.forms.form import Fields
from warehouse import database
from warehouse.control import audit, connection, credential, key_rule, upstream_claim
from warehouse.control.upstream_claim import UpstreamClaim
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

_Page = Callable[..., Response]


def drawn(control: sqlite3.Connection, vault: Vault, asked: Mapping[str, str]) -> str:
    """The rules there are, and the forms for another one."""
    return _keys(control, asked) + _upstreams(control, vault, asked)


def _keys(control: sqlite3.Connection, asked: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.pattern)}</td><td>{escape(one.account)}</td><td>{escape(one.project)}</td>"
        f"<td>{_days(one.first_day, one.last_day)}</td>"
        f'<td><form method="post" action="/claims/keys/end">@form@'
        f'<input type="hidden" name="rule" value="{one.rule_no}">{form.button("End", calm=True)}</form></td></tr>'
        for one in key_rule.listed(control)
    )
    head = "<tr><th>Keys called</th><th>Account</th><th>Project</th><th>Days</th><th></th></tr>"
    table = f'<div class="scroll"><table aria-label="Keys of projects">{head}{rows}</table></div>' if rows else ""
    today = session.now().date()
    return (
        "<h2>Keys of a project</h2><p>Calls that name no project are in the one that their key's alias says.</p>"
        f'{table}<form class="narrow" method="post" action="/claims/keys">@form@'
        + form.field(
            "account", "Label of the account", value=asked.get("account", ""), more='list="labels" maxlength="64"'
        )
        + form.field(
            "pattern",
            "Keys called",
            value=asked.get("pattern", ""),
            hint="The alias in the log; * stands for any characters, such as web-*.",
            more='maxlength="64" autocomplete="off"',
        )
        + form.field("project", "Project", value=asked.get("project", ""), more='maxlength="64"')
        + form.field(
            "since", "From", "date", value=asked.get("since") or str(today), hint="The UTC day from which it holds."
        )
        + form.button("Set the rule", calm=True)
        + "</form>"
    )


def _days(first: date, last: date | None) -> str:
    since = "always" if first == upstream_claim.ALWAYS else f"from {first}"
    return since if last in {None, upstream_claim.FOREVER} else f"{since} to {last}"


def _connections(control: sqlite3.Connection) -> dict[int, str]:
    """Every connection, and how the operator knows it again."""
    names = {one.connection_no: one.label for one in credential.of_account(control, None)}
    found = {}
    for number, source, provider, account_no, _ in connection.rows(control):
        named = dict.fromkeys((provider, names.get(number, source), f"account {account_no}"))
        found[number] = ", ".join(named)
    return found


def _upstreams(control: sqlite3.Connection, vault: Vault, asked: Mapping[str, str]) -> str:
    places = _connections(control)
    if not places:
        return ""
    rows = "".join(_claimed(one, places) for one in upstream_claim.listed(control, vault))
    head = "<tr><th>Sent to</th><th>Paid by</th><th>Days</th><th></th></tr>"
    table = f'<div class="scroll"><table aria-label="Upstreams">{head}{rows}</table></div>' if rows else ""
    options = "".join(
        f'<option value="{number}"{" selected" if asked.get("connection") == str(number) else ""}>'
        f"{escape(named)}</option>"
        for number, named in places.items()
    )
    return (
        "<h2>What pays for an upstream</h2><p>Where a payer has several connections at a provider, this says whose "
        'bill holds the calls that a log sends somewhere. <a href="/reconciliation">Reconciliation</a> lists those '
        f"that none claims.</p>{table}"
        '<form class="narrow" method="post" action="/claims/upstreams">@form@'
        + form.field(
            "upstream",
            "Upstream",
            value=asked.get("upstream", ""),
            hint="As the log calls it; * stands for any characters, such as openai@*.",
            more='maxlength="256" autocomplete="off"',
        )
        + f'<label for="connection">Paid by</label><select id="connection" name="connection">{options}</select>'
        + form.field(
            "first",
            "From",
            "date",
            value=asked.get("first", ""),
            hint="Left empty: since ever.",
            is_required=False,
        )
        + form.button("Claim it", calm=True)
        + "</form>"
    )


def _claimed(one: UpstreamClaim, places: Mapping[int, str]) -> str:
    named = "—" if one.pattern is None else escape(upstream_claim.shown(one.pattern))
    return (
        f"<tr><td>{named}</td><td>{escape(places.get(one.connection_no, '—'))}</td>"
        f"<td>{_days(one.first_day, one.last_day)}</td>"
        f'<td><form method="post" action="/claims/upstreams/end">@form@'
        f'<input type="hidden" name="claim" value="{one.claim_no}">{form.button("End", calm=True)}</form></td></tr>'
    )


def routes(again: _Page) -> list[Route]:
    """The routes of the forms; `again` draws the page once more, with what is wrong."""

    def refused(request: Request, fields: Fields, wrong: str) -> Response:
        return again(request, wrong=f"Nothing was set: {wrong}.", status=422, typed=fields)

    def set_keys(request: Request, fields: Fields) -> Response:
        found, now = operating.who(request), session.now()
        if found is None:
            return form.missing(request)
        account, pattern, project = (fields.get(name, "").strip() for name in ("account", "pattern", "project"))
        try:
            since = _day(fields.get("since", ""))
            with database.control(Home.own()) as control:
                key_rule.put(control, account, pattern, project, since, now)
                audit.note(control, "claim.parted", now, actor_no=found.member.member_no)
        except WarehouseError as error:
            return refused(request, fields, str(error))
        return form.turned("/claims?said=ruled")

    def set_upstream(request: Request, fields: Fields) -> Response:
        found, now = operating.who(request), session.now()
        if found is None:
            return form.missing(request)
        with database.control(Home.own()) as control:
            number = next((one for one in _connections(control) if str(one) == fields.get("connection")), None)
            if number is None:
                return form.missing(request)
            try:
                first = _day(fields["first"]) if fields.get("first") else upstream_claim.ALWAYS
                vault, upstream = Vault(control, now), fields.get("upstream", "").strip()
                upstream_claim.put(control, vault, upstream, number, now, first_day=first)
                upstream_claim.follow(control, now)
            except WarehouseError as error:
                return refused(request, fields, f"Upstream: {error}")
            audit.note(control, "claim.parted", now, actor_no=found.member.member_no)
        return form.turned("/claims?said=paid")

    return [
        Route("/claims/keys", form.posted(set_keys), methods=["POST"]),
        Route("/claims/keys/end", form.posted(_end_keys), methods=["POST"]),
        Route("/claims/upstreams", form.posted(set_upstream), methods=["POST"]),
        Route("/claims/upstreams/end", form.posted(_end_upstream), methods=["POST"]),
    ]


def _end_keys(request: Request, fields: Fields) -> Response:
    found, now = operating.who(request), session.now()
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        one = next((one for one in key_rule.listed(control) if str(one.rule_no) == fields.get("rule")), None)
        if one is None or not key_rule.end(control, one.account, one.pattern, now.date()):
            return form.missing(request)
        audit.note(control, "claim.parted", now, actor_no=found.member.member_no)
    return form.turned("/claims?said=ruled")


def _end_upstream(request: Request, fields: Fields) -> Response:
    """A claim ends with yesterday; one that begins today or later is taken back."""
    found, now = operating.who(request), session.now()
    if found is None:
        return form.missing(request)
    yesterday = now.date() - timedelta(days=1)
    with database.control(Home.own()) as control:
        listed = upstream_claim.listed(control, Vault(control, now))
        one = next((one for one in listed if str(one.claim_no) == fields.get("claim")), None)
        if one is None or one.last_day < yesterday:
            return form.missing(request)
        upstream_claim.end(control, one.claim_no, yesterday if one.first_day <= yesterday else None)
        audit.note(control, "claim.parted", now, actor_no=found.member.member_no)
    return form.turned("/claims?said=paid")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WarehouseError("From: give the day as 2026-11-01") from None
