"""Naming a key or a project: what it is called here, who answers for it, its tags, from a day on; by who owns or edits.

A key or project of somebody else is answered as one that is not there.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.figures import viewer
from dashboards.figures.viewer import Viewer
from dashboards.forms import form
from dashboards.forms.form import Fields
from warehouse import database
from warehouse.control import audit, naming
from warehouse.control.naming import MOST_TAGS, Naming
from warehouse.control.session import Session
from warehouse.errors import WarehouseError
from warehouse.home import Home

_ROLES = frozenset({"owner", "editor"})
_SAID = {"named": "It is written down; the next pass shows it."}


@dataclass(frozen=True)
class Thing:
    """A key or a project: its kind, the account and the name that its log gives it today."""

    kind: str
    account: str
    label: str


def _may(found: Session | None) -> bool:
    """Whether a session may name things; an operator who looks into another account only looks."""
    return found is not None and found.member.role in _ROLES and found.opened_account_no is None


def _things(control: sqlite3.Connection, looks: Viewer) -> dict[str, Thing]:
    """What a viewer may name, by the word that their form sends: the number of one that is called so."""
    rows = control.execute(
        """SELECT thing.kind, min(thing.no), owner.label, name.label
           FROM outside_id AS thing JOIN label AS name ON name.no = thing.no AND name.valid_to IS NULL
           JOIN label AS owner ON owner.no = thing.account_no AND owner.valid_to IS NULL
           WHERE thing.kind IN ('key', 'project') GROUP BY thing.kind, owner.label, name.label ORDER BY 1, 3, 4"""
    ).fetchall()
    return {
        str(number): Thing(kind, account, label)
        for kind, number, account, label in rows
        if looks.sees(account, label if kind == "project" else None)
    }


def _page(request: Request, *, wrong: str = "", status: int = 200, sent: str = "") -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in?to=/name")
    if not _may(found):
        return form.missing(request)
    query = request.query_params
    with database.control(Home.own()) as control:
        things = _things(control, viewer.of(found.lookup))
        picked = sent or next(
            (
                word
                for word, one in things.items()
                if (one.kind, one.label) == (query.get("kind"), query.get("label"))
                and query.get("account") in {None, one.account}
            ),
            "",
        )
        told = naming.of(control, int(picked)) if picked in things else []
    return form.page(
        request,
        "Name a key or a project",
        lambda hidden: _body(things, picked, told).replace("@form@", hidden),
        said="" if wrong else _SAID.get(query.get("said", ""), ""),
        wrong=wrong,
        status=status,
    )


def _body(things: dict[str, Thing], picked: str, told: list[Naming]) -> str:
    back = '<p><a href="/keys">Back to the keys</a> · <a href="/projects">Back to the projects</a></p>'
    if not things:
        return f"{back}<p>No log has named a key or a project yet.</p>"
    options = "".join(
        f'<option value="{word}"{" selected" if word == picked else ""}>{escape(_title(one))}</option>'
        for word, one in things.items()
    )
    now = told[-1] if told else Naming(None, None, (), session.now())
    return (
        f'{back}<form method="post" action="/name">@form@<label for="thing">Which</label>'
        f'<select id="thing" name="thing">{options}</select>'
        + _field("called", "Called here", now.name or "", "")
        + _field("owner", "Owner", now.owner or "", "Who answers for it: a team or a role, no address.")
        + _field("tags", "Tags", ", ".join(now.tags), f"Separated by commas, {MOST_TAGS} at most.")
        + form.field(
            "since", "From", "date", value=session.now().date().isoformat(), hint="The UTC day from which it holds."
        )
        + "<p><small>All of it is said anew from that day on; what was said before keeps its dates. What is left empty "
        f"is not said.</small></p>{form.button('Name it')}</form>{_history(told)}"
    )


def _title(one: Thing) -> str:
    return f"{one.kind} {one.label} ({one.account})"


def _field(name: str, label: str, value: str, hint: str) -> str:
    said = f'<small id="{name}-hint">{escape(hint)}</small>' if hint else ""
    described = f' aria-describedby="{name}-hint"' if hint else ""
    return (
        f'<label for="{name}">{escape(label)}</label><input id="{name}" name="{name}" value="{escape(value)}" '
        f'autocomplete="off"{described}>{said}'
    )


def _history(told: list[Naming]) -> str:
    rows = "".join(
        f"<tr><td>{one.valid_from:%d %b %Y}</td><td>{f'{one.valid_to:%d %b %Y}' if one.valid_to else 'now'}</td>"
        f"<td>{escape(one.name or '—')}</td><td>{escape(one.owner or '—')}</td>"
        f"<td>{escape(', '.join(one.tags) or '—')}</td></tr>"
        for one in told
    )
    if not rows:
        return ""
    return (
        '<h2>Said so far</h2><div class="scroll"><table aria-label="Said so far"><tr><th>From</th><th>To</th>'
        f"<th>Name</th><th>Owner</th><th>Tags</th></tr>{rows}</table></div>"
    )


def _name(request: Request, fields: Fields) -> Response:
    found, word = session.find(session.token_of(request.cookies)), fields.get("thing", "")
    if found is None or not _may(found):
        return form.missing(request)
    now = session.now()
    with database.control(Home.own()) as control:
        thing = _things(control, viewer.of(found.lookup)).get(word)
        if thing is None:
            return form.missing(request)
        tags = tuple(dict.fromkeys(tag.strip() for tag in fields.get("tags", "").split(",") if tag.strip()))
        called, owner = (fields.get(name, "").strip() or None for name in ("called", "owner"))
        try:
            since = datetime.combine(date.fromisoformat(fields.get("since", "")), datetime.min.time())
            said = Naming(called, owner, tags, since)
            for number, account_no in naming.numbers(control, thing.kind, thing.label, thing.account):
                naming.put(control, number, account_no, said)
                detail = f"kind={thing.kind}"
                audit.note(control, "name.said", now, actor_no=found.member.member_no, object_no=number, detail=detail)
        except WarehouseError as error:
            return _page(request, wrong=f"Nothing was written down: {error}.", status=422, sent=word)
        except ValueError:
            wrong = "Nothing was written down: give the day as 2026-11-01."
            return _page(request, wrong=wrong, status=422, sent=word)
    query = urlencode({"kind": thing.kind, "label": thing.label, "account": thing.account, "said": "named"})
    return form.turned(f"/name?{query}")


def link(kind: str, label: str | None) -> str:
    """A link to the form, for a key or project that is picked."""
    query = urlencode({"kind": kind} | ({} if label is None else {"label": label}))
    what = f"a {kind}" if label is None else "it"
    named = f"Name {what}, its owner and tags from a day on"
    return f'<div class="al"><p><a href="/name?{escape(query)}" target="_self">{named}</a></p></div>'


ROUTES = [
    Route("/name", _page, methods=["GET"]),
    Route("/name", form.posted(_name), methods=["POST"]),
]
