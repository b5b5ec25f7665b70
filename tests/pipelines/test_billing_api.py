"""The session of every billing API: bounded in time, tries, pages and bytes, exact in numbers, silent about keys."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipelines.bills import billing_api
from pipelines.bills.billing_api import MOST_TRIES, BillingApi, Clock
from pipelines.errors import ProviderError

KEY = "sk-admin-canary-7d02c1f6e9"


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server on loopback that answers every GET as told; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def saying(body: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer with this body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def api(address: str, pauses: list[float] | None = None) -> BillingApi:
    """A session that never waits."""
    waited = [] if pauses is None else pauses
    clock = Clock(sleep=waited.append, jitter=lambda: 1.0)
    return BillingApi("OpenAI", address, {"Authorization": f"Bearer {KEY}"}, clock)


def test_a_number_keeps_every_digit() -> None:
    """An amount is the literal that was sent, not a double near it."""
    with answering(saying(b'{"value": 0.1234567890123456789, "n": 3}')) as address, api(address) as session:
        assert session.get("/costs", []) == {"value": Decimal("0.1234567890123456789"), "n": 3}


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e99999999999999999999"])
def test_a_number_that_is_none_is_left_to_its_row(literal: str) -> None:
    """The rest of the answer is read: which row it is of, and what of it is held back, the report says."""
    with answering(saying(f'{{"value": {literal}, "n": 3}}'.encode())) as address, api(address) as session:
        told = session.get("/costs", [])
    assert told["n"] == 3
    assert not told["value"].is_finite()


@pytest.mark.parametrize("body", [b'{"value": nan}', b'{"value": 0x1}', b"[1]", b'{"data": [', b"", b"\xff\xfe"])
def test_what_is_no_whole_object_is_tried_again_and_given_up(body: bytes) -> None:
    """No half of an answer is ever taken for a whole one."""
    pauses: list[float] = []
    with answering(saying(body)) as address, api(address, pauses) as session:
        with pytest.raises(ProviderError, match=f"{MOST_TRIES} times"):
            session.get("/costs", [])
        assert len(pauses) == MOST_TRIES - 1


def test_a_body_cut_anywhere_is_never_taken() -> None:
    """Cut at every eighth byte, whole by its headers or not: an error each time."""
    whole = json.dumps({"data": [{"start_time": 0, "results": []}] * 3, "has_more": False, "next_page": None}).encode()
    for end in range(0, len(whole), 8):
        for promised in (end, len(whole)):

            def cut(handler: BaseHTTPRequestHandler, end: int = end, promised: int = promised) -> None:
                handler.send_response(200)
                handler.send_header("Content-Length", str(promised))
                handler.end_headers()
                handler.wfile.write(whole[:end])

            with answering(cut) as address, api(address) as session, pytest.raises(ProviderError):
                session.get("/costs", [])


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [("7", 7, 14), ("86400", 60, 67), ("-1", 0, 60), ("Wed, 21 Oct 2026 07:28:00 GMT", 0, 60), ("9" * 400, 0, 60)],
)
def test_a_pause_is_what_was_asked_for_within_a_minute(asked: str, least: float, most: float) -> None:
    """Retry-After is kept to, but no provider stops a pull for a day."""
    pauses: list[float] = []
    with answering(saying(b"{}", 429, Retry_After=asked)) as address, api(address, pauses) as session:
        with pytest.raises(ProviderError):
            session.get("/costs", [])
        assert all(least <= pause <= most for pause in pauses)
        assert sum(pauses) < MOST_TRIES * 67


@pytest.mark.parametrize("dripping", [True, False])
def test_a_provider_that_stalls_ends_in_time(dripping: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither silence nor a byte now and then holds a run up."""
    monkeypatch.setattr(billing_api, "READ_S", 0.15)
    monkeypatch.setattr(billing_api, "ANSWER_S", 0.3)
    monkeypatch.setattr(billing_api, "MOST_TRIES", 2)

    def stall(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000000")
        handler.end_headers()
        for _ in range(40 if dripping else 0):
            try:
                handler.wfile.write(b" " * 70_000)
            except ConnectionError:
                return
            time.sleep(0.05)
        time.sleep(0 if dripping else 0.4)

    started = time.monotonic()
    with answering(stall) as address, api(address) as session, pytest.raises(ProviderError, match=r"time|slowly"):
        session.get("/costs", [])
    assert time.monotonic() - started < 5


def test_a_byte_now_and_then_holds_no_run_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that comes byte by byte, each in time, is given up when the whole is not."""
    monkeypatch.setattr(billing_api, "ANSWER_S", 0.3)
    monkeypatch.setattr(billing_api, "MOST_TRIES", 2)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(200):
            try:
                handler.wfile.write(b" ")
            except ConnectionError:
                return
            time.sleep(0.05)

    started = time.monotonic()
    with answering(drip) as address, api(address) as session, pytest.raises(ProviderError, match="slowly"):
        session.get("/costs", [])
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("encoding", [None, "gzip"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_of_any_transfer_is_taken_whole_or_not(encoding: str | None, chunked: bool) -> None:
    """Compressed, in chunks or both: all of it is taken, and a part of it never is."""
    whole = json.dumps({"data": [{"start_time": n} for n in range(9_000)]}).encode()
    sent = gzip.compress(whole) if encoding else whole

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = True
        handler.send_response(200)
        if encoding:
            handler.send_header("Content-Encoding", encoding)
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(sent)))))
        handler.end_headers()
        for at in range(0, end, 7_000):
            piece = sent[at : min(at + 7_000, end)]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked and end == len(sent):
            handler.wfile.write(b"0\r\n\r\n")

    for end in (len(sent), len(sent) - 1, len(sent) // 2):
        with answering(answer) as address, api(address) as session:
            if end == len(sent):
                assert session.get("/costs", []) == json.loads(whole)
                continue
            with pytest.raises(ProviderError):
                session.get("/costs", [])


@pytest.mark.clause("AL-5.1")
@pytest.mark.parametrize("address", ["http://api.openai.com/v1", "ftp://127.0.0.1/", "https://a:b@c.example/", "", "x"])
def test_an_address_that_would_show_the_key_is_refused(address: str) -> None:
    """Plain http is for this machine alone."""
    with pytest.raises(ProviderError) as caught:
        api(address)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-secret-1\nX: y", "sk-secret-2\r\n", " sk-secret-3", "sk-sécret-4"])
def test_a_key_that_is_none_is_not_repeated(key: str) -> None:
    """What a header cannot carry is refused before any library says it in its error."""
    with pytest.raises(ProviderError) as caught:
        BillingApi("OpenAI", "https://api.example", {"Authorization": key})
    assert key.strip() not in str(caught.value)


@pytest.mark.attack("T13")
def test_an_error_repeats_nothing_of_the_answer() -> None:
    """Providers echo keys in their errors; ours do not, nor does what they come from."""
    for status in (400, 401, 403, 404, 422, 500):
        with answering(saying(f"Incorrect API key provided: {KEY}".encode(), status)) as address:
            with api(address) as session, pytest.raises(ProviderError) as caught:
                session.get("/costs", [])
            error: BaseException | None = caught.value
            while error is not None:
                assert KEY not in f"{error!r} {error.args}"
                error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "pages",
    [
        [{"data": [], "has_more": True, "next_page": "a"}] * 3,
        [{"data": [{}], "has_more": True, "next_page": str(n)} for n in range(100)],
        [{"data": [], "has_more": True, "next_page": str(n)} for n in range(100)],
        [{"data": [], "has_more": True, "next_page": None}],
        [{"data": [{}] * 11, "has_more": False, "next_page": None}],
        [{"data": {}, "has_more": False, "next_page": None}],
        [{"has_more": False}],
    ],
)
def test_pages_that_do_not_end_are_ended(pages: list[dict[str, Any]]) -> None:
    """A token twice, more pages or buckets than the window has, no token at all: an error after a few requests."""
    asked = iter(pages)
    met = 0

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal met
        met += 1
        saying(json.dumps(next(asked)).encode())(handler)

    with (
        answering(answer) as address,
        api(address) as session,
        pytest.raises(ProviderError, match="nothing was stored"),
    ):
        list(session.buckets("/costs", [], 10))
    assert met <= 12
