"""A provider on loopback that counts and bills every call by itself, in Decimal: what the books are compared with.

It speaks OpenAI's chat completions and Anthropic's messages, whole and streamed. Each call's message carries its order
as JSON: which tokens to report, and which statuses to fail with before it is answered.
"""

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

# USD a million tokens: input, cache read, cache write 5m, cache write 1h, output.
PRICES = {
    "gpt-4o": ("2.5", "1.25", "0", "0", "10"),
    "gpt-4o-mini": ("0.15", "0.075", "0", "0", "0.6"),
    "claude-sonnet-4-5": ("3", "0.3", "3.75", "6", "15"),
}
ANSWER_CANARY = "canary-answer-7c41"
STREAM_CHUNKS = 6


@dataclass(frozen=True)
class Order:
    """One call to make: what the client sends, what the upstream shall report, what shall go wrong."""

    ticket: int
    model: str
    uncached_tokens: int
    completion_tokens: int
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    stream: bool = False
    ask_usage: bool = True
    # The statuses the upstream fails with before it answers.
    failures: tuple[int, ...] = ()
    # The client hangs up after so many chunks of the stream.
    hang_up_after: int | None = None
    # LiteLLM's own switch that keeps a call from its callbacks, free to any caller.
    no_log: bool = False
    path: str = "/chat/completions"
    canary: str = ""

    @property
    def prompt_tokens(self) -> int:
        """All input, cache included."""
        return self.uncached_tokens + self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens


@dataclass
class Served:
    """What the upstream did for one ticket: attempts, failures, and the one answer it bills."""

    attempts: int = 0
    failures: list[int] = field(default_factory=list)
    provider: str = ""
    key: str = ""
    model: str = ""
    prompt_tokens: int = 0
    cache_read_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    answered: bool = False
    hung_up: bool = False
    answered_at: float = 0.0


class CountingUpstream:
    """The server and its ledger, by ticket; use it as a context manager."""

    def __init__(self) -> None:
        self.ledger: dict[int, Served] = defaultdict(Served)
        self.lock = threading.Lock()
        upstream = self

        class Handler(_Handler):
            counting = upstream

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
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

    def attempt(self, order: Order, key: str) -> int | None:
        """Count one attempt made with a key; the status it shall fail with, or nothing."""
        with self.lock:
            served = self.ledger[order.ticket]
            served.attempts, served.key = served.attempts + 1, key
            if len(served.failures) < len(order.failures):
                status = order.failures[len(served.failures)]
                served.failures.append(status)
                return status
        return None

    def bill(self, order: Order, provider: str, model: str, *, sent_tokens: int, hung_up: bool) -> None:
        """Write the answer into the ledger: all input, and the output that was sent."""
        million = Decimal(1_000_000)
        price = [Decimal(p) for p in PRICES[model]]
        classes = (
            order.uncached_tokens,
            order.cache_read_tokens,
            order.cache_write_5m_tokens,
            order.cache_write_1h_tokens,
            sent_tokens,
        )
        with self.lock:
            served = self.ledger[order.ticket]
            served.provider, served.model, served.answered, served.hung_up = provider, model, True, hung_up
            served.prompt_tokens, served.cache_read_tokens = order.prompt_tokens, order.cache_read_tokens
            served.completion_tokens = sent_tokens
            served.cost_usd = sum((n * p / million for n, p in zip(classes, price, strict=True)), Decimal(0))
            served.answered_at = time.time()


