"""Tokens for machines on the page of the account: made with the password, shown once, listed, revoked.

A member sees their own, an owner every one of the account; another account's is answered as one that is not there.
"""

import sqlite3
from datetime import date, timedelta
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from dashboards.access import session
from dashboards.forms import form
from dashboards.forms.form import Fields
from dashboards.people import credentials
from warehouse import database
from warehouse.control import member as members
from warehouse.control import throttle
from warehouse.control import token as tokens
from warehouse.control.member import Member
from warehouse.control.session import Session
from warehouse.control.token import Token, TokenError
from warehouse.control.vault import Vault
from warehouse.home import Home

# The words of the form and the days they stand for; None is for good.
_LASTS = {"30": ("30 days", 30), "90": ("90 days", 90), "365": ("a year", 365), "never": ("until it is revoked", None)}
_USUAL = "90"


def section(control: sqlite3.Connection, vault: Vault, member: Member) -> str:
    """The tokens that a member sees, and the form that makes one."""
    emails = {
        one.member_no: members.email_of(control, vault, one) for one in members.of_account(control, member.account_no)
    }
    rows = ""
    for one in _seen(control, member):
        name = escape(one.name(vault))
        whose = "" if one.member_no == member.member_no else f" · of {escape(emails[one.member_no] or 'the operator')}"
        rows += (
            f'<li><details><summary><span class="who">{name}</span> <span class="what"><code>{escape(one.hint)}…</code>'
            f"{whose} · {_ends(one)}</span></summary><p>Made on {one.made_at:%d %b %Y}, {_used(one)}.</p>"
            f'<form method="post" action="/account/token/revoke">@form@'
            f'<input type="hidden" name="token" value="{one.token_no}">'
            f'<button type="submit" class="calm" aria-label="Revoke {name}">Revoke</button></form></details></li>'
        )
    table = f'<ul class="members" aria-labelledby="tokens">{rows}</ul>' if rows else ""
    said = "<p>A token lets a program read what you may read, and nothing else: <code>/api/spend</code> and more.</p>"
    return f'<h2 id="tokens">Tokens for machines</h2>{said}{table}{_form(member)}'


def _form(member: Member) -> str:
    if not member.has_password:
        return (
            "<p>Set a password first: it proves that it is you. At the terminal <code>apiledger token add</code> makes "
            "one, too.</p>"
        )
    lasts = "".join(
        f'<option value="{word}"{" selected" if word == _USUAL else ""}>{told}</option>'
        for word, (told, _) in _LASTS.items()
    )
    named = form.field("token-name", "Name of the token", more=f"maxlength={tokens.LONGEST_NAME} autocomplete=off")
    secret = form.field("token-password", "Your password", "password", more="autocomplete=current-password")
    return (
        f'<form method="post" action="/account/token/add">@form@{named}'
        f'<label for="lasts">It holds for</label><select id="lasts" name="lasts">{lasts}</select>'
        f"{secret}{form.button('Make a token')}</form>"
    )


def _ends(one: Token) -> str:
    if one.expires_at is None:
        return "never expires"
    return f"{'expired' if one.expires_at <= session.now() else 'expires'} {one.expires_at:%d %b %Y}"


def _used(one: Token) -> str:
    return "never used" if one.used_on is None else f"last used on {date.fromisoformat(one.used_on):%d %b %Y}"


def _seen(control: sqlite3.Connection, member: Member) -> list[Token]:
    every = tokens.listed(control, member.account_no)
    return [one for one in every if member.is_owner or one.member_no == member.member_no]


def make(request: Request, found: Session, fields: Fields) -> tuple[str, str]:
    """Make a token for who is signed in and knows their password; what to say, and what stood in the way."""
    member, now = found.member, session.now()
    if not member.has_password or fields.get("lasts", "") not in _LASTS:
        return "", "Nothing was made: set a password first."
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        guess = credentials.guess(request, vault, member)
        if wrong := credentials.unknown(control, guess, member, fields.get("token-password", "")):
            return "", f"Nothing was made. {wrong}"
        throttle.succeeded(control, guess, now)
        _, days = _LASTS[fields["lasts"]]
        ends = None if days is None else now + timedelta(days=days)
        try:
            secret = tokens.make(control, vault, member, fields.get("token-name", ""), now, ends)
        except TokenError as error:
            return "", f"Nothing was made: {error}."
    return f"Copy this token now; it is not shown again: {secret}", ""


def revoke(request: Request, found: Session, fields: Fields) -> Response:
    """End a token that the member sees, at once."""
    number = fields.get("token", "")
    with database.control(Home.own()) as control:
        seen = {str(one.token_no) for one in _seen(control, found.member)}
        if number not in seen or not tokens.revoke(control, int(number), session.now(), found.member.member_no):
            return form.missing(request)
    return form.turned("/account?said=revoked")
