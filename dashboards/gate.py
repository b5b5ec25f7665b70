"""The gate before everything: without a session there is no page, no socket and no file, whatever the path.

A WebSocket keeps the cookie of its handshake for as long as it is open, so it is looked at again while it is; one whose
session has ended is cut. A file is there for the sessions whose pages named it; to others it is one that is not there.
"""

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.AuthRedirect_pb2 import AuthRedirect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg, ForwardMsgMetadata

from dashboards.access import address, bounce, handed, session
from dashboards.access.handed import Handed
from dashboards.rights import privacy

# Whoever is erased or signed out is cut off within a second.
LOOK_EVERY_S = 0.5
# Forms for those who are not signed in, what they are drawn with, and the sign of life.
_OPEN = frozenset(
    {
        "/sign-in",
        "/sign-up",
        "/sign-out",
        "/sign-out-everywhere",
        "/link",
        "/forgot",
        "/reset",
        "/address",
        "/invitation",
        "/privacy",
        "/_stcore/health",
        "/healthz",
        "/metrics",
    }
)
# The address of a receipt is one that nobody guesses, and who it was given to has no session any more. What programs
# ask, and the metrics, look at a token themselves; a session opens none of it.
_OPEN_FOLDERS = ("/static/", "/erased/", "/api/")
# Whoever has not accepted the policy may do so, and may leave.
_ALWAYS = ("/policy", "/account")
# What a page still shows of before is taken off the screen: in Streamlit's own words the browser is sent to sign in.
_AWAY = ForwardMsg(
    metadata=ForwardMsgMetadata(cacheable=False), auth_redirect=AuthRedirect(url="/sign-in?said=out")
).SerializeToString()


class Gate:
    """ASGI middleware: lets through what is open to all, and what comes with a living session."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._sockets = _Sockets()
        self._handed = Handed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] not in {"http", "websocket"} or _is_open(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        token = session.token_of_header(headers.get("cookie", ""))
        found = await run_in_threadpool(session.find, token)
        if scope["type"] == "websocket":
            if found is None or not _is_our_page(headers) or await run_in_threadpool(privacy.is_due, found):
                await send({"type": "websocket.close", "code": 1008})
            else:
                socket = _Watched(found.lookup, receive, send, self._handed)
                await socket.run(self._app, handed.with_owner(scope, found.member.member_no), self._sockets)
        elif found is not None:
            if scope["path"].startswith(_ALWAYS) or not await run_in_threadpool(privacy.is_due, found):
                is_theirs = self._handed.may_have(scope["path"], found.lookup)
                await (self._app if is_theirs else handed.missing())(scope, receive, send)
            elif "text/html" in headers.get("accept", ""):
                await RedirectResponse(privacy.PATH, 303)(scope, receive, send)
            else:
                await PlainTextResponse("The privacy policy has changed", 403)(scope, receive, send)
        else:
            await _refusal(scope, headers)(scope, receive, send)


def _is_open(scope: Scope) -> bool:
    path = scope["path"]
    return scope["type"] == "http" and (path in _OPEN or path.startswith(_OPEN_FOLDERS))


def _is_our_page(headers: Headers) -> bool:
    """Whether a socket is asked for by a page of ours, or by no browser, which has to say so.

    Asked instead, Streamlit lets in every port of loopback, and looks up this machine's address on the internet.
    """
    origin = headers.get("origin")
    return origin is None or address.is_ours(origin, headers.get("host"))


def _refusal(scope: Scope, headers: Headers) -> ASGIApp:
    """A person is sent to sign in; a program gets a plain no."""
    if scope["method"] not in {"GET", "HEAD"} or "text/html" not in headers.get("accept", ""):
        return PlainTextResponse("Not signed in", 403)
    if headers.get("sec-fetch-site") == "cross-site":
        # From another site a browser keeps the Strict cookie back; asked again by our own page, it sends it.
        return bounce.page()
    to = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    return RedirectResponse("/sign-in" if to == "/" else f"/sign-in?to={quote(to)}", 303)


class _Sockets:
    """The open sockets of a server: one look for all of them, so that looking often costs the same with fifty."""

    def __init__(self) -> None:
        self._open: dict[_Watched, None] = {}
        self._looking: asyncio.Task[None] | None = None

    def add(self, socket: "_Watched") -> None:
        """Look after a socket from now on."""
        self._open[socket] = None
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def leave(self, socket: "_Watched") -> None:
        """It is closed; with the last one the looking ends."""
        self._open.pop(socket, None)
        if not self._open and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            living = await run_in_threadpool(_living, frozenset(socket.found_by for socket in self._open))
            over = [socket for socket in self._open if socket.found_by not in living]
            for socket in over:
                self._open.pop(socket)
            if over:
                # A browser that takes nothing any more keeps nobody else's socket open.
                await asyncio.wait([asyncio.create_task(socket.cut()) for socket in over], timeout=1)


class _Watched:
    """A WebSocket with its session: once that has ended, nothing goes in or out any more but the way to sign in."""

    def __init__(self, found_by: bytes, receive: Receive, send: Send, files: Handed) -> None:
        self.found_by = found_by
        self._files = files
        self._receive = receive
        self._send = send
        self._ended = asyncio.Event()

    async def run(self, app: ASGIApp, scope: MutableMapping[str, Any], sockets: _Sockets) -> None:
        sockets.add(self)
        # Whatever is begun for this socket, in its own tasks and threads, knows for whom.
        session.asking.set(self.found_by)
        try:
            await app(scope, self._received, self._sent)
        finally:
            sockets.leave(self)

    async def cut(self) -> None:
        self._ended.set()
        with suppress(RuntimeError, OSError):
            # The browser may have hung up at this very moment; the others are cut all the same.
            await self._send({"type": "websocket.send", "bytes": _AWAY})
            await self._send({"type": "websocket.close", "code": 1008})

    async def _received(self) -> Message:
        receiving = asyncio.ensure_future(self._receive())
        ended = asyncio.ensure_future(self._ended.wait())
        await asyncio.wait({receiving, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not self._ended.is_set():
            return receiving.result()
        receiving.cancel()
        return {"type": "websocket.disconnect", "code": 1008}

    async def _sent(self, message: Message) -> None:
        if not self._ended.is_set():
            self._files.note(message.get("bytes") or b"", self.found_by)
            await self._send(message)


def _living(every: frozenset[bytes]) -> frozenset[bytes]:
    try:
        return session.living(every)
    except Exception:  # noqa: BLE001 - a store that cannot be asked vouches for nobody
        return frozenset()
