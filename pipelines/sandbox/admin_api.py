"""A provider's admin API of the sandbox, on loopback: judges requests as the provider does, misbehaves on demand.

What a provider's answers look like does not belong here (openai_api.py, anthropic_api.py).
"""

import base64
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

from pipelines.sandbox.bill import Bill

Query = dict[str, list[str]]
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

    `faults` are taken one a request, in order: a status, `retry-after`, `cut`, `drop`, `loop`, `stall`, or where a
    redirect leads; a request that finds none is answered well. `billed_until` empties the costs from that day on, as a
    provider that is late.
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

    def usage_of(self, days: list[date]) -> dict[date, list[dict[str, Any]]]:
        """The usage rows of some days."""
        return _by_day(self.bill.usage, days)

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
    server: _Server

    def do_GET(self) -> None:
        api = self.server.api
        api.asked.append(self.path)
        fault = api.faults.pop(0) if api.faults else None
        if isinstance(fault, int):
            self._send(fault, b'{"error": {"message": "made up"}}')
        elif fault == "retry-after":
            self._send(429, b"{}", ("Retry-After", "7"))
        elif fault == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault is not None and fault.startswith("http"):
            self._send(307, b"", ("Location", fault))
        elif self.headers.get(api.header) != api.key:
            # As providers do, it repeats what it was given.
            self._send(401, _ENCODER.encode({"error": f"Incorrect key: {self.headers.get(api.header)}"}))
        else:
            self._answer(api, fault)

    def _answer(self, api: AdminApi, fault: str | None) -> None:
        if fault == "stall":
            time.sleep(api.stall_s)
        parts = urlsplit(self.path)
        route = api.routes.get(parts.path)
        if route is None:
            self._send(404, b"{}")
            return
        try:
            answer = route(api, parse_qs(parts.query))
        except (RequestError, KeyError, ValueError):
            self._send(400, b'{"error": {"type": "invalid_request_error"}}')
            return
        if fault == "loop":
            answer |= {"has_more": True, "next_page": page_token(date(2000, 1, 1))}
        body = _ENCODER.encode(answer)
        if fault == "cut":
            # Whole by its headers: only the JSON tells.
            body = body[: len(body) * 2 // 3]
        self._send(200, body)

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        # A client that gave up is no error of the server.
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the parent's word)
        pass
