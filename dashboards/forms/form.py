"""Forms outside Streamlit: a plain page, and a POST that counts only if it came from one of ours.

Native forms, so that a password manager knows them and no script holds a password. A page runs no script but the one
that takes a ticket out of its own address, where no server and no log sees it.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboards.access import address, session
from dashboards.access.browser_policy import digest
from dashboards.forms.form_style import STYLE
from warehouse import branding
from warehouse.home import Home

Fields = Mapping[str, str]
Handler = Callable[[Request, Fields], Response]
_MOST_BYTES = 16_384
_MOST_FIELDS = 100
# The ticket behind the # is never sent by a browser; the script hands it to the form and takes it out of the history.
_SCRIPT = (
    "const f=document.querySelector('form[data-ticket]');"
    "if(f){const t=location.hash.slice(1);if(t){f.elements.ticket.value=t;"
    "history.replaceState(null,'',location.pathname);if(f.dataset.ticket==='send')f.submit()}}"
)


_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {digest(STYLE)}; script-src {digest(_SCRIPT)}; img-src data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def page(
    request: Request,
    title: str,
    body: Callable[[str], str],
    *,
    said: str = "",
    wrong: str = "",
    status: int = 200,
    wide: bool = False,
) -> Response:
    """A page of our own; `body` gets the hidden field that each of its forms needs. Texts are escaped here.

    A `wide` page has room for a table.
    """
    token = session.token_of(request.cookies) or secrets.token_urlsafe(32)
    hidden = f'<input type="hidden" name="form" value="{session.form_token(token)}">'
    notes = (f'<p class="note" role="status">{escape(said)}</p>' if said else "") + (
        f'<p class="note wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    )
    main = '<main class="wide">' if wide else "<main>"
    brand = branding.shown(Home.own())
    logo = icon = ""
    if brand.logo:
        logo, icon = f'<img class="logo" src="{brand.logo}" alt="">', f'<link rel="icon" href="{brand.logo}">'
    # A script after the form it serves.
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · {escape(brand.name)}</title>{icon}<style>{STYLE}</style></head><body>{main}"
        f'<p class="mark">{logo}{escape(brand.name)}</p><h1>{escape(title)}</h1>{notes}{body(hidden)}</main>'
        f"<script>{_SCRIPT}</script></body></html>"
    )
    response = HTMLResponse(text, status, headers=_HEADERS)
    if session.token_of(request.cookies) is None:
        session.keep(response, token)
    return response


def posted(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A route that answers a form: 403 and nothing done unless a page of ours, in this browser, sent it."""

    async def answer(request: Request) -> Response:
        body = await taken(request, "application/x-www-form-urlencoded", _MOST_BYTES)
        if body is None:
            return refused(request)
        try:
            fields = dict(parse_qsl(body.decode(), max_num_fields=_MOST_FIELDS, keep_blank_values=True))
        except ValueError:
            return refused(request)
        if not session.fits_form(session.token_of(request.cookies), fields.get("form", "")):
            return refused(request)
        return await run_in_threadpool(handler, request, fields)

    return answer


async def taken(request: Request, kind: str, most_bytes: int) -> bytes | None:
    """What was sent by a page of ours in this form; None where it is another's, another form, or too much."""
    headers = request.headers
    if not address.is_ours(headers.get("origin"), headers.get("host")):
        return None
    if headers.get("content-type", "").partition(";")[0] != kind:
        return None
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            return None
    return body


def refused(request: Request) -> Response:
    """The form was not one of ours, or is from before a restart."""
    again = '<p><a href="/sign-in">To the sign-in</a></p>'
    return page(
        request, "That form has expired", lambda _: again, wrong="Open the page again and send it anew.", status=403
    )


def missing(request: Request) -> Response:
    """What is not there and what is another's are answered alike."""
    return page(request, "Not found", lambda _: '<p><a href="/account">To your account</a></p>', status=404)


def turned(to: str) -> Response:
    """Go on to a page of ours."""
    return RedirectResponse(to, 303, headers={"Cache-Control": "no-store"})


def field(
    name: str,
    label: str,
    kind: str = "text",
    *,
    hint: str = "",
    more: str = "",
    value: str = "",
    is_required: bool = True,
) -> str:
    """A labelled field."""
    said = f'<small id="{name}-hint">{escape(hint)}</small>' if hint else ""
    described = f' aria-describedby="{name}-hint"' if hint else ""
    filled = f' value="{escape(value)}"' if value else ""
    needed = " required" if is_required else ""
    return (
        f'<label for="{name}">{escape(label)}</label>'
        f'<input id="{name}" name="{name}" type="{kind}"{needed}{described}{filled} {more}>{said}'
    )


def button(name: str, *, calm: bool = False, grave: bool = False) -> str:
    """The button that sends a form; a grave one does what cannot be taken back."""
    kind = " class=grave" if grave else " class=calm" if calm else ""
    return f'<button type="submit"{kind}>{escape(name)}</button>'
