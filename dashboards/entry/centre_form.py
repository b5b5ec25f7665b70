"""Rules that put spend into cost centres, by the operator: what there is, another one, and the end of one.

They go into allocation.toml of the home, which `apiledger allocate` and people write, too; a rule that contradicts
another is refused, and named.
"""

import threading
from collections.abc import Mapping
from datetime import date
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import operating, session
from dashboards.forms import form
from dashboards.forms.form import Fields
from warehouse import database
from warehouse.allocation import CONDITIONS, Rule, Rules, made
from warehouse.control import audit
from warehouse.control.session import Session
from warehouse.errors import WarehouseError
from warehouse.home import Home

_SAID = {
    "set": "It counts from the next pass on, also for days of before that it holds on.",
    "ended": "It holds no longer from today on; what it took before stays where it is.",
    "gone": "It is gone: it had not held before today.",
}
_ASKED = {
    "project": "a project",
    "team": "a team",
    "key": "a key",
    "tag": "a tag",
    "account": "an account",
    "provider": "a provider",
    "model": "a model",
    "": "everything else",
}
_SPLIT = {
    "": "one cost centre, or fixed shares",
    "month": "all, by their use of the month",
    "day": "all, by their use of the day",
}
# The file is read, added to and replaced: one at a time.
_writing = threading.Lock()


def link() -> str:
    """The way to the form, for the operator."""
    return '<a href="/centres" target="_self">Set a rule</a>'


def _page(request: Request, *, wrong: str = "", status: int = 200, typed: Mapping[str, str] | None = None) -> Response:
    if session.find(session.token_of(request.cookies)) is None:
        return form.turned("/sign-in?to=/centres")
    if operating.who(request) is None:
        return form.missing(request)
    asked = typed or request.query_params
    try:
        rules = Rules.read(Home.own().root).rules
    except WarehouseError as error:
        # Somebody wrote the file by hand; the rules of the newest version go on.
        rules, wrong = (), wrong or f"{error}."
    body = (
        '<p><a href="/allocation">Back to who pays</a></p><p>Of rules that fit a call, the one that asks for the most '
        f"particular wins: key, tag, {', '.join(CONDITIONS[1:-1])}, then {CONDITIONS[-1]}.</p>"
        + _listed(rules)
        + _asking(asked)
    )
    return form.page(
        request,
        "Cost centres",
        lambda hidden: body.replace("@form@", hidden),
        said="" if wrong else _SAID.get(request.query_params.get("said", ""), ""),
        wrong=wrong,
        status=status,
        wide=True,
    )


def _listed(rules: tuple[Rule, ...]) -> str:
    if not rules:
        return "<p>No rule is set, so all spend is unallocated.</p>"
    today = session.now().date()
    rows = "".join(
        f"<tr><td>{escape(rule.name)}</td><td>{escape(rule.told_asked)}</td><td>{escape(rule.told_where)}</td>"
        f"<td>{escape(rule.told_when.removeprefix(', ') or 'always')}</td><td>{_ending(rule, today)}</td></tr>"
        for rule in sorted(rules, key=lambda each: -each.rank)
    )
    head = "<tr><th>Rule</th><th>Takes</th><th>To</th><th>Days</th><th></th></tr>"
    return f'<div class="scroll"><table aria-label="Rules">{head}{rows}</table></div>'


def _ending(rule: Rule, today: date) -> str:
    if rule.until is not None and rule.until <= today:
        return ""
    hidden = f'<input type="hidden" name="rule" value="{escape(rule.name)}">'
    return f'<form method="post" action="/centres/end">@form@{hidden}{form.button("End", calm=True)}</form>'


