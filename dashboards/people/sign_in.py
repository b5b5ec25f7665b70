"""Signing in and out: by password, or by a link that the command line printed; throttled, and saying nothing of who is.

An address that nobody has is answered as one whose password is wrong, in the same words and the same time.
"""

import math
import sqlite3
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import bounce, session
from dashboards.forms import form
from dashboards.forms.form import Fields
from warehouse import database
from warehouse.control import arrival, password, throttle, ticket
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.session import BY_LINK, BY_PASSWORD, Limits
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault
from warehouse.home import Home

_SAID = {
    "new": "If the address had no account, it has one now. Sign in with it.",
    "out": "You are signed out.",
    "everywhere": "You are signed out on every device.",
    "address": "The new address holds. You are signed out everywhere: sign in with it.",
    "password": "The new password holds. You are signed out everywhere: sign in with it.",
}
_WRONG = "Address and password do not belong together."
_OLD_LINK = "This link was used already, or it is too old. `apiledger account link` prints another."


async def _sign_in_page(request: Request) -> Response:
    if request.headers.get("sec-fetch-site") == "cross-site":
        return bounce.page()
    if session.find(session.token_of(request.cookies)):
        return form.turned(_inside(request.query_params.get("to", "/")))
    said = _SAID.get(request.query_params.get("said", ""), "")
    response = _shown(request, request.query_params.get("to", "/"), said=said)
    if said:
        # Where a session ended the browser is left without what its pages kept.
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _shown(request: Request, to: str, *, said: str = "", wrong: str = "", status: int = 200) -> Response:
    way_on = f'<input type="hidden" name="to" value="{quote(_inside(to), safe="/?&=%")}">'.replace("&", "&amp;")
    return form.page(
        request,
        "Sign in",
        lambda hidden: (
            f'<form method="post" action="/sign-in">{hidden}{way_on}'
            f"{form.field('email', 'E-mail', 'email', more='autocomplete=username')}"
            f"{form.field('password', 'Password', 'password', more='autocomplete=current-password')}"
            f"{form.button('Sign in')}</form>"
            '<p><a href="/forgot">Forgotten password</a> · <a href="/sign-up">Make an account</a> · '
            '<a href="/privacy">Privacy</a></p>'
            "<p><small>On this machine, <code>apiledger account link</code> prints a link that signs its operator in."
            "</small></p>"
        ),
        said=said,
        wrong=wrong,
        status=status,
    )


def _inside(to: str) -> str:
    """A path of ours; another site's address is not followed."""
    parts = urlsplit(to)
    inside = to.startswith("/") and not to.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return to if inside and to.isprintable() and parts.path not in {"/sign-in", "/sign-out"} else "/"


def _sign_in(request: Request, fields: Fields) -> Response:
    email, secret, to = fields.get("email", "").strip(), fields.get("password", ""), fields.get("to", "/")
    now = session.now()
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        guess = Guess.of(vault, email, request.client.host if request.client else "")
        if pause := throttle.admit(control, guess, now):
            seconds = math.ceil(pause.total_seconds())
            return _shown(request, to, wrong=f"Too many tries. Try again in {seconds} s.", status=429)
        found = members.find(control, vault, email)
        fits = password.fits(found[1] if found else None, secret[: password.LONGEST + 1])
        if found is None or not fits:
            return _shown(request, to, wrong=_WRONG, status=401)
        is_known = throttle.is_known(control, guess)
        throttle.succeeded(control, guess, now)
        return begun(request, control, found[0].member_no, BY_PASSWORD, _inside(to), is_known=is_known)


def begun(
    request: Request, control: sqlite3.Connection, member_no: int, limits: Limits, to: str, *, is_known: bool = False
) -> Response:
    """A new session under a new id, whatever id the browser came with; that one's session ends.

    A place that is not known, to `is_known` or by itself, is told to the member.
    """
    now = session.now()
    member = members.of_number(control, member_no)
    if member is not None:
        ip = request.client.host if request.client else ""
        arrival.note(control, Vault(control, now), member, ip, now, is_known=is_known)
    before = session.token_of(request.cookies)
    if before is not None:
        sessions.end(control, sessions.lookup(before), now)
    token = sessions.begin(control, member_no, limits, now)
    response = form.turned(to)
    session.keep(response, token, int(limits.absolute.total_seconds()))
    return response


def _link_page(request: Request) -> Response:
    if request.headers.get("sec-fetch-site") == "cross-site":
        return bounce.page()
    return form.page(
        request,
        "Signing in",
        lambda hidden: (
            f'<form method="post" action="/link" data-ticket="send">{hidden}'
            f'<input type="hidden" name="ticket">{form.button("Sign in")}</form>'
        ),
    )


def _link(request: Request, fields: Fields) -> Response:
    now = session.now()
    with database.control(Home.own()) as control:
        with database.transaction(control):
            found = ticket.use(control, "link", fields.get("ticket", ""), now)
        if found is None or found.member_no is None:
            return _shown(request, "/", wrong=_OLD_LINK, status=401)
        return begun(request, control, found.member_no, BY_LINK, "/")


def _sign_out(request: Request, _: Fields) -> Response:
    _ended(request, everywhere=False)
    return form.turned("/sign-in?said=out")


def _sign_out_everywhere(request: Request, _: Fields) -> Response:
    _ended(request, everywhere=True)
    return form.turned("/sign-in?said=everywhere")


def _ended(request: Request, *, everywhere: bool) -> None:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return
    with database.control(Home.own()) as control:
        if everywhere:
            sessions.end_all(control, found.member.member_no, session.now())
        else:
            sessions.end(control, found.lookup, session.now())


ROUTES = [
    Route("/sign-in", _sign_in_page, methods=["GET"]),
    Route("/sign-in", form.posted(_sign_in), methods=["POST"]),
    Route("/link", _link_page, methods=["GET"]),
    Route("/link", form.posted(_link), methods=["POST"]),
    Route("/sign-out", form.posted(_sign_out), methods=["POST"]),
    Route("/sign-out-everywhere", form.posted(_sign_out_everywhere), methods=["POST"]),
]
