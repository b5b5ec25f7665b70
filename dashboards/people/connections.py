"""The page of connections: whose bill is read with which key and how far; a key given, and a key destroyed.

A plain page with native forms: a key passes through no widget that would remember it. For an account's owners and
editors; what is another account's is answered as what is not there.
"""

from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form, reauthentication
from dashboards.forms.form import Fields
from dashboards.processes import connection_child
from dashboards.processes.connection_child import PROVIDERS
from dashboards.rights import provider_policies
from warehouse import database
from warehouse.control import credential
from warehouse.control.connection import MAIN
from warehouse.control.credential import Credential, CredentialError
from warehouse.control.member import Member
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.home import Home

_STATES = {
    "waiting": "not tried yet",
    "working": "working",
    "refused": "refused by the provider",
    "removed": "removed",
}
_SAID = {
    "kept": "The key is kept sealed. Its bills are read with the next pull, within half an hour.",
    "removed": "The key is destroyed, and no pull uses it any more. Revoke it at the provider, too.",
}


def _editor(request: Request) -> Session | None:
    """Who looks, where they may change what their account is connected to."""
    found = session.find(session.token_of(request.cookies))
    return found if found is not None and found.member.role in {"owner", "editor"} else None


def _page(request: Request, *, wrong: str = "", status: int = 200, provider: str = "") -> Response:
    editor = _editor(request)
    if editor is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        found = credential.of_account(control, editor.member.account_no)
    return form.page(
        request,
        "Connections",
        lambda hidden: (
            '<p><a href="/">Back to the figures</a> · <a href="/account">Account</a></p>'
            + (_table(found) + _adding(provider, editor.member)).replace("@form@", hidden)
        ),
        said=_SAID.get(request.query_params.get("said", ""), "") if not wrong else "",
        wrong=wrong,
        status=status,
        wide=True,
    )


def _table(found: list[Credential]) -> str:
    if not found:
        return "<p>No bill of a provider is read with a key of yours yet.</p>"
    return f'<ul class="rows" aria-label="Connections">{"".join(_row(one) for one in found)}</ul>'


def _row(one: Credential) -> str:
    read = "no bill read yet" if one.read_until is None else f"bills read up to {one.read_until:%Y-%m-%d}"
    tried = "" if one.checked_at is None else f" on {one.checked_at:%Y-%m-%d at %H:%M} UTC"
    remarks = [f"Careful: {one.beyond}."] if one.beyond else []
    if one.state != "removed":
        remarks += [f"{one.skipped}."] if one.skipped else []
        remarks += [f"{note}." for note in one.notes]
    told = "".join(f"<small>{escape(remark)}</small>" for remark in remarks)
    hint = f" <span>…{escape(one.hint)}</span>" if one.hint else ""
    away = (
        ""
        if one.state == "removed"
        else '<form method="post" action="/connections/remove">@form@<input type="hidden" name="connection" '
        f'value="{one.connection_no}">{form.button("Remove", calm=True)}</form>'
    )
    return (
        f"<li><div><strong>{escape(_title(one.provider))}</strong> {escape(one.label)}{hint}"
        f"<div>{_STATES[one.state].capitalize()}{tried}; {read}</div>{told}</div>{away}</li>"
    )


def _title(name: str) -> str:
    return next((one.title for one in PROVIDERS.all() if one.name == name), name)


