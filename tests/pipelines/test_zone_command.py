"""Spend by the days of a zone: hours go to local days, what has no hour stays with its UTC day, and sums stay."""

from datetime import date, datetime
from itertools import product

import pytest
from click.testing import CliRunner

from dashboards.figures import overview_figures, spend_figures, zone_figures
from dashboards.figures.overview_figures import DailySpend
from dashboards.figures.spend_filter import SpendFilter
from dashboards.figures.viewer import Viewer
from pipelines.cli import cli
from pipelines.errors import PipelineError
from retention import expire, hunter, policy
from tests.pipelines.gateway_log import line, put, query, take_in
from tests.templates import Templates
from warehouse import database, publication, stale_spend, zone_days
from warehouse.control import zone as zones
from warehouse.errors import WarehouseError
from warehouse.home import Home

NOW = datetime(2026, 11, 22)  # noqa: DTZ001 (naive moments are UTC here)
_DAYS = "SELECT day, account, zone, sum(requests)::BIGINT FROM mart.spend_local_daily GROUP BY ALL ORDER BY ALL"
_SUMS = """SELECT account, key_label, model, basis, sum(requests), sum(input_tokens), sum(cost_usd),
             sum(unpriced_requests)
           FROM mart.%s GROUP BY ALL ORDER BY ALL"""