def _asking(asked: Mapping[str, str]) -> str:
    def chosen(name: str, label: str, options: Mapping[str, str]) -> str:
        listed = "".join(
            f'<option value="{value}"{" selected" if asked.get(name) == value else ""}>{said}</option>'
            for value, said in options.items()
        )
        return f'<label for="{name}">{label}</label><select id="{name}" name="{name}">{listed}</select>'

    named = 'maxlength="64" autocomplete="off"'
    return (
        '<h2>Another rule</h2><form class="narrow" method="post" action="/centres/set">@form@'
        + form.field("name", "Its name", value=asked.get("name", ""), more=named)
        + chosen("what", "Takes", _ASKED)
        + form.field(
            "called",
            "Called",
            value=asked.get("called", ""),
            hint="As the table of spend calls it; left empty for everything else.",
            more='maxlength="256" autocomplete="off"',
            is_required=False,
        )
        + chosen("split", "Goes to", _SPLIT)
        + form.field(
            "centre",
            "Cost centre",
            value=asked.get("centre", ""),
            hint="Such as storefront, or shares such as ops=40, web=60. Left empty where it is shared by use.",
            more='maxlength="512" autocomplete="off"',
            is_required=False,
        )
        + form.field(
            "since", "From", "date", value=asked.get("since", ""), hint="Left empty: ever since.", is_required=False
        )
        + form.button("Set the rule")
        + "</form>"
    )


def _given(fields: Fields) -> dict[str, object]:
    """The fields as a table of allocation.toml; the rule itself says what is wrong with them."""
    what, called, centre = (fields.get(name, "").strip() for name in ("what", "called", "centre"))
    given: dict[str, object] = {"name": fields.get("name", "").strip()}
    if what not in _ASKED:
        raise WarehouseError("takes: choose what the rule takes")
    if bool(what) != bool(called):
        raise WarehouseError("called: name what the rule takes, or let it take everything else")
    if what:
        given |= {"tags": [called]} if what == "tag" else {what: called}
    if split := fields.get("split", ""):
        given["by_use"] = split
    if "=" in centre:
        parted = [share.rpartition("=") for share in centre.split(",")]
        given["shares"] = {who.strip(): percent.strip().removesuffix("%").strip() for who, _, percent in parted}
    elif centre:
        given["cost_centre"] = centre
    if since := fields.get("since", ""):
        try:
            given["from"] = date.fromisoformat(since)
        except ValueError:
            raise WarehouseError("from: give the day as 2026-11-01") from None
    return given


def _set(request: Request, fields: Fields) -> Response:
    found = operating.who(request)
    if found is None:
        return form.missing(request)
    root = Home.own().root
    try:
        rule = made(_given(fields), "the rule")
        with _writing:
            Rules.of([*Rules.read(root).rules, rule]).write(root)
    except WarehouseError as error:
        return _page(request, wrong=f"Nothing was set: {error}.", status=422, typed=fields)
    _noted(found)
    return form.turned("/centres?said=set")


def _end(request: Request, fields: Fields) -> Response:
    """A rule ends with yesterday, and keeps its past; one that begins today or later is taken out."""
    found, today, root = operating.who(request), session.now().date(), Home.own().root
    if found is None:
        return form.missing(request)
    try:
        with _writing:
            rules = Rules.read(root).rules
            one = next((one for one in rules if one.name == fields.get("rule")), None)
            if one is None or (one.until is not None and one.until <= today):
                return form.missing(request)
            held = one.since is None or one.since < today
            kept = [one.model_copy(update={"until": today})] if held else []
            Rules.of([each for rule in rules for each in (kept if rule is one else [rule])]).write(root)
    except WarehouseError as error:
        return _page(request, wrong=f"Nothing was ended: {error}.", status=422)
    _noted(found)
    return form.turned(f"/centres?said={'ended' if held else 'gone'}")


def _noted(found: Session) -> None:
    with database.control(Home.own()) as control:
        audit.note(control, "centres.set", session.now(), actor_no=found.member.member_no)


ROUTES = [
    Route("/centres", _page, methods=["GET"]),
    Route("/centres/set", form.posted(_set), methods=["POST"]),
    Route("/centres/end", form.posted(_end), methods=["POST"]),
]