def _adding(chosen: str, member: Member) -> str:
    if not PROVIDERS.all():
        return "<p>The list of providers cannot be read now; <code>apiledger connect</code> says why.</p>"
    options = "".join(
        f'<option value="{escape(one.name)}"{" selected" if one.name == chosen else ""}>{escape(one.title)}</option>'
        for one in PROVIDERS.all()
    )
    makes = "".join(
        f"<dt>{escape(one.title)}</dt><dd>{escape(_sentence(one.help))} {provider_policies.link(one)}</dd>"
        for one in PROVIDERS.all()
    )
    named = (
        f'<label for="label">Name</label><input id="label" name="label" value="{MAIN}" maxlength="64" required '
        'aria-describedby="label-hint"><small id="label-hint">Tells several organisations apart; two keys of one would '
        "count its bill twice. A key under a name that is there takes its place.</small>"
    )
    key = form.field(
        "key",
        "Key",
        "password",
        hint="It is tried first, kept sealed, and shown to nobody again.",
        more='autocomplete="off" spellcheck="false" maxlength="1000"',
    )
    return (
        "<h2>Connect a provider</h2>"
        "<p>Make a key at the provider that can read the bill and nothing else:</p>"
        f"<dl>{makes}</dl><p>{provider_policies.SAID}</p>"
        '<form class="narrow" method="post" action="/connections/add">@form@<label for="provider">Provider</label>'
        f'<select id="provider" name="provider">{options}</select>{named}{key}'
        f"{reauthentication.asked(member)}{form.button('Try it and keep it')}</form>"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _add(request: Request, fields: Fields) -> Response:
    editor, provider = _editor(request), fields.get("provider", "")
    if editor is None or provider not in {one.name for one in PROVIDERS.all()}:
        return form.missing(request)
    key, label = fields.get("key", "").strip(), fields.get("label", "").strip() or MAIN
    try:
        credential.hold_label(label)
    except CredentialError as error:
        return _page(request, wrong=f"{_sentence(str(error))} Nothing was kept.", status=422, provider=provider)
    if wrong := _unproved(request, editor, fields):
        return _page(request, wrong=f"Nothing was kept: {wrong}.", status=422, provider=provider)
    kept, wrong = connection_child.keep(Home.own(), provider, editor.member.account_no, label, key)
    if not kept:
        return _page(request, wrong=_sentence(wrong.rstrip(".")), status=422, provider=provider)
    return form.turned("/connections?said=kept")


def _unproved(request: Request, editor: Session, fields: Fields) -> str:
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        return reauthentication.unproved(request, control, vault, editor, fields.get(reauthentication.FIELD, ""))


def _remove(request: Request, fields: Fields) -> Response:
    editor, number = _editor(request), fields.get("connection", "")
    if editor is None or not (number.isascii() and number.isdigit()):
        return form.missing(request)
    with database.control(Home.own()) as control:
        try:
            member = editor.member
            one = credential.find(control, member.account_no, int(number[:18]))
            if one.state == "removed":
                return form.missing(request)
            if fields.get("sure") != "yes":
                return _asked_again(request, one, member)
            if wrong := _unproved(request, editor, fields):
                return _asked_again(request, one, member, wrong=f"Nothing was destroyed: {wrong}.")
            credential.remove(control, member.account_no, one.connection_no, session.now(), actor_no=member.member_no)
        except CredentialError:
            return form.missing(request)
    return form.turned("/connections?said=removed")


def _asked_again(request: Request, one: Credential, member: Member, wrong: str = "") -> Response:
    """A removal is confirmed on a page of its own, which works without a script."""
    sure = (
        f'<p>The key "{escape(one.label)}" of {escape(_title(one.provider))} will be destroyed; nobody can bring it '
        "back. What was read of its bills stays.</p>"
        '<form method="post" action="/connections/remove">@form@<input type="hidden" name="sure" value="yes">'
        f'<input type="hidden" name="connection" value="{one.connection_no}">{reauthentication.asked(member)}'
        f"{form.button('Destroy the key', grave=True)}</form>"
        '<p><a href="/connections">Keep it</a></p>'
    )
    return form.page(
        request,
        "Remove the connection?",
        lambda hidden: sure.replace("@form@", hidden),
        wrong=wrong,
        status=422 if wrong else 200,
    )


ROUTES = [
    Route("/connections", _page, methods=["GET"]),
    Route("/connections/add", form.posted(_add), methods=["POST"]),
    Route("/connections/remove", form.posted(_remove), methods=["POST"]),
]
