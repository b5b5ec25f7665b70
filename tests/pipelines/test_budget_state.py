"""How far budgets are used: a query each time, so nothing runs on, nothing resets late and nothing is told twice."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.alerts import budget_state
from tests.pipelines.gateway_log import line, put, take_in
from tests.pipelines.spend_version import known, limited, publish
from warehouse import budget_use, database
from warehouse.control import budget as budgets
from warehouse.home import Home

SET = datetime(2026, 11, 1)  # noqa: DTZ001 (naive moments are UTC here)
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every home here has its key."""
    return master_key


def alerts(home: Home) -> list[tuple[str, int, int]]:
    """Every alert row: period, version of the budget, threshold."""
    with database.control(home) as control:
        return control.execute(
            "SELECT period_start_utc, budget_version, threshold_percent FROM alert ORDER BY 1, 2, 3"
        ).fetchall()


def mails(home: Home) -> int:
    """How many mails there are."""
    with database.control(home) as control:
        (count,) = control.execute("SELECT count(*) FROM mail").fetchone()
    return int(count)


@pytest.mark.soak
@pytest.mark.clause("AL-2.2")
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.lists(
        st.tuples(
            st.integers(0, 12),
            st.sampled_from(["0", "49.999999999999", "50", "79.99", "80", "99.999999999999", "100", "250", "-5"]),
            st.sampled_from(["100", "100", "100", "60"]),
        ),
        min_size=1,
        max_size=9,
    )
)
def test_one_row_and_one_mail_whatever_way_the_spend_takes(
    path: list[tuple[int, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Random days, spends up and down, budgets changed in between: each (version, period, threshold) once.

    Held against a plain reading: the set of what was reached at any look, and a mail for each look that added to it.
    """
    home = Home(tmp_path_factory.mktemp("walk") / "own").make()
    known(home, SET, "web")
    seen: set[tuple[str, int, int]] = set()
    spends: dict[tuple[date, str | None], str] = {}
    now, looks, last, version = SET, 0, "", 0
    for days, spent, monthly in path:
        now += timedelta(days=days)
        # Of the month only: what it spent is on its first day.
        spends[now.date().replace(day=1), "web"] = spent
        if monthly != last:
            version, last = version + 1, monthly
            limited(home, now, "web", monthly)
        publish(home, spends)
        new: set[tuple[str, int, int]] = set()
        start = now.date().replace(day=1)
        for period in {start, (now - timedelta(days=now.day)).date().replace(day=1)}:
            with database.control(home) as control:
                (in_force,) = budgets.current(control)
            if period != start and (now.day > budget_state.LATE_DAYS or in_force.set_at.date() >= start):
                continue
            share = Decimal(spends.get((period, "web"), "0")) * 100 / Decimal(monthly)
            reached = {(period.isoformat(), version, t) for t in (50, 80, 100) if share >= t} - seen
            looks += bool(reached)
            new |= reached
        seen |= new
        budget_state.evaluate(home, now)
        # At once again, and by a second sensor: nothing more.
        assert budget_state.evaluate(home, now) == 0
    assert set(alerts(home)) == seen
    assert len(alerts(home)) == len(seen)
    assert mails(home) == looks


def test_a_month_begins_at_nothing_and_ends_on_its_last_day(home: Home) -> None:
    """The last day of November counts to November alone, the first of December begins anew, UTC."""
    known(home, SET, "web")
    limited(home, SET, "web")
    publish(home, {(date(2026, 11, 30), "web"): "85", (date(2026, 10, 31), "web"): "500"})
    assert budget_state.evaluate(home, datetime(2026, 11, 30, 23, 59)) == 1  # noqa: DTZ001 (UTC)
    assert budget_state.evaluate(home, datetime(2026, 12, 1, 0, 0)) == 0  # noqa: DTZ001 (UTC)
    publish(home, {(date(2026, 11, 30), "web"): "85", DECEMBER_SPEND: "55"})
    assert budget_state.evaluate(home, datetime(2026, 12, 1, 0, 1)) == 1  # noqa: DTZ001 (UTC)
    assert alerts(home) == [("2026-11-01", 1, 50), ("2026-11-01", 1, 80), ("2026-12-01", 1, 50)]


DECEMBER_SPEND = (DECEMBER, "web")


def test_the_last_calls_of_a_month_are_told_of_though_they_land_in_the_next(home: Home) -> None:
    """For three days; later, and for a budget that was set since, the month is over."""
    known(home, SET, "web", "new")
    limited(home, SET, "web")
    limited(home, datetime(2026, 12, 1, 8), "new")  # noqa: DTZ001 (UTC)
    late: dict[tuple[date, str | None], str] = {(date(2026, 11, 30), name): "55" for name in ("web", "new")}
    publish(home, late)
    assert budget_state.evaluate(home, datetime(2026, 12, 4)) == 0  # noqa: DTZ001 (UTC)
    assert budget_state.evaluate(home, datetime(2026, 12, 3, 23)) == 1  # noqa: DTZ001 (UTC)
    assert alerts(home) == [("2026-11-01", 1, 50)]


def test_a_budget_of_an_account_counts_what_no_project_is_named_for(home: Home) -> None:
    """An account's budget has all of its spend, a project's its own; a third's is nobody's here."""
    known(home, SET, "web", "search")
    account, web = limited(home, SET, None), limited(home, SET, "web")
    publish(home, {(NOVEMBER, "web"): "10", (NOVEMBER, "search"): "20", (NOVEMBER, None): "0.5"}, unpriced=2)
    with database.published(home) as connection:
        found = budget_use.usages(connection, [account, web], NOVEMBER)
    assert [(one.spent_usd, one.unpriced_requests) for one in found] == [(Decimal("30.5"), 6), (Decimal(10), 2)]
    assert budget_state.told(found[0]) == (
        "at least $30.50 of $100.00 in November; 6 calls without a known price are not in it"
    )


def test_the_whole_line_from_a_log_to_an_alert(home: Home) -> None:
    """A priced call and an unpriced one through the real pass: the alert says the one and counts the other."""
    calls = [
        line(request_id="a", project="web", input_tokens=1_000_000, output_tokens=0, ts="2026-11-20T10:00:00Z"),
        line(request_id="b", project="web", model="unheard-of", provider="nobody", ts="2026-11-20T10:00:00Z"),
    ]
    put(home, "a.jsonl", calls)
    take_in(home)
    now = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (UTC)
    limited(home, now, "web", monthly="5")
    assert budget_state.evaluate(home, now) == 1
    with database.control(home) as control:
        rows = control.execute("SELECT threshold_percent, spent_usd, unpriced_requests FROM alert").fetchall()
    # 2.50 USD per million input tokens of gpt-4o.
    assert rows == [(50, "2.500000000000", 1)]


def test_calls_that_a_bill_pays_for_make_no_amount_at_least(home: Home) -> None:
    """Unpriced calls of a billed day are in the account's sum; on a day without a bill, and in a project, they are not.

    No bill says which project its calls were, so a project's sum lacks them whatever the account's bill says.
    """
    known(home, SET, "web")
    limited(home, SET, "web")
    limited(home, SET, None)
    first, second = NOVEMBER, NOVEMBER + timedelta(days=1)
    spent: dict[tuple[date, str | None], str] = {(first, "web"): "20", (second, "web"): "5"}

    def told(billed: dict[date, str]) -> list[str]:
        publish(home, spent, unpriced=3, billed=billed)
        with database.control(home) as control, database.published(home) as connection:
            listed = budgets.current(control)
            return [budget_state.told(usage) for usage in budget_use.usages(connection, listed, NOVEMBER)]

    web = "at least $25.00 of $100.00 in November; 6 calls without a known price are not in it"
    assert told({}) == [web, web]
    part = "at least $32.00 of $100.00 in November; 3 calls without a known price are not in it"
    assert told({first: "7"}) == [web, part]
    assert told({first: "7", second: "-1"}) == [web, "$31.00 of $100.00 in November"]
