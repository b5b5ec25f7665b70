"""What comes late, is told otherwise or is told again: every total is the newest truth, and no alert is sent twice."""

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.alerts import budget_state, postman
from pipelines.bills.biller import billers
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.billed_world import ENDS, LATER, World, world
from tests.pipelines.gateway_log import line, one, put, query, take_in
from tests.pipelines.mail_trap import Trap
from tests.retention.gateway_days import night_of
from warehouse import conservation, database, mart
from warehouse.control import budget as budgets
from warehouse.control.vault import Vault
from warehouse.home import Home

DAY = date(2026, 3, 1)
LATEST = 45
BOTH = ("openai", "anthropic")
# A file told in another cut is another file: what counts files and receipts may say so.
_BOOKKEEPING = {"model.built_load", "model.source_state", "model.revision", "mart.published", "mart.freshness"}


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pass here has its master key."""
    return master_key


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two weeks of one world."""
    with world(tmp_path, monkeypatch, days=14, calls=700) as made:
        yield made


def spend(made: World, first: date, after: date, provider: str = "openai") -> Decimal:
    """What a provider's days add up to."""
    sql = "SELECT coalesce(sum(cost_usd), 0) FROM mart.spend_daily WHERE provider = ? AND day >= ? AND day < ?"
    ((amount,),) = made.query(sql, provider, first, after)
    return Decimal(amount)


def chains(home: Home) -> list[tuple[str, ...]]:
    """The figures whose changes do not lead from one to the next, or not to what is published."""
    return query(
        home,
        """WITH step AS (
             SELECT day, account_no, basis, source, connection_no, provider, changed_at, before_usd, after_usd, reason,
               lag(after_usd) OVER figure AS told_usd,
               row_number() OVER (figure ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS nth,
               lead(changed_at) OVER figure IS NULL AS is_newest
             FROM model.change
             WINDOW figure AS (PARTITION BY day, account_no, basis, source, connection_no, provider ORDER BY changed_at)
           ), today AS (
             SELECT day, account_no, 'log' AS basis, provider, sum(list_cost_usd) AS usd FROM model.usage_daily
             GROUP BY ALL
             UNION ALL
             SELECT day, account_no, 'bill', provider, sum(amount_usd) FROM model.bill_day
             JOIN model.connection USING (connection_no) GROUP BY ALL
           )
           SELECT basis, day FROM step WHERE nth > 1 AND before_usd IS DISTINCT FROM told_usd
           UNION ALL SELECT basis, day FROM step WHERE (nth = 1) <> (reason = 'first')
           UNION ALL
           SELECT coalesce(newest.basis, today.basis), coalesce(newest.day, today.day) FROM (
             SELECT day, account_no, basis, provider, sum(after_usd) AS usd FROM step
             WHERE is_newest AND basis <> 'usage' GROUP BY ALL
           ) AS newest FULL JOIN today USING (day, account_no, basis, provider)
           WHERE newest.usd IS DISTINCT FROM today.usd""",
    )


def _late(back: int) -> str:
    return line(request_id=f"late-{back}", ts=f"{DAY}T{back % 24:02}:20:00Z", input_tokens=1_000 + back)


