"""The members of an account, for its owners: invite, change role and projects, remove.

A member of another account is answered as one who is not there.
"""

import sqlite3
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from dashboards.access import address, session
from dashboards.forms import form
from dashboards.forms.form import Fields
from dashboards.people import sign_up
from dashboards.rights import deletion
from retention import erase, people
from retention.errors import RetentionError
from warehouse import database
from warehouse.control import audit, letter, ticket
from warehouse.control import member as members
from warehouse.control.member import Member, MemberError, Role
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.home import Home

_PROJECTS_HINT = "Of a viewer, separated by commas; empty is all of them."


def table(control: sqlite3.Connection, vault: Vault, owner: Member) -> str:
    """Who the members are, each with the form that changes what they may; then the form of an invitation."""
    rows = ""
    for one in members.of_account(control, owner.account_no):
        name = escape(members.email_of(control, vault, one) or "Operator")
        number = f'@form@<input type="hidden" name="member" value="{one.member_no}">'
        projects = escape(", ".join(one.projects or ()))
        away = (
            ""
            if one.member_no == owner.member_no
            else f'<form method="post" action="/account/remove">{number}{form.button("Remove", calm=True)}</form>'
        )
        rows += (
            f'<li><details><summary><span class="who">{name}</span> <span class="what">{one.role}'
            f"{'' if one.projects is None else f', sees {projects}'}</span></summary>"
            f'<form method="post" action="/account/role">{number}'
            f'<label for="role-{one.member_no}">Role of {name}</label>{_roles(f"role-{one.member_no}", one.role)}'
            f'<label for="projects-{one.member_no}">Only these projects</label>'
            f'<input id="projects-{one.member_no}" name="projects" value="{projects}">'
            f"<small>{_PROJECTS_HINT}</small>{form.button('Change')}</form>{away}</details></li>"
        )
    return (
        f'<h2 id="members">Members</h2><ul class="members" aria-labelledby="members">{rows}</ul>'
        '<h2>Invite somebody</h2><form method="post" action="/account/invite">@form@'
        f"{form.field('invited', 'Invite', 'email')}"
        f'<label for="role">Role</label>{_roles("role", "viewer")}'
        '<label for="projects">Only these projects</label><input id="projects" name="projects" '
        f'aria-describedby="projects-hint"><small id="projects-hint">{_PROJECTS_HINT}</small>'
        f"{form.button('Make an invitation')}</form>"
    )


def _roles(name: str, chosen: str) -> str:
    roles = "".join(
        f'<option value="{role}"{" selected" if role == chosen else ""}>{role}</option>'
        for role in reversed(members.ROLES)
    )
    return f'<select id="{name}" name="role">{roles}</select>'


def _asked(fields: Fields) -> tuple[Role, tuple[str, ...] | None] | None:
    """The role and projects of a form; None where there is no such role."""
    role = fields.get("role", "")
    if role not in members.ROLES:
        return None
    listed = tuple(name.strip() for name in fields.get("projects", "").split(",") if name.strip())
    return role, listed if listed and role == "viewer" else None


def invite(found: Session, fields: Fields) -> tuple[str, str]:
    """Invite by mail, or by a link for the owner to hand on; what to say, and what stood in the way."""
    email, asked, now = fields.get("invited", "").strip(), _asked(fields), session.now()
    if not sign_up.is_address(email) or asked is None:
        return "", sign_up.NO_ADDRESS
    with database.control(Home.own()) as control:
        vault, number = Vault(control, now), found.member.account_no
        if letter.has_server(control):
            letter.invite(control, vault, number, email, *asked, now)
            return f"An invitation is on its way to {email}; its link holds for three days.", ""
        token = ticket.invitation(control, vault, number, email, *asked, now)
    return f"Give this link to {email}; it holds for three days: {address.link('invitation', token)}", ""


def change(request: Request, found: Session, fields: Fields) -> Response | str:
    """Another role, other projects; what stands in the way as a sentence."""
    number, asked = _number(fields), _asked(fields)
    if number is None or asked is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        if number not in {one.member_no for one in members.of_account(control, found.member.account_no)}:
            return form.missing(request)
        try:
            members.change(
                control, found.member.account_no, number, *asked, session.now(), actor_no=found.member.member_no
            )
        except MemberError as error:
            return f"Nothing was changed: {error}."
    return form.turned("/account?said=changed")


def remove(request: Request, found: Session, fields: Fields) -> Response:
    """Erase a member, and with them their sessions."""
    number = _number(fields)
    if number is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        if number not in {one.member_no for one in members.of_account(control, found.member.account_no)}:
            return form.missing(request)
        try:
            erase.begin(Home.own(), control, people.member(control, number), session.now())
        except RetentionError:
            return form.missing(request)
        audit.note(control, "member.removed", session.now(), actor_no=found.member.member_no, object_no=number)
    deletion.carry_out(Home.own(), session.now())
    return form.turned("/account?said=removed")


def _number(fields: Fields) -> int | None:
    number = fields.get("member", "")
    return int(number[:18]) if number.isascii() and number.isdigit() else None