class _Handler(BaseHTTPRequestHandler):
    counting: CountingUpstream
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's word
        """Keep quiet: pytest's output is for the tests."""

    def do_POST(self) -> None:
        """Answer one attempt."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        order = Order(**json.loads(_text(body["messages"][-1]["content"])))
        key = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
        if (status := self.counting.attempt(order, key)) is not None:
            self._send(
                status, {"error": {"message": f"made up {order.canary}", "type": "made_up", "code": str(status)}}
            )
            return
        anthropic = self.path.endswith("/messages")
        provider = "anthropic" if anthropic else "openai"
        if not body.get("stream"):
            self.counting.bill(order, provider, body["model"], sent_tokens=order.completion_tokens, hung_up=False)
            self._send(200, _message(order, body["model"]) if anthropic else _completion(order, body["model"]))
            return
        events = _message_events(order, body["model"]) if anthropic else _chunks(order, body)
        self._stream(order, provider, body["model"], events, named=anthropic)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, order: Order, provider: str, model: str, events: list[dict[str, Any]], *, named: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        sent, hung_up = 0, False
        try:
            for event in events:
                name = f"event: {event['type']}\n" if named else ""
                self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
                sent += 1
                if order.hang_up_after is not None:
                    time.sleep(0.1)
            if not named:
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            hung_up = True
        share = min(1.0, sent / len(events))
        tokens = int(order.completion_tokens * share) if hung_up else order.completion_tokens
        self.counting.bill(order, provider, model, sent_tokens=tokens, hung_up=hung_up)


def _text(content: str | list[dict[str, str]]) -> str:
    return content if isinstance(content, str) else content[0]["text"]


def _openai_usage(order: Order) -> dict[str, Any]:
    return {
        "prompt_tokens": order.prompt_tokens,
        "completion_tokens": order.completion_tokens,
        "total_tokens": order.prompt_tokens + order.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": order.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": order.reasoning_tokens},
    }


def _completion(order: Order, model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"{ANSWER_CANARY} done"}
    return {
        "id": f"chatcmpl-{order.ticket}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _openai_usage(order),
    }


def _chunks(order: Order, body: dict[str, Any]) -> list[dict[str, Any]]:
    frame = {
        "id": f"chatcmpl-{order.ticket}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": body["model"],
    }
    deltas = [{"role": "assistant", "content": ANSWER_CANARY}, *({"content": " and"} for _ in range(STREAM_CHUNKS - 1))]
    events = [frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append(frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append(frame | {"choices": [], "usage": _openai_usage(order)})
    return events


def _anthropic_usage(order: Order) -> dict[str, Any]:
    return {
        "input_tokens": order.uncached_tokens,
        "output_tokens": order.completion_tokens,
        "cache_read_input_tokens": order.cache_read_tokens,
        "cache_creation_input_tokens": order.cache_write_5m_tokens + order.cache_write_1h_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": order.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": order.cache_write_1h_tokens,
        },
        "service_tier": "standard",
    }


def _message(order: Order, model: str) -> dict[str, Any]:
    return {
        "id": f"msg_{order.ticket}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": f"{ANSWER_CANARY} done"}],
        "stop_reason": "end_turn",
        "usage": _anthropic_usage(order),
    }


def _message_events(order: Order, model: str) -> list[dict[str, Any]]:
    usage = _anthropic_usage(order)
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"{ANSWER_CANARY} "}}
    return [
        {
            "type": "message_start",
            "message": _message(order, model) | {"content": [], "usage": usage | {"output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(delta for _ in range(STREAM_CHUNKS)),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": order.completion_tokens},
        },
        {"type": "message_stop"},
    ]


def mixed_orders(calls: int) -> list[Order]:
    """A day's mixture in small: three models, streams, failures that a retry mends or not, broken-off streams."""
    return [_mixed(ticket) for ticket in range(calls)]


def _mixed(ticket: int) -> Order:
    stream, claude = ticket % 3 == 0, ticket % 5 in {1, 2}
    model = "claude-sonnet" if claude else ("gpt-4o", "gpt-4o-mini")[ticket % 2]
    failures: tuple[int, ...] = {7: (500,), 11: (429,), 13: (500, 500), 17: (429, 429)}.get(ticket % 20, ())
    if ticket % 50 == 49:
        model, claude, failures = "with-fallback", False, (500, 500)
    return Order(
        ticket=ticket,
        model=model,
        uncached_tokens=10 + ticket * 37 % 4_000,
        completion_tokens=20 + ticket * 13 % 900,
        cache_read_tokens=ticket * 7 % 1_000 if ticket % 4 == 0 else 0,
        cache_write_5m_tokens=ticket % 90 if claude else 0,
        cache_write_1h_tokens=ticket % 70 if claude else 0,
        reasoning_tokens=5 if ticket % 9 == 0 else 0,
        stream=stream,
        ask_usage=ticket % 2 == 0,
        failures=failures,
        hang_up_after=2 if stream and ticket % 60 == 30 else None,
        path="/messages" if claude and ticket % 4 == 1 else "/chat/completions",
        no_log=ticket % 50 == 3,
        canary=f"canary-prompt-{ticket}",
    )
