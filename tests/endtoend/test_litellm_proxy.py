"""A real LiteLLM proxy between the official client and a provider that counts: the files, then the books."""

import contextlib
import json
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend import litellm_proxy
from tests.endtoend.counting_upstream import ANSWER_CANARY, CountingUpstream, Order, mixed_orders
from tests.endtoend.litellm_proxy import Billed, run_traffic, running
from warehouse.home import Home
from warehouse.money import usd

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

CALLS = 500
# A line waits at most three seconds for its file's name; the rest is the pass.
SECONDS_TO_THE_BOOKS = 20.0


def lines(inbox: Path) -> dict[str, list[dict[str, Any]]]:
    """Every line of the inbox, by call; what is still a `.part` file is not there."""
    by_call: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in inbox.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line, parse_float=Decimal)
            by_call[record["litellm_call_id"]].append(record)
    return by_call


def _part_files(inbox: Path, calls: int) -> list[Path]:
    """The files without their name as soon as `calls` lines are on the disk; AssertionError after twenty seconds."""
    for _ in range(1000):
        # A file may be given its name between the look at the folder and its reading.
        with contextlib.suppress(FileNotFoundError):
            if sum(path.read_bytes().count(b"\n") for path in inbox.glob("*.jsonl*")) >= calls:
                return list(inbox.glob("*.part"))
        time.sleep(0.02)
    raise AssertionError(f"fewer than {calls} lines were written")


def check_line(bill: Billed, record: dict[str, Any]) -> None:
    """The line of an answered call says what the upstream counted and billed."""
    usage = record["metadata"]["usage_object"]
    assert record["model"] == f"{bill.provider}/{bill.model}", bill
    assert record["prompt_tokens"] == bill.prompt_tokens, bill
    assert record["completion_tokens"] == bill.completion_tokens, bill
    assert usage["prompt_tokens_details"].get("cached_tokens", 0) == bill.cache_read_tokens, bill
    # LiteLLM reckons in float: 17 digits of it, so 12 decimal places hold.
    assert usd(record["response_cost"]) == usd(bill.cost_usd), bill


def differs(bill: Billed, rows: dict[str, tuple[Any, ...]]) -> bool:
    """Whether the books and the upstream's ledger differ; of a call without a whole answer both know the outcome."""
    row = rows.get(bill.call_id, ("missing",))
    if bill.outcome != "ok":
        return bool(row[0] != bill.outcome)
    tokens = (bill.prompt_tokens, bill.completion_tokens, bill.cache_read_tokens)
    return row != (bill.outcome, bill.provider, bill.model, *tokens, usd(bill.cost_usd), usd(bill.cost_usd))


def test_every_call_is_in_the_inbox_once_and_no_word_of_it(tmp_path: Path) -> None:
    """500 calls, a third of them streams: tokens and cost as the upstream counted, canaries in no file."""
    inbox, orders = tmp_path / "inbox" / "litellm", mixed_orders(CALLS)
    with CountingUpstream() as upstream:
        with running(tmp_path / "proxy", inbox, upstream) as proxy:
            started = time.monotonic()
            bills = run_traffic(proxy, upstream, orders)
            seconds = time.monotonic() - started
        attempts = sum(served.attempts for served in upstream.ledger.values())
    by_call = lines(inbox)
    assert not list(inbox.glob("*.part"))
    assert len(bills) == CALLS
    assert by_call.keys() == {bill.call_id for bill in bills}
    for bill in bills:
        records = by_call[bill.call_id]
        answered = [record for record in records if record["status"] == "success"]
        # One line for the first failed attempt, however many follow; one for the answer.
        assert len(records) - len(answered) == min(bill.failed_attempts, 1), bill
        assert len(answered) == (bill.outcome != "error"), bill
        if bill.outcome == "ok":
            check_line(bill, answered[0])
        elif bill.outcome == "cancelled":
            assert answered[0]["error_information"] == {"error_code": "499", "error_class": "ClientDisconnected"}
        else:
            assert records[0]["error_information"]["error_code"] == str(bill.http_status)
    written = b"".join(path.read_bytes() for path in inbox.iterdir())
    assert written.count(b"canary") == 0
    assert ANSWER_CANARY.startswith("canary")
    assert {path.stat().st_mode & 0o777 for path in inbox.iterdir()} == {0o600}
    outcomes = Counter(bill.outcome for bill in bills)
    assert outcomes.keys() == {"ok", "error", "cancelled"}
    print(
        f"\n{CALLS} calls ({attempts} attempts upstream) in {seconds:.1f} s, {dict(outcomes)}, "
        f"{sum(map(len, by_call.values()))} lines, {len(list(inbox.iterdir()))} files, {len(written):,} bytes"
    )


