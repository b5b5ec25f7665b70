"""Claims, by the operator: which account labels of the logs are whose, by name or by rule; which are told apart.

A claim opens figures to others and hides them from the operator, so that the operator is asked once more who they are.
"""

import sqlite3
from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import operating, session
from dashboards.entry import rule_form
from dashboards.forms import form, reauthentication
from dashboards.forms.form import Fields
from dashboards.people import account
from warehouse import database
from warehouse.control import audit, claim, claim_rule, told_apart
from warehouse.control import member as members
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

_SAID = {
    "given": "It is theirs. A label's figures are theirs to see at once, a rule counts from the next pass on.",
    "ended": "It is yours again. What a rule claimed before stays claimed.",
    "parted": "It counts for what lands from the next pass on.",
    "whole": "It is one account again; its parts keep what they have.",
    "ruled": "It counts for calls that land from the next pass on.",
    "paid": "It counts from the next pass on, also for calls of before.",
}
_MOST = 500


def _page(request: Request, *, wrong: str = "", status: int = 200, typed: Mapping[str, str] | None = None) -> Response:
    if session.find(session.token_of(request.cookies)) is None:
        return form.turned("/sign-in?to=/claims")
    found = operating.who(request)
    if found is None:
        return form.missing(request)
    asked = typed or request.query_params
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        owners = _owners(control, vault)
        body = (
            '<p><a href="/operator">Back to the installation</a></p>'
            + _unclaimed(claim_rule.unclaimed(control))
            + _giving(owners, asked, found)
            + _claimed(control, owners)
            + _parts(told_apart.listed(control), asked)
            + rule_form.drawn(control, vault, asked)
        )
    return form.page(
        request,
        "Whose is what",
        lambda hidden: body.replace("@form@", hidden),
        said="" if wrong else _SAID.get(request.query_params.get("said", ""), ""),
        wrong=wrong,
        status=status,
        wide=True,
    )


def _owners(control: sqlite3.Connection, vault: Vault) -> dict[int, str]:
    """The accounts that may be given something, and how the operator knows them again."""
    found = {}
    for number, is_operator in members.accounts(control):
        if not is_operator:
            emails = (members.email_of(control, vault, one) for one in members.of_account(control, number))
            found[number] = f"account {number} ({account.masked(next(filter(None, emails), None))})"
    return found


def _unclaimed(labels: list[str]) -> str:
    options = "".join(f'<option value="{escape(label)}"></option>' for label in labels[:_MOST])
    listed = ", ".join(f"<strong>{escape(label)}</strong>" for label in labels[:_MOST])
    more = f" and {len(labels) - _MOST} more" if len(labels) > _MOST else ""
    said = f"Only you see the calls of: {listed}{more}." if labels else "Every label of the logs is claimed."
    return f'<h2>What nobody has claimed</h2><p>{said}</p><datalist id="labels">{options}</datalist>'


def _giving(owners: Mapping[int, str], asked: Mapping[str, str], found: Session) -> str:
    if not owners:
        return '<p>Nobody else has an account yet; <a href="/account">invite somebody</a>, or let them sign up.</p>'
    options = "".join(
        f'<option value="{number}"{" selected" if asked.get("whose") == str(number) else ""}>{escape(named)}</option>'
        for number, named in owners.items()
    )
    return (
        '<form class="narrow" method="post" action="/claims/give">@form@'
        + form.field(
            "label",
            "Label, or a rule",
            value=asked.get("label", ""),
            hint="An organisation or team as logs call it; with a *, such as acme-*, a rule for what comes up.",
            more='list="labels" maxlength="64" autocomplete="off"',
        )
        + f'<label for="whose">Belongs to</label><select id="whose" name="whose">{options}</select>'
        + reauthentication.asked(found.member)
        + form.button("Give it to them")
        + "</form>"
    )


def _claimed(control: sqlite3.Connection, owners: Mapping[int, str]) -> str:
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td>{escape(named)}</td><td>{what}</td>"
        f'<td><form method="post" action="/claims/end">@form@<input type="hidden" name="label" '
        f'value="{escape(label)}">{form.button("End", calm=True)}</form></td></tr>'
        for number, named in owners.items()
        for what, labels in (
            ("rule", claim_rule.of_account(control, number)),
            ("claimed", claim.labels_of(control, number)),
        )
        for label in labels
        if label != f"account {number}"
    )
    head = "<tr><th>Label</th><th>Whose</th><th>How</th><th></th></tr>"
    if not rows:
        return ""
    return f'<h2>What is claimed</h2><div class="scroll"><table aria-label="Claims">{head}{rows}</table></div>'


