"""A provider that answers each path with one file of tests/fixtures, and remembers what it was asked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pipelines.bills import odd_row
from pipelines.bills.biller import Biller
from pipelines.bills.billing_api import BillingApi, Clock

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
Rows = dict[date, list[dict[str, Any]]]


@dataclass
class Asked:
    """One request: its path, its query and its headers in lower case."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


@dataclass
class FixtureApi:
    """What answers at `address`; a path without a file is a 404."""

    address: str
    asked: list[Asked] = field(default_factory=list)

    def read(self, biller: Biller, report: str, first: date, after: date, dialect: str | None = None) -> Rows:
        """A provider's report as its file reads it."""
        (found,) = [one for one in biller.reports if one.name == report]
        with self.session(biller) as api:
            api.dialect = dialect
            return {day: odd_row.parted(found.table, told)[0] for day, told in found.read(api, first, after)}

    def session(self, biller: Biller) -> BillingApi:
        """A session that never waits."""
        clock = Clock(sleep=lambda _: None, jitter=lambda: 1.0)
        return BillingApi(biller.title, self.address, biller.headers("made-up"), clock)


def fixture(name: str) -> Any:
    """One file as JSON."""
    return json.loads((FIXTURES / name).read_text(encoding="utf-8"))


@contextmanager
def answering(files: Mapping[str, str]) -> Iterator[FixtureApi]:
    """Serve files by path on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            api.asked.append(Asked(parts.path, parse_qs(parts.query), headers))
            body = (FIXTURES / files[parts.path]).read_bytes() if parts.path in files else b"{}"
            self.send_response(200 if parts.path in files else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api = FixtureApi(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
