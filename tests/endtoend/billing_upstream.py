"""The counting upstream's own bill, served as OpenAI's admin API is: what it counted and what that costs at its prices.

It knows nothing of a gateway: keys, projects and prices are its own, and days are those on which it answered.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.endtoend.counting_upstream import PRICES, CountingUpstream, Served

ADMIN_KEY = "sk-admin-made-up-bill"
_MILLION = Decimal(1_000_000)
# Which of a model's prices each kind of line is at.
_LINES = {"input": 0, "cached input": 1, "output": 4}


class BillingUpstream:
    """`/organization/costs` and `/organization/usage/completions` over a ledger; use it as a context manager.

    `keys` are the provider's ids of the keys it was called with.
    """

    def __init__(self, upstream: CountingUpstream, keys: dict[str, str]) -> None:
        self.upstream, self.keys = upstream, keys
        billing = self

        class Handler(_Handler):
            bill = billing

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    def usage(self, day: date) -> list[dict[str, Any]]:
        """What was counted on a day, by key and model."""
        rows: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for served in self._answered(day):
            row = rows[served.key, served.model]
            row["num_model_requests"] += 1
            row["input_tokens"] += served.prompt_tokens
            row["input_cached_tokens"] += served.cache_read_tokens
            row["output_tokens"] += served.completion_tokens
        return [
            {"object": "organization.usage.completions.result", "api_key_id": self.keys[key], "model": model}
            | {"project_id": "proj_made_up", "batch": False, "service_tier": "default"}
            | counts
            for (key, model), counts in rows.items()
        ]

    def costs(self, day: date) -> list[dict[str, Any]]:
        """What a day is billed, by model and kind of token, each line with its own price."""
        tokens: dict[tuple[str, str], int] = defaultdict(int)
        for served in self._answered(day):
            tokens[served.model, "input"] += served.prompt_tokens - served.cache_read_tokens
            tokens[served.model, "cached input"] += served.cache_read_tokens
            tokens[served.model, "output"] += served.completion_tokens
        return [
            {
                "object": "organization.costs.result",
                "amount": {"value": n * Decimal(PRICES[model][_LINES[kind]]) / _MILLION, "currency": "usd"},
                "line_item": f"{model}, {kind}",
                "project_id": "proj_made_up",
            }
            for (model, kind), n in tokens.items()
            if n
        ]

    def _answered(self, day: date) -> list[Served]:
        with self.upstream.lock:
            return [
                served
                for served in self.upstream.ledger.values()
                if served.answered and datetime.fromtimestamp(served.answered_at, UTC).date() == day
            ]


class _Handler(BaseHTTPRequestHandler):
    bill: BillingUpstream

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's word
        """Keep quiet: pytest's output is for the tests."""

    def do_GET(self) -> None:
        """Answer a page that holds all days asked for, as far as its limit goes."""
        parts = urlsplit(self.path)
        reports = {"/organization/costs": self.bill.costs, "/organization/usage/completions": self.bill.usage}
        # What else OpenAI counts, this one does not sell.
        told: Callable[[date], list[dict[str, Any]]] = reports.get(parts.path, lambda _: [])
        if self.headers["authorization"] != f"Bearer {ADMIN_KEY}" or not parts.path.startswith("/organization/"):
            self._send(401, b'{"error": {"message": "no such key or report"}}')
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        start = int(query.get("page") or query["start_time"])
        first, after = (datetime.fromtimestamp(s, UTC).date() for s in (start, int(query["end_time"])))
        days = [first + timedelta(days=n) for n in range(min((after - first).days, int(query["limit"])))]
        seconds = {day: int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) for day in days}
        following = start + len(days) * 86_400
        page = {
            "object": "page",
            "data": [
                {"object": "bucket", "start_time": at, "end_time": at + 86_400, "results": told(day)}
                for day, at in seconds.items()
            ],
            "has_more": following < int(query["end_time"]),
            "next_page": str(following) if following < int(query["end_time"]) else None,
        }
        self._send(200, msgspec.json.Encoder(decimal_format="number").encode(page))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