@pytest.mark.parametrize("lateness", [(45,), pytest.param(tuple(range(1, LATEST + 1)), marks=pytest.mark.soak)])
def test_calls_that_come_days_late_are_counted_in_their_day(home: Home, lateness: tuple[int, ...]) -> None:
    """Open, sealed (3 days) or long past: the day is made again, and an expiry ran in between; the total is the oracle.

    Two lines come again with each: they count once. What comes after the calls have expired (90 days) is counted.
    """
    told = [line(request_id=f"call-{n}", ts=f"{DAY}T{n:02}:05:00Z", input_tokens=100 * n + 7) for n in range(24)]
    put(home, "0.jsonl", told)
    take_in(home, datetime(DAY.year, DAY.month, DAY.day, 23, tzinfo=UTC))
    tokens = sum(100 * n + 7 for n in range(24))
    for back in lateness:
        today = DAY + timedelta(days=back)
        put(home, f"{back}.jsonl", [_late(back), told[back % 24], told[-1]])
        take_in(home, datetime(today.year, today.month, today.day, 12, tzinfo=UTC))
        night_of(home, today)
        tokens += 1_000 + back
        assert one(home, "SELECT sum(input_tokens) FROM mart.spend_daily") == tokens
    assert one(home, "SELECT count(*) FROM model.requests") == 24 + len(lateness)
    if max(lateness) > 3:
        # The raw rows are gone with the seal, the calls made of them are not.
        assert one(home, "SELECT count(*) FROM raw_gateway_jsonl.calls") < 24
    price = (Decimal(tokens) * Decimal("2.5") + Decimal(24 + len(lateness)) * 5 * 10) / 10**6
    assert one(home, "SELECT sum(cost_usd) FROM mart.spend_daily") == price
    ages = query(home, "SELECT reason, age_days FROM mart.changes ORDER BY changed_at")
    assert ages == [("first", 0), *(("late", back) for back in lateness)]
    assert one(home, "SELECT sum(moved_usd) FROM mart.changes") == price
    assert chains(home) == []
    gone = DAY + timedelta(days=92)
    night_of(home, gone)
    put(home, "gone.jsonl", [_late(92)])
    report = take_in(home, datetime(gone.year, gone.month, gone.day, 12, tzinfo=UTC) + timedelta(days=1))
    assert sum(taken.late_rows for taken in report.ingested) == 1
    assert one(home, "SELECT sum(input_tokens) FROM mart.spend_daily") == tokens