def _said(home: Home, *words: str) -> str:
    found = CliRunner().invoke(cli, ["zone", *words, "--home", str(home.root)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def _logged(home: Home) -> None:
    calls = [
        line(
            request_id=f"{account} {day} {hour}",
            account_id=account,
            ts=f"2026-10-{day}T{hour:02}:59:59Z",
            model="gpt-4o" if hour % 5 else "gpt-nobody-knows",
        )
        for account in ("acme", "beta")
        for day in (24, 25, 26)
        for hour in range(24)
    ]
    put(home, "a.jsonl", calls)
    take_in(home)


@pytest.fixture
def logged(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with calls of two accounts at every hour of three days around a turn of the clocks."""
    assert master_key
    return templates.once(home, _logged)


def test_hours_go_to_the_days_of_each_accounts_zone(logged: Home) -> None:
    """Berlin's 25 October has 25 hours and Kolkata's days begin at 18:00 UTC; the sums are those of UTC's days."""
    _said(logged, "set", "Europe/Berlin")
    assert "within a UTC hour" in _said(logged, "set", "Asia/Kolkata", "--account", "beta")
    take_in(logged)
    assert query(logged, _DAYS) == [
        (date(2026, 10, 24), "acme", "Europe/Berlin", 22),
        (date(2026, 10, 24), "beta", "Asia/Kolkata", 18),
        (date(2026, 10, 25), "acme", "Europe/Berlin", 25),
        (date(2026, 10, 25), "beta", "Asia/Kolkata", 24),
        (date(2026, 10, 26), "acme", "Europe/Berlin", 24),
        (date(2026, 10, 26), "beta", "Asia/Kolkata", 24),
        (date(2026, 10, 27), "acme", "Europe/Berlin", 1),
        (date(2026, 10, 27), "beta", "Asia/Kolkata", 6),
    ]
    assert query(logged, _SUMS % "spend_local_daily") == query(logged, _SUMS % "spend_daily")
    with database.published(logged) as connection:
        assert zone_figures.in_use(connection, Viewer(), None).names == ("Asia/Kolkata", "Europe/Berlin")
        assert zone_figures.in_use(connection, Viewer(("beta",)), None).names == ("Asia/Kolkata",)


def test_without_a_zone_local_days_are_utc_days(logged: Home) -> None:
    """Nothing set: the same rows as mart.spend_daily, said to be UTC's; set and removed: the same again."""
    before = query(logged, _DAYS)
    assert {row[2:] for row in before} == {("UTC", 24)}
    _said(logged, "set", "Asia/Tokyo")
    take_in(logged)
    assert query(logged, _DAYS) != before
    _said(logged, "remove")
    take_in(logged)
    assert query(logged, _DAYS) == before


def test_days_whose_hours_are_gone_stay_utc_days(logged: Home) -> None:
    """What has no hour any more, and a bill, is of a UTC day and says so; nothing is lost or doubled."""
    _said(logged, "set", "Asia/Tokyo")
    take_in(logged)
    with database.held(logged.build_lock), database.build(logged) as connection:
        connection.execute("DELETE FROM model.usage_hourly WHERE hour < '2026-10-25'")
        connection.execute(
            "INSERT INTO model.connection (connection_no, provider, account_no, is_operator) "
            "SELECT 7, 'openai', account_no, true FROM model.account WHERE label = 'acme'"
        )
        connection.execute(
            "INSERT INTO model.bill_day (day, connection_no, amount_usd, settlement) "
            "VALUES ('2026-10-26', 7, 12.5, 'settled')"
        )
        publication.changed(connection)
        stale_spend.add_up(connection)
        local = connection.execute(_SUMS % "spend_local_daily").fetchall()
        assert local == connection.execute(_SUMS % "spend_daily").fetchall()
        utc = "SELECT DISTINCT day, basis FROM mart.spend_local_daily WHERE zone = 'UTC' ORDER BY ALL"
        assert connection.execute(utc).fetchall() == [(date(2026, 10, 24), "log"), (date(2026, 10, 26), "bill")]


def test_only_days_that_change_hands_are_made_anew(logged: Home) -> None:
    """A zone set again changes nothing; an account's own one its days; a bound of a day that moves, those about it."""
    _said(logged, "set", "Asia/Tokyo", "--account", "beta")
    take_in(logged)
    assert query(logged, "SELECT DISTINCT zone FROM mart.spend_local_daily WHERE account = 'acme'") == [("UTC",)]
    assert query(logged, "SELECT count(*) FROM model.spend_local_daily WHERE account_no IS NULL") == [(0,)]
    with database.held(logged.build_lock), database.build(logged) as build, database.control(logged) as control:
        zone_days.build(build, control)
        assert build.execute("FROM model.stale_day").fetchall() == []
        # As an older tz database had it.
        build.execute("UPDATE model.zone_day SET starts_at = starts_at + INTERVAL 1 HOUR WHERE day = '2026-10-26'")
        zone_days.build(build, control)
        stale = build.execute("FROM model.stale_day ORDER BY 1").fetchall()
        assert stale == [(date(2026, 10, 25),), (date(2026, 10, 26),)]
        stale_spend.add_up(build)
        zones.put(control, 1 + build.execute("SELECT max(account_no) FROM model.account").fetchall()[0][0], "UTC", NOW)
        zone_days.build(build, control)
        assert build.execute("FROM model.stale_day").fetchall() == []
        zones.remove(control, None)
        zones.put(control, None, "Europe/Berlin", NOW)
        zone_days.build(build, control)
        assert len(build.execute("FROM model.stale_day").fetchall()) == 3


def test_hours_that_expire_leave_their_days_to_utc(logged: Home) -> None:
    """The night takes the hours of a zone's day: its spend is of the UTC day then, and the sums are as they were."""
    _said(logged, "set", "Asia/Tokyo")
    take_in(logged)
    before = query(logged, _SUMS % "spend_daily")
    with database.held(logged.build_lock), database.build(logged) as build, database.control(logged) as control:
        cut: dict[str, object] = {"cutoff": date(2026, 10, 25)}
        going = expire.Going("R-hourly", "model.usage_hourly", "hour", "hour < $cutoff", cut)
        assert expire.carry_out(build, control, going, NOW) is not None
        assert build.execute("FROM model.stale_day").fetchall() == [(date(2026, 10, 24),)]
        stale_spend.add_up(build)
        utc = "SELECT DISTINCT day, utc_day FROM model.spend_local_daily WHERE {} ORDER BY ALL"
        assert build.execute(utc.format("zone = 'UTC'")).fetchall() == [(date(2026, 10, 24), date(2026, 10, 24))]
        assert build.execute(utc.format("zone <> 'UTC'")).fetchall()[0] == (date(2026, 10, 25), date(2026, 10, 25))
        assert build.execute(_SUMS % "spend_local_daily").fetchall() == before


def test_pages_read_by_number_what_the_mart_says_by_name(logged: Home) -> None:
    """By model, key or account, with a zone for all or for one: the spend page and the overview say the mart's days."""
    viewers = (Viewer(), Viewer(("acme",)), Viewer(claimed=("acme",)))
    for said in ((("Asia/Tokyo", "--account", "beta"),), (("Europe/Berlin",), ("UTC", "--account", "beta"))):
        for words in said:
            _said(logged, "set", *words)
        take_in(logged)
        with database.published(logged) as connection:
            for looks, groups in product(viewers, (("key",), ("account",))):
                asked = SpendFilter(date(2026, 10, 20), date(2026, 10, 30), group_by=groups, zones=("any",))
                column = asked.columns()[1]
                condition, values = looks.condition()
                told = connection.execute(
                    f"SELECT day, {column}, sum(cost_usd), sum(requests) FROM mart.spend_local_daily "
                    f"WHERE {condition} GROUP BY ALL ORDER BY ALL",
                    values,
                ).fetchall()
                rows = spend_figures.rows(connection, looks, asked).to_pylist()
                found = [(row["day"], row[column], row["cost_usd"], row["requests"]) for row in rows]
                assert sorted(found, key=str) == sorted(told, key=str)
                if groups != ("key",):
                    drawn = DailySpend(asked.end, 11, groups[0], local=True)
                    cells = [tuple(row) for row in overview_figures.spend_by_day(connection, looks, drawn)]
                    assert sorted(cells) == sorted(row[:3] for row in told if row[2] is not None)


def test_zones_are_listed_and_held_by_a_clause(logged: Home) -> None:
    """What is set is told by the account's name, and nothing of it lies outside the policy."""
    assert _said(logged, "list") == "every account  UTC\n"
    _said(logged, "set", "Europe/Berlin")
    _said(logged, "set", "Asia/Tokyo", "--account", "beta")
    take_in(logged, NOW)
    assert _said(logged, "list") == "beta  Asia/Tokyo\nevery other account  Europe/Berlin\n"
    assert hunter.offences(logged, policy.load()) == []


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("set", "Berlin"), WarehouseError),
        (("set", "Europe/Berlin", "--account", "nobody"), WarehouseError),
        (("remove",), PipelineError),
    ],
)
def test_what_cannot_be_is_refused(logged: Home, words: tuple[str, ...], kind: type[Exception]) -> None:
    """No such zone, no such account, nothing to remove: each says so and changes nothing."""
    with pytest.raises(kind):
        _said(logged, *words)
    assert _said(logged, "list") == "every account  UTC\n"
