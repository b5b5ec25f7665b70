"""What every answer tells the browser it may do with it: run our own scripts, show it nowhere else, and keep nothing.

Streamlit says none of this itself. A page that has rules of its own keeps them; all else gets the ones here.
"""

import base64
import re
from hashlib import sha256
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.access import address

# Streamlit's own files, which hold nothing of anybody and are named by what is in them.
_STATIC = "/static/"
# Streamlit sets it for uploads; there are none, and without the cookie none is taken.
_FOREIGN_COOKIE = b"_streamlit_xsrf="
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_USUAL = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A file or an answer for programs that somebody opens by its address is no page: it runs nothing and asks for nothing.
_NO_PAGE = "default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; sandbox"


class BrowserPolicy:
    """ASGI middleware around everything that is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        index = Path(streamlit.__file__).parent / "static" / "index.html"
        self._scripts = "".join(f" {digest(text)}" for text in _SCRIPT.findall(index.read_text(encoding="utf-8")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and add to what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(message, scope["path"])
            await send(message)

        await self._app(scope, receive, answer)

    def _add(self, message: Message, path: str) -> None:
        message["headers"] = [
            (name, value)
            for name, value in message.get("headers", ())
            if name.lower() != b"set-cookie" or not value.startswith(_FOREIGN_COOKIE)
        ]
        headers = MutableHeaders(scope=message)
        for name, value in _USUAL.items():
            headers.setdefault(name, value)
        if headers.get("content-type", "").startswith("text/html"):
            headers.setdefault("Content-Security-Policy", self._of_pages())
        elif not path.startswith(_STATIC):
            # A worker takes its rules from its script's answer; Streamlit's own are under the page's.
            headers.setdefault("Content-Security-Policy", _NO_PAGE)
        # Programs are told themselves what they may keep, for their own token alone.
        if not path.startswith(_STATIC) and "private" not in headers.get("cache-control", ""):
            headers["Cache-Control"] = "no-store"

    def _of_pages(self) -> str:
        """The rules of Streamlit's page: its own scripts and styles, its own socket, and no other host for anything."""
        return (
            f"default-src 'none'; script-src 'self'{self._scripts}; style-src 'self' 'unsafe-inline'; "
            f"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' {_sockets()}; "
            "worker-src 'self' blob:; manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
            "frame-ancestors 'none'"
        )


def _sockets() -> str:
    """The page's socket by name: not every browser counts it as of the page's own origin."""
    public = address.public_url()
    if public is not None:
        return public.replace("https://", "wss://", 1)
    return " ".join(f"ws://{host}:{address.PORT}" for host in ("127.0.0.1", "localhost"))


def digest(text: str) -> str:
    """How a policy names a script or a style that may stand in a page: by what it says."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
