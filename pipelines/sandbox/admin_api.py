"""A provider's admin API of the sandbox, on loopback: judges requests as the provider does, misbehaves on demand.

What a provider's answers look like does not belong here (openai_api.py, anthropic_api.py).
"""

import base64
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec
import polars as pl

from pipelines.sandbox import misbehaviour
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.misbehaviour import Query

_DRIPS = 200
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class RequestError(Exception):
    """A request that the provider would refuse with 400."""


@dataclass
class Window:
    """What a request asks for: the days `[first, after)`, `limit` of them a page, groups, where it goes on."""

    first: date
    after: date
    limit: int
    groups: list[str]
    page: str | None

    def days(self) -> tuple[list[date], str | None]:
        """The days of the page that is asked for, and the token of the next one."""
        start = self.first
        if self.page is not None:
            try:
                start = date.fromisoformat(base64.urlsafe_b64decode(self.page.removeprefix("page_")).decode())
            except ValueError:
                raise RequestError("page") from None
        days = [start + timedelta(days=n) for n in range(min(self.limit, max((self.after - start).days, 0)))]
        following = start + timedelta(days=len(days))
        return days, page_token(following) if following < self.after else None


def page_token(day: date) -> str:
    """An opaque cursor."""
    return "page_" + base64.urlsafe_b64encode(day.isoformat().encode()).decode()


@dataclass
class AdminApi:
    """One provider's API: `with AdminApi(...) as api:` serves at `api.address`; `key` is the one it takes.

    `faults` are taken one a request, in order, a status or one of pipelines/sandbox/misbehaviour.py's, or where a
    redirect leads; a request that finds none is answered well. `billed_until` empties the costs from that day on, as a
    provider that is late. `says` are headers of each answer, such as whose key it is. `refresh` is called before each
    request: what is billed may be more than a moment ago.
    """

    bill: Bill
    key: str
    header: str
    # path -> what answers it
    routes: Mapping[str, Callable[["AdminApi", Query], dict[str, Any]]]
    faults: list[str | int] = field(default_factory=list)
    billed_until: date | None = None
    asked: list[str] = field(default_factory=list)
    stall_s: float = 5.0
    port: int = 0
    says: tuple[tuple[str, str], ...] = ()
    refresh: Callable[["AdminApi"], None] = lambda _: None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def next_fault(self) -> str | int | None:
        """What goes wrong with the request that has come; None where nothing does."""
        with self._turn:
            self.refresh(self)
            return self.faults.pop(0) if self.faults else None

    def last_day(self) -> date:
        """The newest day with usage; the first of all where nobody has called."""
        days = self.bill.usage["day"]
        return days[-1] if len(days) else date(1970, 1, 1)

    def usage_of(self, days: list[date]) -> dict[date, list[dict[str, Any]]]:
        """The usage rows of some days."""
        return _by_day(self.bill.usage, days)

    def tools_of(self, days: list[date], tool: str) -> dict[date, list[dict[str, Any]]]:
        """How often a tool was used on some days, by project, key and model."""
        return _by_day(self.bill.tools.filter(pl.col("tool") == tool), days)

    def lines_of(self, days: list[date]) -> dict[date, list[dict[str, Any]]]:
        """The bill's lines of some days, none from `billed_until` on."""
        return _by_day(self.bill.lines, [d for d in days if self.billed_until is None or d < self.billed_until])


def _by_day(frame: pl.DataFrame, days: list[date]) -> dict[date, list[dict[str, Any]]]:
    rows: dict[date, list[dict[str, Any]]] = {}
    for row in frame.filter(pl.col("day").is_in(days)).iter_rows(named=True):
        rows.setdefault(row["day"], []).append(row)
    return rows


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: AdminApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", api.port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait 40 ms for a word that the first arrived.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        api = self.server.api
        if urlsplit(self.path).path == "/":
            # Whoever asks whether it is there meets no fault and takes none away.
            self._send(200, b"{}")
            return
        api.asked.append(self.path)
        fault = api.next_fault()
        if isinstance(fault, int):
            self._send(fault, b'{"error": {"message": "made up"}}')
        elif fault == "retry-after":
            self._send(429, b"{}", ("Retry-After", "7"))
        elif fault == "drop":
            self._hang_up()
        elif fault is not None and fault.startswith("http"):
            self._send(307, b"", ("Location", fault))
        elif not secrets.compare_digest(str(self.headers.get(api.header)).encode(), api.key.encode()):
            # As providers do, it repeats what it was given.
            self._send(401, _ENCODER.encode({"error": f"Incorrect key: {self.headers.get(api.header)}"}))
        else:
            self._answer(api, fault or "")

    def _answer(self, api: AdminApi, fault: str) -> None:
        if fault == "stall":
            time.sleep(api.stall_s)
        parts = urlsplit(self.path)
        route = api.routes.get(parts.path)
        if route is None:
            self._send(404, b"{}")
            return
        query = misbehaviour.asked(fault, parse_qs(parts.query, keep_blank_values=True))
        try:
            answer = misbehaviour.told(fault, route(api, query))
        except (RequestError, KeyError, ValueError, OverflowError, OSError):
            self._send(400, b'{"error": {"type": "invalid_request_error"}}')
            return
        body = _ENCODER.encode(answer)
        whole, body = len(body), misbehaviour.cut(fault, body)
        if fault == "slow":
            self._drip(body, api.stall_s)
        elif fault.startswith("torn"):
            self._send(200, body, promised=whole)
            self._hang_up()
        else:
            self._send(200, body)

    def _send(self, status: int, body: bytes, *headers: tuple[str, str], promised: int | None = None) -> None:
        self._begin(status, len(body) if promised is None else promised, *headers)
        # A client that gave up is no error of the server.
        with suppress(ConnectionError):
            self.wfile.write(body)

    def _begin(self, status: int, promised: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (
            *headers,
            *self.server.api.says,
            ("Content-Type", "application/json"),
            ("Content-Length", str(promised)),
        ):
            self.send_header(name, value)
        self.end_headers()

    def _drip(self, body: bytes, seconds: float) -> None:
        """Send a byte now and then: never silent for long, never done in time."""
        self._begin(200, len(body))
        with suppress(ConnectionError):
            for at in range(_DRIPS):
                self.wfile.write(body[at : at + 1])
                time.sleep(seconds / _DRIPS)
            self.wfile.write(body[_DRIPS:])

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the parent's word)
        pass
