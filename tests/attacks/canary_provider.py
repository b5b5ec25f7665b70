"""A provider whose bill is another for every key: each account's carries the words of that account alone.

It answers as OpenAI's admin API does; the key itself says whose it is.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.retention.erased_world import Canary

_DAY_S = 86_400
_BILLED_DAYS = 3


def key_of(canary: Canary) -> str:
    """The admin key of an account's organisation."""
    return f"sk-admin-{canary.word('secret')}-{canary.word('hint')[-9:]}"


@contextmanager
def answering() -> Iterator[str]:
    """Serve on loopback; the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            told = re.search(r"zq(\d{3})secretxv", self.headers.get("Authorization", ""))
            body = json.dumps(page(parts.path, parse_qs(parts.query), Canary(int(told[1])))).encode() if told else b"{}"
            self.send_response(200 if told and parts.path.startswith("/organization/") else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def page(path: str, query: dict[str, list[str]], canary: Canary) -> dict[str, Any]:
    """One page with all days that are asked for; billed are the last ones before today."""
    first, after = (int(query.get(name, ["0"])[0]) for name in ("start_time", "end_time"))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    billed = {int((today - timedelta(days=back)).timestamp()) for back in range(1, _BILLED_DAYS + 1)}
    rows = {"/organization/costs": _cost(canary), "/organization/usage/completions": _usage(canary)}
    data = [
        {
            "start_time": start,
            "end_time": start + _DAY_S,
            "results": [rows[path]] if path in rows and start in billed else [],
        }
        for start in range(first, after, _DAY_S)
    ]
    return {"object": "page", "data": data, "has_more": False, "next_page": None}


def _cost(canary: Canary) -> dict[str, Any]:
    return {
        "amount": {"value": 2.5, "currency": "usd"},
        "line_item": canary.word("line"),
        "project_id": canary.word("billproject"),
        "api_key_id": canary.word("billkey"),
        "quantity": 7,
        "quantity_unit": canary.word("unit"),
    }


def _usage(canary: Canary) -> dict[str, Any]:
    return {
        "input_tokens": 900,
        "input_cached_tokens": 0,
        "output_tokens": 90,
        "num_model_requests": 3,
        "project_id": canary.word("billproject"),
        "api_key_id": canary.word("billkey"),
        "model": canary.word("billmodel"),
        "batch": False,
        "service_tier": canary.word("tier"),
    }
