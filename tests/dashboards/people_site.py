"""The routes of people and the gate before them, served on loopback, and what a browser or an attacker sends them."""

import asyncio
import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboards.api import endpoints, health, metrics
from dashboards.gate import Gate
from dashboards.people import account, credentials, reset, sign_in, sign_up
from dashboards.rights import deletion, privacy
from warehouse import database
from warehouse.control import member as members
from warehouse.control import password
from warehouse.control import session as sessions
from warehouse.control.vault import Vault
from warehouse.home import Home

PASSWORD = "canary horses staple"
EMAIL = "ada@team.example"
HASH = password.hashed(PASSWORD)


def now() -> datetime:
    """The moment as the store keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


async def figures(_: Request) -> PlainTextResponse:
    """A page that is nobody's without a session."""
    return PlainTextResponse("figures")


async def live_figures(socket: WebSocket) -> None:
    """A socket that is nobody's without a session: it repeats what it is sent."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"figures {await socket.receive_text()}")
    except WebSocketDisconnect:
        return


@contextmanager
def served(app: ASGIApp, certificate: Path | None = None, key: Path | None = None) -> Iterator[int]:
    """Serve an app on a free port of loopback, by TLS where there is a certificate; the port."""
    # Named as TCP: what asyncio does not know as that waits 40 ms for each answer on a connection that stays.
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="critical",
                access_log=False,
                ws="websockets-sansio",
                ssl_certfile=certificate,
                ssl_keyfile=key,
            )
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield port
        server.should_exit = True
        thread.join(10)


@dataclass
class Site:
    """The routes and the gate, served: what a browser or an attacker without one sends."""

    port: int
    home: Home
    cookie: str = ""

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        """One request; the status, the headers and the text."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if self.cookie:
                sent.setdefault("Cookie", self.cookie)
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read().decode()

    def fresh(self, path: str = "/sign-in") -> str:
        """Come as a new browser: keep the cookie; the token of the form."""
        self.cookie = ""
        _, headers, text = self.ask("GET", path)
        self.cookie = headers["set-cookie"].partition(";")[0]
        return token(text)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> tuple[int, dict[str, str], str]:
        """A form as a page of ours sends it, but for what is said otherwise."""
        usual = {
            "Origin": f"http://127.0.0.1:{self.port}",
            "Content_Type": "application/x-www-form-urlencoded",
        }
        return self.ask("POST", path, urlencode(fields), **(usual | headers))

    def sign_in(self, email: str = EMAIL, secret: str = PASSWORD) -> tuple[int, dict[str, str], str]:
        """Sign in as a person does; the cookie is kept."""
        hidden = self.fresh()
        answer = self.post("/sign-in", {"form": hidden, "email": email, "password": secret})
        if answer[0] == 303:
            self.cookie = answer[1]["set-cookie"].partition(";")[0]
        return answer


def as_member(site: Site, member_no: int, at: datetime) -> None:
    """Give the site a session of a member, as after a sign-in."""
    with database.control(site.home) as control:
        site.cookie = f"sid={sessions.begin(control, member_no, sessions.BY_PASSWORD, at)}"


def as_role(site: Site, role: str, at: datetime) -> None:
    """Make whoever is called EMAIL an owner, editor or viewer, and sign them in."""
    with database.control(site.home) as control:
        found = members.find(control, Vault(control, at), EMAIL)
        assert found
        control.execute("UPDATE member SET role = ? WHERE member_no = ?", (role, found[0].member_no))
    as_member(site, found[0].member_no, at)


def token(text: str) -> str:
    """The hidden field of the first form of a page."""
    found = re.search(r'name="form" value="(\w+)"', text)
    assert found
    return found[1]


def app() -> Starlette:
    """The routes behind the gate, with a page and a socket of figures."""
    return Starlette(
        routes=[
            *sign_in.ROUTES,
            *sign_up.ROUTES,
            *reset.ROUTES,
            *account.ROUTES,
            *deletion.ROUTES,
            *credentials.ROUTES,
            *privacy.ROUTES,
            *health.ROUTES,
            *metrics.ROUTES,
            *endpoints.ROUTES,
            Route("/figures", figures),
            WebSocketRoute("/_stcore/stream", live_figures),
        ],
        middleware=[Middleware(Gate)],
    )
