"""The session of a browser: its cookie, the token of its forms, and who it is, asked of the control store every time.

`__Host-sid` over TLS, `sid` on loopback; HttpOnly, SameSite=Strict, 256 random bits. A browser that is not signed in
has one as well, which no session answers to: forms need something that another site cannot know.
"""

import hmac
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie

import streamlit as st
from starlette.responses import Response

from dashboards.access import address
from warehouse import database
from warehouse.control import session as sessions
from warehouse.control.session import Session
from warehouse.errors import WarehouseError
from warehouse.home import Home

# Forms of before a restart are asked for anew.
_FORM_KEY = secrets.token_bytes(32)
_LONGEST_TOKEN = 100
# The session whose socket asks, for all that is done on its behalf outside of a page's run; the gate says it.
asking: ContextVar[bytes | None] = ContextVar("asking", default=None)


class SignedOutError(WarehouseError):
    """Nobody is signed in here, or not any more."""


def now() -> datetime:
    """The moment, UTC without saying so, as the control store keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def cookie_name() -> str:
    """The name of the one cookie that is ours."""
    return "__Host-sid" if address.is_tls() else "sid"


def token_of(cookies: Mapping[str, str]) -> str | None:
    """The id that a browser sent; None where it sent none, or something that cannot be one."""
    token = cookies.get(cookie_name())
    return token if token and len(token) <= _LONGEST_TOKEN and token.isascii() else None


def token_of_header(header: str) -> str | None:
    """The same of a Cookie header as it came."""
    try:
        return token_of({name: morsel.value for name, morsel in SimpleCookie(header).items()})
    except CookieError:
        return None


def find(token: str | None) -> Session | None:
    """The living session of an id; None where there is none."""
    return None if token is None else find_by(sessions.lookup(token))


def find_by(found_by: bytes) -> Session | None:
    """The living session of a hash; None where there is none."""
    home = Home.own()
    if not home.control_file.exists():
        return None
    with database.control(home) as control:
        return sessions.find(control, found_by, now())


def living(every: frozenset[bytes]) -> frozenset[bytes]:
    """Which of these hashes are of sessions that live."""
    home, moment = Home.own(), now()
    if not home.control_file.exists():
        return frozenset()
    with database.control(home) as control:
        return frozenset(found_by for found_by in every if sessions.find(control, found_by, moment))


def of_page() -> bytes:
    """The hash of the id that the page's browser sent; SignedOutError where it sent none.

    Outside a page's own run there is no browser: what runs later takes the hash with it.
    """
    token = token_of(st.context.cookies)
    if token is None:
        raise SignedOutError("nobody is signed in here")
    return sessions.lookup(token)


def hold_asker(found_by: bytes) -> None:
    """SignedOutError where another session's socket asks for what was made for this one."""
    if asking.get() not in {None, found_by}:
        raise SignedOutError("this was made for somebody else")


def touch(found_by: bytes) -> None:
    """Note that a person did something."""
    with database.control(Home.own()) as control:
        sessions.touch(control, found_by, now())


def keep(response: Response, token: str, seconds: int | None = None) -> None:
    """Give the browser its id; it forgets it after so many seconds, or when it closes."""
    response.set_cookie(
        cookie_name(), token, max_age=seconds, path="/", httponly=True, samesite="strict", secure=address.is_tls()
    )


def form_token(token: str) -> str:
    """What a form of this browser carries, and no other site knows."""
    return hmac.new(_FORM_KEY, token.encode(), sha256).hexdigest()


def fits_form(token: str | None, sent: str) -> bool:
    """Whether a form is one that was given to this browser."""
    return token is not None and hmac.compare_digest(form_token(token).encode(), sent.encode())
