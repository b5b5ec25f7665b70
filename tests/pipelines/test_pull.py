"""Bills are pulled whole or not at all, whatever a provider does, and spend_daily adds up to them exactly."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipelines.errors import KeyRefusedError, ProviderError
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.bill_moves import each_day, moved, restated
from tests.pipelines.billed_world import ENDS, KEYS, World, world
from warehouse import conservation, database

BOTH = ("openai", "anthropic")
RAW = ("raw_openai.costs", "raw_openai.usage_completions", "raw_anthropic.cost_report", "raw_anthropic.usage_messages")
MADE = ("model.charges", "model.bill_day", "model.usage_reported", "model.connection")


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pull here has its master key."""
    return master_key


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A week of one world, seed 1."""
    with world(tmp_path, monkeypatch) as made:
        yield made


def stored(made: World, tables: tuple[str, ...]) -> dict[str, list[Any]]:
    """Every row of the tables in the build, and none where a table is not there yet."""
    with database.held(made.home.build_lock), database.build(made.home) as connection:
        listed = connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall()
        there = [table for table in tables if (table,) in listed]
        found = {table: connection.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in there}
    return {table: found.get(table, []) for table in tables}


def charged(made: World, provider: str) -> Decimal:
    """What a provider's bill adds up to in the marts."""
    query = "SELECT sum(cost_usd) FROM mart.spend_by_source WHERE source = 'bill' AND provider = ?"
    ((amount,),) = made.query(query, provider)
    return Decimal(amount)


def logged(made: World, provider: str, *, billed_days: bool) -> Decimal:
    """The priced log of a provider on days with a bill, or without."""
    which = "IN" if billed_days else "NOT IN"
    ((amount,),) = made.query(
        f"""SELECT coalesce(sum(list_cost_usd), 0) FROM model.usage_daily WHERE provider = ?
            AND day {which} (SELECT day FROM model.bill_day JOIN model.connection USING (connection_no)
                             WHERE model.connection.provider = ?)""",
        provider,
        provider,
    )
    return Decimal(amount)


def adds_up(made: World) -> None:
    """Hold spend against the bills where there are bills, else against the priced log, to the pico-dollar."""
    for provider in BOTH:
        ((spend,),) = made.query("SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = ?", provider)
        assert spend == made.billed(provider) + logged(made, provider, billed_days=False)
        by_source = dict(
            made.query("SELECT source, sum(cost_usd) FROM mart.spend_by_source WHERE provider = ? GROUP BY 1", provider)
        )
        assert by_source["bill"] == made.billed(provider)
        assert by_source["log"] == logged(made, provider, billed_days=True) + logged(made, provider, billed_days=False)
    others = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider NOT IN ('openai', 'anthropic')"
    assert made.query(others) == made.query(
        others.replace("cost_usd", "list_cost_usd").replace("mart.spend", "model.usage")
    )
    with database.published(made.home) as connection:
        assert conservation.differences(connection) == []


