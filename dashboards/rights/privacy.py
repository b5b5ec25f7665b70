"""The privacy policy, public, with what carries each promise out; and its acceptance where something changed.

Who has not accepted the text that holds sees no figures until they do; their account stays reachable, so that they can
leave.
"""

import sqlite3
from contextlib import suppress
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form
from dashboards.forms.form import Fields
from dashboards.rights import proof, provider_policies
from retention import privacy
from retention.errors import PolicyError
from retention.privacy import Notice
from warehouse import branding, database
from warehouse.control import acceptance
from warehouse.control.acceptance import PolicyText
from warehouse.control.session import Session
from warehouse.home import Home

PATH = "/policy"
_COOKIES = (
    "<p>One, and none of anybody else: <code>sid</code> (<code>__Host-sid</code> over TLS) keeps you signed in and "
    "lets no other site send forms. Nothing counts what you look at.</p>"
)


def version() -> str:
    """The version of the text that holds now, written down at its first showing."""
    with database.control(Home.own()) as control:
        _note(control)
        found = acceptance.newest(control)
    return acceptance.SHIPPED_VERSION if found is None else found.version


def is_due(found: Session) -> bool:
    """Whether who is signed in has to accept the text first."""
    with database.control(Home.own()) as control:
        return is_due_of(control, found.member.member_no)


def is_due_of(control: sqlite3.Connection, member_no: int) -> bool:
    """The same of a member, whoever asks in their name."""
    _note(control)
    return acceptance.is_due(control, member_no)


def _note(control: sqlite3.Connection) -> None:
    # An owner's file that cannot be read changes nothing for those who are here; `apiledger doctor` names it.
    with suppress(PolicyError):
        privacy.noted(Home.own(), control, session.now())


def _privacy_page(request: Request) -> Response:
    home = Home.own()
    try:
        notice = privacy.notice(home)
    except PolicyError:
        wrong = "Its text cannot be read at the moment. Whoever runs this site sees why with `apiledger doctor`."
        return form.page(request, "Privacy policy", lambda _: "", wrong=wrong, status=500)
    with database.control(home) as control:
        text = privacy.noted(home, control, session.now())
        promised = proof.shown(home, control)
    said = _text(notice, text, _name(notice, home)) + promised
    return form.page(request, "Privacy policy", lambda _: said, wide=True)


def _dated(text: PolicyText) -> str:
    """From when a text holds, in words."""
    word = "in force since" if text.holds_on <= session.now().date() else "holds from"
    return f"{word} {text.holds_on:%d %b %Y}"


def _name(notice: Notice, home: Home) -> str:
    """Whose policy it is: as it says itself, else the site's name; a site's new name is no change of the policy."""
    return notice.name if notice.name != branding.NAME else branding.shown(home).name


def _text(notice: Notice, text: PolicyText, name: str) -> str:
    processed = "".join(
        f'<tr><td>{escape(one.what)}</td><td data-is="Why: ">{escape(one.why)}</td>'
        f'<td data-is="Until: ">{escape(one.until)}</td></tr>'
        for one in notice.processed
    )
    processors = "".join(
        f'<tr><td>{escape(one.name)}</td><td data-is="What for: ">{escape(one.why)}</td>'
        f'<td data-is="Where: ">{escape(one.region)}</td></tr>'
        for one in notice.processor
    )
    records = "".join(
        f'<tr><td>{escape(one.title)}</td><td data-is="Law: ">{escape(one.stated())}</td></tr>' for one in notice.record
    )
    contact = escape(notice.contact) or "whoever gave you the address of this page; they run it"
    return (
        f"<p>{escape(name)} · version {escape(notice.version)} · {_dated(text)}</p>"
        f"<p>{escape(notice.changed)}</p>"
        '<h2>What is processed</h2><div class="scroll"><table aria-label="What is processed">'
        f"<tr><th>What</th><th>Why</th><th>Until</th></tr>{processed}</table></div>"
        "<p>Prompts and completions are never stored. Nothing is sold, and no mail is an advertisement.</p>"
        '<h2>Who else gets something</h2><div class="scroll"><table aria-label="Processors">'
        f"<tr><th>Who</th><th>What for</th><th>Where</th></tr>{processors}</table></div>"
        f"{provider_policies.section()}"
        f"<h2>Where it is kept</h2><p>{escape(notice.region)}</p>"
        '<h2>Financial records</h2><div class="scroll"><table aria-label="Financial records"><tr><th>What</th>'
        f"<th>Which law asks for it</th></tr>{records}</table></div>"
        f"<h2>When this changes</h2><p>A change that matters is told to every member by mail, once, at least "
        f"{notice.notice_days} days before it holds.</p>"
        f"<h2>Cookies</h2>{_COOKIES}"
        f"<h2>Your rights, and questions</h2><p>Access, correction, erasure, restriction, portability: ask {contact}."
        "</p>"
    )


def _policy_page(request: Request) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    if not is_due(found):
        return form.turned("/")
    home = Home.own()
    notice = privacy.notice(home)
    with database.control(home) as control:
        text = privacy.noted(home, control, session.now())
        before = next((one for one, _ in acceptance.accepted(control, found.member.member_no)), None)
    last = "" if before is None else f" You accepted the one of {escape(before)}."
    return form.page(
        request,
        "The privacy policy has changed",
        lambda hidden: (
            f"<p>Version {escape(notice.version)}, {_dated(text)}.{last}</p>"
            f'<p class="note">{escape(notice.changed)}</p>'
            '<p><a href="/privacy">Read the whole policy</a></p>'
            f'<form class="row" method="post" action="{PATH}">{hidden}<input type="hidden" name="text" '
            f'value="{text.text_no}">{form.button("Accept")}</form>'
            f'<form class="row" method="post" action="/sign-out">{hidden}{form.button("Sign out", calm=True)}</form>'
            '<p><small>Until then you see no figures. <a href="/account">Your account</a> stays open to you.'
            "</small></p>"
        ),
    )


def _accept(request: Request, fields: Fields) -> Response:
    """Accepted is the text that was shown: one that changed meanwhile is shown first."""
    found, now, home = session.find(session.token_of(request.cookies)), session.now(), Home.own()
    if found is None:
        return form.turned("/sign-in")
    with database.control(home) as control:
        if fields.get("text") != str(privacy.noted(home, control, now).text_no):
            return form.turned(PATH)
        acceptance.accept(control, found.member.member_no, found.member.account_no, now)
    return form.turned("/")


ROUTES = [
    Route("/privacy", _privacy_page, methods=["GET"]),
    Route(PATH, _policy_page, methods=["GET"]),
    Route(PATH, form.posted(_accept), methods=["POST"]),
]
