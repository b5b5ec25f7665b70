"""A provider that repeats the key it was sent in whatever goes wrong: in its answers' bodies, headers, redirects."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.attacks import canary_provider
from tests.retention.erased_world import Canary

REDIRECT = 302


@dataclass
class EchoingProvider:
    """What it does wrong next, one status a request; the keys it was sent, and how often it repeated one."""

    address: str = ""
    faults: list[int] = field(default_factory=list)
    met: list[str] = field(default_factory=list)
    echoed: int = 0
    led_to: list[str] = field(default_factory=list)


@contextmanager
def echoing(words: Canary) -> Iterator[EchoingProvider]:
    """Serve on loopback, as OpenAI's admin API of one organisation; and the place that it redirects to."""
    made = EchoingProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            parts = urlsplit(self.path)
            if parts.path == "/led":
                made.led_to.append(key)
                self._say(200, {}, {})
                return
            made.met.append(key)
            if made.faults:
                made.echoed += 1
                status = made.faults.pop(0)
                told = {"error": {"message": f"Incorrect API key provided: {key}", "type": key, "code": key}}
                where = {"Location": f"{made.address}/led?key={quote(key)}"} if status == REDIRECT else {}
                self._say(status, told, {"x-key": key, **where})
            else:
                self._say(200, canary_provider.page(parts.path, parse_qs(parts.query), words), {})

        def _say(self, status: int, told: dict[str, Any], headers: dict[str, str]) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
