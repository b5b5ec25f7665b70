"""How a request came: plain HTTP is for loopback alone; where there is TLS, nothing is answered without it.

A proxy in front says so by X-Forwarded-Proto; it is believed on loopback alone, and only where one was named.
"""

import ipaddress

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.access import address

# A year: a browser that came by TLS once asks for nothing else.
_HSTS = "max-age=31536000"
# The signs of life tell nothing, and who looks at them on this machine has no proxy.
_PLAIN = frozenset({"/_stcore/health", "/healthz"})


class Transport:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, send to the https address, or hand on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        public, secure = address.public_url(), scope["scheme"] in {"https", "wss"}
        is_here = is_loopback((scope.get("server") or ("",))[0]) or address.is_published_on_loopback()
        if secure and public is not None:
            await self._app(scope, receive, _strict(send))
        elif is_here and (public is None or scope["path"] in _PLAIN):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif public is not None and scope["method"] in {"GET", "HEAD"}:
            query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
            await RedirectResponse(f"{public}{scope['path']}{query}", 308)(scope, receive, send)
        else:
            await PlainTextResponse("Only by https", 403)(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether an address of this machine is one that no other machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _strict(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Strict-Transport-Security"] = _HSTS
        await send(message)

    return answer