@pytest.mark.clause("AL-2.1")
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 5))])
def test_a_week_of_spend_is_the_bill(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detail from the log and one signed row a day are the bill, exactly; without a bill it is the priced log."""
    with world(tmp_path, monkeypatch, seed=seed, days=10, calls=900) as made:
        for provider in BOTH:
            made.pull(provider)
        made.take_in()
        adds_up(made)
        residual = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE basis = 'bill' AND provider = ?"
        assert all(made.query(residual, provider)[0][0] > 0 for provider in BOTH)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(30))
def test_a_month_of_spend_is_the_bill(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same over a whole month of many calls."""
    with world(tmp_path, monkeypatch, seed=seed, days=31, calls=20_000) as made:
        for provider in BOTH:
            made.pull(provider)
        made.take_in()
        adds_up(made)


@pytest.mark.soak
def test_three_full_replays_change_no_row(billed: World) -> None:
    """Asked again and again for everything, a provider that says the same adds no row and no version."""
    for provider in BOTH:
        assert billed.pull(provider).rows > 0
    billed.take_in()
    before, version = stored(billed, RAW + MADE), database.current_version(billed.home)
    for _ in range(3):
        with database.control(billed.home) as control:
            control.execute("UPDATE connection SET read_until = '2026-06-20'")
        assert {billed.pull(provider).rows for provider in BOTH} == {0}
        billed.take_in()
    assert stored(billed, RAW + MADE) == before
    assert database.current_version(billed.home) == version


@pytest.mark.soak
def test_a_late_and_a_corrected_day_replace_what_was_said(billed: World) -> None:
    """Until the bill is there the log counts; a bill that comes late, and then lower, is what counts."""
    soon = ENDS + timedelta(days=1)
    bills = "FROM model.bill_day JOIN model.connection USING (connection_no) WHERE provider = 'openai'"
    billed.apis["openai"].billed_until = date(2026, 6, 28)
    billed.pull("openai", soon)
    billed.take_in(soon)
    days = {day for (day,) in billed.query(f"SELECT day {bills}")}
    assert date(2026, 6, 28) not in days
    assert date(2026, 6, 27) in days
    billed.apis["openai"].billed_until = None
    assert billed.pull("openai", soon + timedelta(hours=1)).new_days == 3
    lower = Bill.of(GroundTruth(billed.truth.calls.gather_every(5)), "openai")
    before = len(stored(billed, RAW)["raw_openai.costs"])
    billed.apis["openai"].bill = lower
    billed.pull("openai", soon + timedelta(hours=2))
    assert len(stored(billed, RAW)["raw_openai.costs"]) >= before
    billed.take_in(soon)
    ((spend, least),) = billed.query(
        "SELECT sum(cost_usd), min(cost_usd) FROM mart.spend_daily WHERE provider = 'openai' AND day = '2026-06-28'"
    )
    assert spend == lower.amount(date(2026, 6, 28), date(2026, 6, 29)) > 0
    assert least < 0


@pytest.mark.soak
def test_a_day_settles_when_the_window_for_corrections_is_over(billed: World) -> None:
    """OpenAI's days are read again for three days, or as long as it was seen to move them; only then they stand."""
    settled = """SELECT max(day) FROM model.bill_day JOIN model.connection USING (connection_no)
                 WHERE settlement = 'settled' AND provider = 'openai'"""
    for days in (1, 3, 4):
        billed.pull("openai", ENDS + timedelta(days=days))
        billed.take_in(ENDS + timedelta(days=days))
        assert billed.query(settled) == [(date(2026, 6, 30) + timedelta(days=days - 4),)]
    with database.control(billed.home) as control:
        ((number,),) = control.execute("SELECT connection_no FROM connection WHERE provider = 'openai'").fetchall()
    with database.held(billed.home.build_lock), database.build(billed.home) as build:
        moved(build, [*each_day(90, number=number), restated(5, 6, number=number)])
    billed.apis["openai"].asked.clear()
    billed.pull("openai", ENDS + timedelta(days=4, hours=1))
    assert any("/costs" in asked and "limit=6" in asked for asked in billed.apis["openai"].asked)
    billed.take_in(ENDS + timedelta(days=4, hours=1))
    assert billed.query(settled) == [(date(2026, 6, 30) - timedelta(days=3),)]


def test_where_no_log_tells_the_providers_count_is_the_detail(billed: World) -> None:
    """Without a log the usage report says which models, and the sum is still the bill."""
    for file in (billed.home.inbox / "gateway_jsonl").iterdir():
        file.unlink()
    for provider in BOTH:
        billed.pull(provider)
    billed.take_in()
    for provider in BOTH:
        found = dict(
            billed.query("SELECT basis, sum(cost_usd) FROM mart.spend_daily WHERE provider = ? GROUP BY 1", provider)
        )
        assert set(found) == {"usage", "bill"}
        assert sum(found.values()) == billed.billed(provider)
        # The providers' counts are the whole truth here; only the rounding of each line is left.
        assert abs(found["bill"]) < Decimal("0.000001")


@pytest.mark.parametrize(
    ("faults", "asked"),
    [
        (["retry-after"], 2),
        *(
            pytest.param(faults, len(faults) + 1, marks=pytest.mark.soak)
            for faults in ([429] * 3, [500, 503, 502], ["drop", "drop"], ["cut", "cut"])
        ),
    ],
)
def test_what_passes_is_tried_again_and_nothing_is_missing(faults: list[Any], asked: int, billed: World) -> None:
    """429 with and without Retry-After, 5xx, cut connections and bodies: bounded tries, and the rows complete."""
    billed.apis["openai"].faults = list(faults)
    billed.pull("openai")
    costs = [path for path in billed.apis["openai"].asked if "/costs" in path]
    assert len(costs) == asked
    assert len(billed.pauses) == len(faults)
    assert all(0 < pause <= 70 for pause in billed.pauses)
    assert faults != ["retry-after"] or 7 <= billed.pauses[0] < 8
    billed.take_in()
    assert charged(billed, "openai") == billed.billed("openai")


@pytest.mark.parametrize(
    "fault", ["loop", 302, *(pytest.param(fault, marks=pytest.mark.soak) for fault in (429, 500, "drop", "cut", 404))]
)
def test_a_provider_that_stays_wrong_stores_nothing(fault: str | int, billed: World) -> None:
    """Every page of a pull fails for good on its second report: an error in bounded tries, and not one row."""
    billed.apis["openai"].faults = ["", *[fault] * 500]
    with pytest.raises(ProviderError) as caught:
        billed.pull("openai")
    assert KEYS["openai"] not in str(caught.value)
    assert len(billed.apis["openai"].asked) <= 40
    assert not any(stored(billed, RAW).values())
    billed.apis["openai"].faults = []
    assert billed.pull("openai").rows > 0


@pytest.mark.clause("AL-7.1")
def test_a_refused_key_is_asked_once_and_others_go_on(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 401 is not tried again until the key is another one; the other provider's bill lands."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-revoked-0000000000")
    with pytest.raises(KeyRefusedError) as caught:
        billed.pull("openai")
    assert "sk-admin-revoked" not in str(caught.value)
    assert billed.pull("openai").skipped
    assert len(billed.apis["openai"].asked) == 1
    assert billed.pull("anthropic").rows > 0
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEYS["openai"])
    assert billed.pull("openai").rows > 0


def test_a_redirect_never_carries_the_key_on(billed: World) -> None:
    """The server a redirect leads to is never spoken to."""
    met: list[dict[str, str]] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            met.append(dict(self.headers))
            self.send_error(500)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for provider in BOTH:
            billed.apis[provider].faults = [f"http://127.0.0.1:{server.server_port}/elsewhere"]
            with pytest.raises(ProviderError, match="redirect"):
                billed.pull(provider)
        server.shutdown()
    assert met == []


@pytest.mark.attack("T13")
@pytest.mark.clause("AL-1.2")
def test_the_keys_rest_in_no_file(billed: World, caplog: pytest.LogCaptureFixture) -> None:
    """After good pulls and failed ones no file of the home holds a key, and no log line says it."""
    caplog.set_level("DEBUG")
    for provider in BOTH:
        billed.apis[provider].faults = [500, "cut"]
        billed.pull(provider)
        billed.apis[provider].faults = [401]
        with pytest.raises(KeyRefusedError):
            billed.pull(provider)
    billed.take_in()
    files = [path for path in billed.home.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 5
    for canary in KEYS.values():
        assert [path for path in files if canary.encode() in path.read_bytes()] == []
        assert canary not in caplog.text


def test_a_sandbox_never_asks_a_provider_outside(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real key in the environment and no server of its own, a sandbox pulls nothing."""
    monkeypatch.delenv("APILEDGER_OPENAI_API")
    assert billed.pull("openai").skipped
    assert os.environ["OPENAI_ADMIN_KEY"]


@pytest.mark.soak
def test_a_build_that_lost_its_bills_asks_for_them_again(billed: World) -> None:
    """Raw rows that are gone are noticed by their receipts, and the next pull has them again."""
    billed.pull("openai")
    billed.take_in()
    with database.held(billed.home.build_lock), database.build(billed.home) as connection:
        connection.execute("DELETE FROM raw_openai.costs WHERE day >= '2026-06-27'")
    billed.take_in()
    assert charged(billed, "openai") == billed.billed("openai")
    assert stored(billed, RAW)["raw_openai.costs"][-1][3] > date(2026, 6, 27)


def test_a_call_that_may_be_in_one_of_two_bills_adds_no_amount(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two connections nobody can say which bill a call is in: its tokens stay, the sum is the bill."""
    billed.pull("openai")
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    with database.control(billed.home) as control:
        control.execute(
            """INSERT INTO connection (connection_no, provider, account_no, is_operator, created_at)
               SELECT 7, provider, account_no, 1, created_at FROM connection"""
        )
    billed.take_in()
    ((spend, requests, unclaimed),) = billed.query(
        """SELECT sum(cost_usd), sum(requests) FILTER (basis = 'log'), count(*) FILTER (basis = 'log' AND cost_usd > 0)
           FROM mart.spend_daily WHERE provider = 'openai' AND day < '2026-06-30'"""
    )
    assert spend == billed.apis["openai"].bill.amount(date(2026, 6, 1), date(2026, 6, 30))
    assert requests > 0
    assert unclaimed == 0
    assert charged(billed, "openai") == billed.billed("openai")


@pytest.mark.soak
def test_a_connection_without_a_bill_leaves_the_log_as_it_is(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of an account whose own connection has no bill count by their price, whatever the operator's bill says."""
    billed.take_in()
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    ((tandem,),) = billed.query("SELECT account_no FROM model.account WHERE label = 'tandem'")
    with database.control(billed.home) as control:
        control.execute(
            """INSERT INTO connection (connection_no, provider, account_no, is_operator, created_at)
               VALUES (7, 'openai', ?, 0, '2026-01-01T00:00:00.000000Z')""",
            [tandem],
        )
    billed.take_in()
    ((own,),) = billed.query(
        "SELECT sum(list_cost_usd) FROM model.usage_daily WHERE provider = 'openai' AND account_no = ?", tandem
    )
    ((spend,),) = billed.query("SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = 'openai'")
    assert spend == billed.billed("openai") + own
