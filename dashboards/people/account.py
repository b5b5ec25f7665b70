"""The account of who is signed in: their password, sessions and members; for the operator, every account's sum.

What is another account's is answered as what is not there.
"""

import sqlite3
from decimal import Decimal
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.figures import account_figures
from dashboards.forms import form
from dashboards.forms.form import Fields
from dashboards.people import credentials, tokens
from dashboards.people import members as members_forms
from warehouse import database
from warehouse.control import claim, letter, restriction
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.member import Member, MemberError
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.home import Home
from warehouse.money import shown

_SAID = {
    "saved": "Saved. You are signed out on every other device.",
    "asked": "A link is on its way to the new address. Until it is opened the one before counts.",
    "changed": "The member sees what you chose from their next click on.",
    "removed": "The member is removed and signed out.",
    "revoked": "The token is revoked; it opens nothing any more.",
    "opened": "The pages show that account now. It was written down with your reason.",
    "closed": "The pages show your own figures again.",
}
_LINKS = (
    '<p><a href="/">Back to the figures</a> · <a href="/account/rights">Your rights</a> · '
    '<a href="/account/help">Help</a></p>'
)


def _account_page(request: Request, *, said: str = "", wrong: str = "", status: int = 200) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    said = said or _SAID.get(request.query_params.get("said", ""), "")
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        parts = [_self(control, vault, found.member)]
        if found.member.is_owner:
            parts.append(members_forms.table(control, vault, found.member))
        parts.append(tokens.section(control, vault, found.member))
        parts.append('<h2>Delete for good</h2><p><a href="/account/delete">Delete yourself or the account</a></p>')
        if found.member.is_operator:
            parts.append(_accounts(control, vault, found))
        else:
            parts.append(_openings(control, vault, found.member))
    return form.page(
        request,
        "Your account",
        lambda hidden: _LINKS + "".join(parts).replace("@form@", hidden),
        said=said,
        wrong=wrong,
        status=status,
    )


def _self(control: sqlite3.Connection, vault: Vault, member: Member) -> str:
    email = members.email_of(control, vault, member)
    count = sessions.living(control, member.member_no, session.now())
    sees = "" if member.projects is None else f", limited to {', '.join(member.projects) or 'no project'}"
    return (
        f"<p>{escape(email or 'Operator, signed in by a link')} · {member.role}{escape(sees)} · "
        f"{count} {'session' if count == 1 else 'sessions'}</p>"
        f'<form class="row" method="post" action="/sign-out">@form@{form.button("Sign out")}</form>'
        f'<form class="row" method="post" action="/sign-out-everywhere">@form@'
        f"{form.button('Sign out everywhere', calm=True)}</form>"
        + credentials.forms(member, email, mailed=letter.has_server(control))
    )


def _accounts(control: sqlite3.Connection, vault: Vault, found: Session) -> str:
    rows = ""
    sums, restricted = account_figures.sums(Home.own(), session.now().date()), restriction.numbers(control)
    for number, is_operator in members.accounts(control):
        if is_operator:
            continue
        owner = next((one for one in members.of_account(control, number) if one.is_owner), None)
        email = members.email_of(control, vault, owner) if owner else None
        labels = claim.labels_of(control, number)
        cost = sum((sums.get(label, Decimal(0)) for label in labels), Decimal(0))
        rows += (
            f'<tr><td>{number}</td><td>{escape(masked(email))}</td><td class="n">{len(labels)}</td>'
            f'<td class="n">{"restricted" if number in restricted else shown(cost)}</td></tr>'
        )
    opened = (
        f"<p>The pages show account {found.opened_account_no}.</p>"
        f'<form method="post" action="/account/close">@form@{form.button("Back to your own figures")}</form>'
        if found.opened_account_no is not None
        else ""
    )
    if not rows:
        return "<h2>Accounts</h2><p>Nobody else has an account here.</p>"
    return (
        '<h2>Accounts</h2><div class="scroll"><table aria-label="Accounts"><tr><th>Account</th><th>Owner</th>'
        f"<th>Labels</th><th>This month</th></tr>{rows}</table></div>{opened}"
        f'<form method="post" action="/account/open">@form@{form.field("account", "Open account")}'
        f"{form.field('reason', 'Reason', hint='It is written down, and its members see it.')}"
        f"{form.button('Open', calm=True)}</form>"
    )