def test_two_workers_killed_and_started_again_lose_no_call(tmp_path: Path) -> None:
    """A crash within the three seconds leaves `.part` files, which the next start brings to their names."""
    inbox = tmp_path / "inbox" / "litellm"
    with CountingUpstream() as upstream:
        with running(tmp_path / "proxy", inbox, upstream, workers=2) as proxy:
            bills = run_traffic(proxy, upstream, [Order(ticket, "gpt-4o", 100, 20) for ticket in range(60)])
            left = _part_files(inbox, len(bills))
            # A busy machine may take three seconds to tell that the traffic is over; one more call opens a new file.
            while not left and len(bills) < 80:
                bills += run_traffic(proxy, upstream, [Order(len(bills), "gpt-4o", 100, 20)])
                left = _part_files(inbox, len(bills))
            litellm_proxy.kill(proxy)
        left = list(inbox.glob("*.part"))
        assert left
        with running(tmp_path / "proxy", inbox, upstream, workers=2) as proxy:
            bills += run_traffic(proxy, upstream, [Order(len(bills), "gpt-4o", 100, 20)])
    assert not list(inbox.glob("*.part"))
    by_call = lines(inbox)
    assert by_call.keys() == {bill.call_id for bill in bills}
    assert {len(records) for records in by_call.values()} == {1}
    print(
        f"\n{len(left)} files left by the crash, written by {len({path.name.split('-')[1] for path in left})} workers"
    )


@pytest.mark.usefixtures("master_key")
def test_the_books_say_what_the_upstream_counted(tmp_path: Path, home: Home) -> None:
    """Passes run beside the traffic; the last call is in the published file within seconds, and each one is right."""
    passage = pytest.importorskip("pipelines.passage", reason="the pass is not part of this checkout yet")
    from warehouse.database import published

    def booked() -> dict[str, tuple[Any, ...]]:
        with published(home) as database:
            rows = database.execute(
                "SELECT request_id, outcome, provider, model, input_tokens, output_tokens, cache_read_tokens,"
                " list_cost_usd, logged_cost_usd FROM model.requests WHERE gateway = 'litellm'"
            ).fetchall()
        return {row[0]: row[1:] for row in rows}

    home.make(("litellm",))
    passes, rows = 0, dict[str, tuple[Any, ...]]()
    with (
        CountingUpstream() as upstream,
        running(tmp_path / "proxy", home.inbox / "litellm", upstream) as proxy,
        ThreadPoolExecutor(1) as traffic,
    ):
        sending = traffic.submit(run_traffic, proxy, upstream, mixed_orders(CALLS))
        bills: list[Billed] = []
        deadline = 0.0
        # A retried call is there as an error first, until the line of its answer has come.
        while not bills or (any(differs(bill, rows) for bill in bills) and time.time() < deadline):
            if sending.done():
                bills = sending.result()
                deadline = max(bill.ended_at for bill in bills) + SECONDS_TO_THE_BOOKS
            passage.run_pass(home, datetime.now(UTC), lambda *_: None)
            passes, rows = passes + 1, booked()
            seen = time.time()
            time.sleep(0.2)
    lag = seen - max(bill.ended_at for bill in bills)
    print(f"\n{passes} passes; the last call was in the published file {lag:.1f} s after its end")
    assert rows.keys() == {bill.call_id for bill in bills}
    wrong = [(bill, rows[bill.call_id]) for bill in bills if differs(bill, rows)]
    assert not wrong, f"{len(wrong)} calls differ"
    assert not [path for path in home.root.rglob("*") if path.is_file() and b"canary-" in path.read_bytes()]
    assert lag < SECONDS_TO_THE_BOOKS