def _parts(parts: Mapping[str, str], asked: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><td>{escape(label)}/…</td><td>by {part}</td>"
        f'<td><form method="post" action="/claims/whole">@form@<input type="hidden" name="whole" '
        f'value="{escape(label)}">{form.button("Take as a whole", calm=True)}</form></td></tr>'
        for label, part in parts.items()
    )
    table = f'<div class="scroll"><table aria-label="Told apart">{rows}</table></div>' if rows else ""
    options = "".join(f'<option value="{part}">its {part}s</option>' for part in told_apart.PARTS)
    return (
        "<h2>Tell one apart</h2><p>Its calls are in parts such as <em>acme/red</em> from the next pass on, and each "
        f"part is claimed by itself.</p>{table}"
        '<form class="narrow" method="post" action="/claims/part">@form@'
        + form.field(
            "parted", "Label", value=asked.get("parted", ""), more='list="labels" maxlength="64" autocomplete="off"'
        )
        + f'<label for="part">By</label><select id="part" name="part">{options}</select>'
        + form.button("Tell it apart", calm=True)
        + "</form>"
    )


def _give(request: Request, fields: Fields) -> Response:
    found, now, label = operating.who(request), session.now(), fields.get("label", "").strip()
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        number = next((one for one in _owners(control, vault) if str(one) == fields.get("whose")), None)
        if number is None:
            return form.missing(request)
        proof = fields.get(reauthentication.FIELD, "")
        wrong = reauthentication.unproved(request, control, vault, found, proof)
        try:
            if not wrong and claim_rule.is_rule(label):
                claim_rule.put(control, label, number, now)
            elif not wrong and (label in claim_rule.unclaimed(control) or claim.holder_of(control, label) is not None):
                claim.put(control, label, number, now)
            elif not wrong:
                wrong = "Label: no log has that account; with a * it is a rule for what comes up"
        except WarehouseError as error:
            wrong = f"Label: {error}"
        if not wrong:
            audit.note(control, "claim.given", now, actor_no=found.member.member_no, object_no=number)
    return _page(request, wrong=f"Nothing was given: {wrong}.", status=422, typed=fields) if wrong else _done("given")


def _done(what: str) -> Response:
    return form.turned(f"/claims?said={what}")


def _end(request: Request, fields: Fields) -> Response:
    found, now, label = operating.who(request), session.now(), fields.get("label", "")
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        ended = claim_rule.end if claim_rule.is_rule(label) else claim.end
        # What an account has of itself is nobody else's to take.
        its_own = {f"account {number}" for number, _ in members.accounts(control)}
        if label in its_own or not ended(control, label, now):
            return form.missing(request)
        audit.note(control, "claim.ended", now, actor_no=found.member.member_no)
    return _done("ended")


def _part(request: Request, fields: Fields) -> Response:
    found, now, label = operating.who(request), session.now(), fields.get("parted", "").strip()
    part = next((one for one in told_apart.PARTS if one == fields.get("part")), None)
    if found is None or part is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        try:
            told_apart.put(control, label, part, now)
        except WarehouseError as error:
            return _page(request, wrong=f"Nothing was told apart: Label: {error}.", status=422, typed=fields)
        audit.note(control, "claim.parted", now, actor_no=found.member.member_no)
    return _done("parted")


def _whole(request: Request, fields: Fields) -> Response:
    found = operating.who(request)
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        if not told_apart.end(control, fields.get("whole", "")):
            return form.missing(request)
        audit.note(control, "claim.parted", session.now(), actor_no=found.member.member_no)
    return _done("whole")


ROUTES = [
    Route("/claims", _page, methods=["GET"]),
    Route("/claims/give", form.posted(_give), methods=["POST"]),
    Route("/claims/end", form.posted(_end), methods=["POST"]),
    Route("/claims/part", form.posted(_part), methods=["POST"]),
    Route("/claims/whole", form.posted(_whole), methods=["POST"]),
    *rule_form.routes(_page),
]