def _openings(control: sqlite3.Connection, vault: Vault, member: Member) -> str:
    told = "".join(
        f"<tr><td>{one.opened_at:%d %b %Y %H:%M}</td><td>{escape(one.reason)}</td></tr>"
        for one in claim.openings(control, vault, member.account_no)
    )
    if not told:
        return ""
    return (
        '<h2>Looks of the operator</h2><div class="scroll"><table aria-label="Looks of the operator">'
        f"<tr><th>When (UTC)</th><th>Reason</th></tr>{told}</table></div>"
    )


def masked(email: str | None) -> str:
    """An address that its owner knows again and a passer-by does not."""
    return f"{email[0]}…@{email.partition('@')[2]}" if email else "—"


def _owned(request: Request) -> Session | None:
    """The session of who may change the account's members; None for everybody else."""
    found = session.find(session.token_of(request.cookies))
    return found if found is not None and found.member.is_owner else None


def _email(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    return (
        form.turned("/sign-in") if found is None else _told(request, credentials.change_email(request, found, fields))
    )


def _password(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    return _told(request, credentials.change_password(request, found, fields))


def _told(request: Request, done: Response | str) -> Response:
    return _account_page(request, wrong=done, status=422) if isinstance(done, str) else done


def _invite(request: Request, fields: Fields) -> Response:
    found = _owned(request)
    if found is None:
        return form.missing(request)
    said, wrong = members_forms.invite(found, fields)
    return _account_page(request, said=said, wrong=wrong, status=422 if wrong else 200)


def _role(request: Request, fields: Fields) -> Response:
    found = _owned(request)
    return form.missing(request) if found is None else _told(request, members_forms.change(request, found, fields))


def _remove(request: Request, fields: Fields) -> Response:
    found = _owned(request)
    return form.missing(request) if found is None else members_forms.remove(request, found, fields)


def _token(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    said, wrong = tokens.make(request, found, fields)
    return _account_page(request, said=said, wrong=wrong, status=422 if wrong else 200)


def _revoke(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    return form.turned("/sign-in") if found is None else tokens.revoke(request, found, fields)


def _open(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    number = fields.get("account", "").strip()
    if found is None or not found.member.is_operator or not (number.isascii() and number.isdigit()):
        return form.missing(request)
    with database.control(Home.own()) as control:
        vault, reason = Vault(control, session.now()), fields.get("reason", "")
        try:
            claim.open_account(
                control, vault, found.lookup, found.member.member_no, int(number[:18]), reason, session.now()
            )
        except MemberError as error:
            return _account_page(request, wrong=f"Nothing was opened: {error}.", status=422)
    return form.turned("/account?said=opened")


def _close(request: Request, _: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None or not found.member.is_operator:
        return form.missing(request)
    with database.control(Home.own()) as control:
        claim.close_account(control, found.lookup, found.member.member_no, session.now())
    return form.turned("/account?said=closed")


ROUTES = [
    Route("/account", _account_page, methods=["GET"]),
    Route("/account/password", form.posted(_password), methods=["POST"]),
    Route("/account/email", form.posted(_email), methods=["POST"]),
    Route("/account/role", form.posted(_role), methods=["POST"]),
    Route("/account/invite", form.posted(_invite), methods=["POST"]),
    Route("/account/remove", form.posted(_remove), methods=["POST"]),
    Route("/account/token/add", form.posted(_token), methods=["POST"]),
    Route("/account/token/revoke", form.posted(_revoke), methods=["POST"]),
    Route("/account/open", form.posted(_open), methods=["POST"]),
    Route("/account/close", form.posted(_close), methods=["POST"]),
]