@pytest.mark.soak
@pytest.mark.parametrize("lateness", [(5, 45), pytest.param(tuple(range(1, LATEST + 1)), marks=pytest.mark.soak)])
def test_a_bill_that_comes_days_late_is_the_total(
    billed: World, monkeypatch: pytest.MonkeyPatch, lateness: tuple[int, ...]
) -> None:
    """Lines are missing for up to 45 days, long past the look-back of 3: a day moves when its lines are there.

    Until a day has settled the log counts, after that a bill of 0 does; what comes later corrects it.
    """
    monkeypatch.delenv("ANTHROPIC_ADMIN_KEY")
    api, ends = billed.apis["openai"], ENDS.date()
    first = ends - timedelta(days=14)
    api.billed_until = first
    for back in lateness:
        now = ENDS + timedelta(days=back)
        # Each time a share of the days more, the last of them at the latest.
        api.billed_until = first + timedelta(days=1 + 14 * back // LATEST)
        billed.pull("openai", now)
        billed.take_in(now)
        bill = api.bill.amount(first, api.billed_until)
        assert spend(billed, first, api.billed_until) == bill
        assert billed.query("SELECT sum(amount_usd) FROM model.bill_day") == [(bill,)]
    assert spend(billed, date(2000, 1, 1), date(2100, 1, 1)) == billed.billed("openai")
    corrected = billed.query("SELECT count(*), min(age_days) FROM mart.changes WHERE settlement = 'settled'")
    assert corrected[0][0] > 0
    assert corrected[0][1] > 3
    states = {
        state for (state,) in billed.query("SELECT DISTINCT settlement FROM mart.spend_daily WHERE basis = 'bill'")
    }
    assert states <= {"settled", "corrected"}
    assert "corrected" in states
    assert chains(billed.home) == []


@pytest.mark.soak
@pytest.mark.parametrize("turns", [1, 5])
def test_a_day_restated_up_and_down_is_its_newest_telling_and_alerts_once(
    turns: int, billed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget that the bill has reached falls below and rises above: the total follows, the mail went out once."""
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    api, home = billed.apis["anthropic"], billed.home
    now, month = ENDS + timedelta(hours=20), date(2026, 6, 1)
    whole = Bill.of(billed.truth, "anthropic")
    fewer = Bill.of(GroundTruth(billed.truth.calls.gather_every(3)), "anthropic")
    billed.pull("anthropic", now)
    billed.take_in(now)
    trap = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{trap.port}?from=apiledger@costs.example")
    ((account,),) = billed.query(
        "SELECT account FROM mart.spend_daily WHERE basis = 'bill' ORDER BY cost_usd DESC LIMIT 1"
    )
    spent = billed.query("SELECT sum(cost_usd) FROM mart.spend_daily WHERE account = ? AND day >= ?", account, month)
    moment = now.replace(tzinfo=None) - timedelta(days=9)
    with database.control(home) as control:
        number = control.execute("SELECT account_no FROM connection").fetchone()[0]
        scope = budgets.Scope(number, None, account, None)
        limit = (spent[0][0] * Decimal("0.9")).quantize(Decimal("0.01"))
        budgets.put(control, Vault(control, moment), scope, limit, (100,), "costs@team.example", moment)
    with trap.up():
        for hour, bill in enumerate((whole, *(fewer, whole) * turns)):
            api.bill = bill
            later = now + timedelta(hours=hour)
            billed.pull("anthropic", later)
            billed.take_in(later)
            assert spend(billed, month, date(2026, 6, 30), "anthropic") == bill.amount(month, date(2026, 6, 30))
            used = budget_state.evaluate(home, later.replace(tzinfo=None))
            assert used == (1 if hour == 0 else 0)
            postman.deliver(home, lambda later=later: later.replace(tzinfo=None))  # type: ignore[misc] # bound now
    assert len(trap.mails) == 1
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM alert").fetchone() == (1,)
    # Up and down within one date leave the day as the date found it: nothing moved.
    moved = billed.query("SELECT count(*) FROM mart.changes WHERE basis = 'bill' AND reason = 'restated'")
    assert moved == [(0,)]
    api.bill = fewer
    billed.pull("anthropic", now + timedelta(days=1))
    billed.take_in(now + timedelta(days=1))
    ((down, days),) = billed.query(
        """SELECT sum(moved_usd), count(*) FROM mart.changes
           WHERE basis = 'bill' AND reason = 'restated' AND day < '2026-06-30'"""
    )
    assert days > 5
    assert down == fewer.amount(month, date(2026, 6, 30)) - whole.amount(month, date(2026, 6, 30)) < 0
    assert chains(home) == []


def hashes(home: Home) -> dict[str, str]:
    """Every model and mart table of the newest version, hashed row by row in order."""
    with database.published(home) as connection:
        conservation.hold(connection)
        tables = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE schema_name IN ('model', 'mart')"
        ).fetchall()
        names = sorted({name for (name,) in tables} | {f"mart.{name}" for name in mart.names()})
        return {
            name: hashlib.sha256(
                json.dumps(sorted(map(repr, connection.execute(f"FROM {name}").fetchall()))).encode()
            ).hexdigest()
            for name in names
        }


@pytest.mark.soak
@pytest.mark.parametrize("replays", [1, 3])
def test_the_whole_backfill_told_again_changes_nothing(billed: World, replays: int) -> None:
    """Every log file and every day of every bill again: 0 rows land, and every table's hash is what it was.

    Then the same calls shuffled and cut into other files, which land as other files: every figure is what it was.
    """
    inbox = billed.home.inbox / "gateway_jsonl"
    files = {file.name: file.read_bytes() for file in inbox.iterdir()}
    for provider in BOTH:
        assert billed.pull(provider).rows > 0
    billed.take_in()
    before, version = hashes(billed.home), database.current_version(billed.home)
    assert len(before) > 25
    for replay in range(1, replays + 1):
        for name, content in files.items():
            (inbox / name).write_bytes(content)
        with database.control(billed.home) as control:
            for provider in BOTH:
                # Read again are the look-back's days before it.
                since = LATER.date() - timedelta(days=90 - billers()[provider].lookback_days)
                query = "UPDATE connection SET read_until = ? WHERE provider = ?"
                control.execute(query, (since.isoformat(), provider))
        pulled = [billed.pull(provider) for provider in BOTH]
        assert [(each.days, each.rows, each.new_days) for each in pulled] == [(90, 0, 0)] * 2
        billed.take_in()
        assert hashes(billed.home) == before, f"replay {replay}"
    assert database.current_version(billed.home) == version
    lines = [one_line for content in files.values() for one_line in content.splitlines()]
    random.Random(27).shuffle(lines)  # noqa: S311 (an order, not a secret)
    for number in range(5):
        (inbox / f"again-{number}.jsonl").write_bytes(b"\n".join(lines[number::5]) + b"\n")
    billed.take_in(LATER)
    after = hashes(billed.home)
    assert {name for name in before if before[name] != after[name]} <= _BOOKKEEPING
