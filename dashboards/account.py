"""The account of who is signed in: their password, sessions and members; for the operator, every account's sum.

What is another account's is answered as what is not there.
"""

import sqlite3
from decimal import Decimal
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards import account_figures, address, form, session, sign_up
from dashboards.form import Fields
from warehouse import database
from warehouse.control import claim, password, restriction, throttle, ticket
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.member import Member, MemberError
from warehouse.control.password import PasswordRefusedError
from warehouse.control.session import Session
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault
from warehouse.home import Home
from warehouse.money import shown

_SAID = {
    "saved": "Saved. You are signed out on every other device.",
    "removed": "The member is removed and signed out.",
    "opened": "The pages show that account now. It was written down with your reason.",
    "closed": "The pages show your own figures again.",
}
_LINKS = '<p><a href="/">Back to the figures</a> · <a href="/account/rights">Your rights</a></p>'


def _account_page(request: Request, *, said: str = "", wrong: str = "", status: int = 200) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    said = said or _SAID.get(request.query_params.get("said", ""), "")
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        parts = [_self(control, vault, found.member)]
        if found.member.is_owner:
            parts.append(_members(control, vault, found.member))
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
    asked = form.field("email", "E-mail", "email", value=email or "", more="autocomplete=username")
    if member.has_password:
        asked += form.field("current", "Current password", "password", more="autocomplete=current-password")
    asked += form.field("password", "New password", "password", more="autocomplete=new-password")
    return (
        f"<p>{escape(email or 'Operator, signed in by a link')} · {member.role}{escape(sees)} · "
        f"{count} {'session' if count == 1 else 'sessions'}</p>"
        f'<form class="row" method="post" action="/sign-out">@form@{form.button("Sign out")}</form>'
        f'<form class="row" method="post" action="/sign-out-everywhere">@form@'
        f"{form.button('Sign out everywhere', calm=True)}</form>"
        "<h2>E-mail and password</h2>"
        f'<form method="post" action="/account/password">@form@{asked}{form.button("Save")}</form>'
    )


def _members(control: sqlite3.Connection, vault: Vault, owner: Member) -> str:
    rows = ""
    for one in members.of_account(control, owner.account_no):
        away = (
            ""
            if one.member_no == owner.member_no
            else f'<form method="post" action="/account/remove">@form@<input type="hidden" name="member" '
            f'value="{one.member_no}">{form.button("Remove", calm=True)}</form>'
        )
        rows += (
            f"<tr><td>{escape(members.email_of(control, vault, one) or 'Operator')}</td><td>{one.role}</td>"
            f"<td>{escape(', '.join(one.projects)) if one.projects is not None else 'all projects'}</td>"
            f"<td>{away}</td></tr>"
        )
    roles = "".join(f'<option value="{role}">{role}</option>' for role in reversed(members.ROLES))
    return (
        '<h2>Members</h2><div class="scroll"><table aria-label="Members"><tr><th>E-mail</th><th>Role</th>'
        f"<th>Sees</th><th></th></tr>{rows}</table></div>"
        f'<form method="post" action="/account/invite">@form@{form.field("invited", "Invite", "email")}'
        f'<label for="role">Role</label><select id="role" name="role">{roles}</select>'
        '<label for="projects">Only these projects</label><input id="projects" name="projects" '
        'aria-describedby="projects-hint"><small id="projects-hint">Separated by commas, for a viewer; empty is all '
        f"of them.</small>{form.button('Make an invitation')}</form>"
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


def _save(request: Request, fields: Fields) -> Response:
    """Another address or password: whoever does it knows the current one, and is signed out everywhere else."""
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    email, secret, now = fields.get("email", "").strip(), fields.get("password", ""), session.now()
    if not sign_up.is_address(email):
        return _account_page(request, wrong="That is not one e-mail address.", status=422)
    try:
        password.check(secret, email)
    except PasswordRefusedError as error:
        return _account_page(request, wrong=f"Choose another one: {error}.", status=422)
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        if wrong := _changed(request, control, vault, found.member, email, fields):
            return _account_page(request, wrong=wrong, status=422)
        limits = sessions.limits_of(control, found.lookup)
        sessions.end_all(control, found.member.member_no, now)
        token = sessions.begin(control, found.member.member_no, limits, now)
    response = form.turned("/account?said=saved")
    session.keep(response, token, int(limits.absolute.total_seconds()))
    return response


def _changed(
    request: Request, control: sqlite3.Connection, vault: Vault, member: Member, email: str, fields: Fields
) -> str:
    """Change address and password; what stands in the way, or nothing."""
    now = session.now()
    guess = Guess.of(vault, str(member.member_no), request.client.host if request.client else "")
    if throttle.admit(control, guess, now):
        return "Too many tries. Try again in a few minutes."
    if member.has_password and not password.fits(members.password_of(control, member), fields.get("current", "")):
        return "The current password is another one."
    # Counted as a wrong guess as well: an address that is taken tells that somebody has it.
    if not members.set_email(control, vault, member, email):
        return "That address cannot be used."
    members.set_password(control, member.member_no, password.hashed(fields["password"]))
    throttle.succeeded(control, guess, now)
    return ""


def _invite(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None or not found.member.is_owner:
        return form.missing(request)
    email, role = fields.get("invited", "").strip(), fields.get("role", "")
    if not sign_up.is_address(email) or role not in members.ROLES:
        return _account_page(request, wrong="That is not one e-mail address.", status=422)
    listed = tuple(name.strip() for name in fields.get("projects", "").split(",") if name.strip())
    projects = listed if listed and role == "viewer" else None
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        token = ticket.invitation(control, vault, found.member.account_no, email, role, projects, session.now())
    said = f"Give this link to {email}; it holds for three days: {address.link('invitation', token)}"
    return _account_page(request, said=said)


def _remove(request: Request, fields: Fields) -> Response:
    found = session.find(session.token_of(request.cookies))
    number = fields.get("member", "")
    if found is None or not found.member.is_owner or not (number.isascii() and number.isdigit()):
        return form.missing(request)
    with database.control(Home.own()) as control:
        try:
            members.remove(control, found.member.account_no, int(number[:18]))
        except MemberError:
            return form.missing(request)
    return form.turned("/account?said=removed")


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
    Route("/account/password", form.posted(_save), methods=["POST"]),
    Route("/account/invite", form.posted(_invite), methods=["POST"]),
    Route("/account/remove", form.posted(_remove), methods=["POST"]),
    Route("/account/open", form.posted(_open), methods=["POST"]),
    Route("/account/close", form.posted(_close), methods=["POST"]),
]
