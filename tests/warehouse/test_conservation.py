"""Conservation: a roll-up that holds anything but its rows is found, named, and never published."""

from datetime import date

import pytest

from tests.pipelines.gateway_log import line, one, put, take_in
from tests.templates import Templates
from warehouse import conservation, database
from warehouse.conservation import ConservationError
from warehouse.home import Home

CHANGES = {
    "a token more": ("usage_hourly", "UPDATE model.usage_hourly SET input_tokens = 11 WHERE hour(hour) = 12"),
    "a pico-dollar": ("usage_daily", "UPDATE model.usage_daily SET list_cost_usd = list_cost_usd + 0.000000000001"),
    "a call more in a month": ("usage_monthly", "UPDATE model.usage_monthly SET requests = requests + 1"),
    "a logged cost lost": ("usage_hourly", "UPDATE model.usage_hourly SET logged_cost_usd = NULL"),
    "a day lost": ("usage_daily", "DELETE FROM model.usage_daily WHERE day = '2026-11-19'"),
    "a month lost": ("usage_monthly", "DELETE FROM model.usage_monthly"),
    "a row twice": ("usage_hourly", "INSERT INTO model.requests SELECT * FROM model.requests WHERE request_id = '1'"),
    "a row lost": ("usage_hourly", "DELETE FROM model.requests WHERE request_id = '1'"),
    "tokens of another class": ("usage_daily", "UPDATE model.usage_daily SET cache_read_tokens = 1"),
}  # fmt: skip
_AT_EVERY_COMMIT = ("a pico-dollar", "a month lost", "a row twice")
_REST = sorted(CHANGES.keys() - set(_AT_EVERY_COMMIT))


def _filled(home: Home) -> None:
    put(
        home,
        "a.jsonl",
        [line(request_id=f"{n}", ts=f"2026-11-{19 + n % 2}T1{n}:00:00Z", cost="0.5") for n in range(6)]
        + [line(request_id="unpriced", model="gpt-nobody-knows")],
    )
    take_in(home)


@pytest.fixture
def filled(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with two days of calls, priced and not."""
    assert master_key
    return templates.once(home, _filled)


def test_what_a_pass_makes_conserves_everything(filled: Home) -> None:
    """Rows, hours, days and months hold the same, unpriced calls among them."""
    with database.build(filled) as connection:
        assert conservation.differences(connection) == []
        conservation.hold(connection)


@pytest.mark.parametrize("change", CHANGES)
def test_months_alone_are_compared_as_in_the_whole(change: str, filled: Home) -> None:
    """A difference is found among the months that are asked for, neighbours or not, and in no other."""
    table, statement = CHANGES[change]
    with database.build(filled) as connection:
        connection.execute(statement)
        found = conservation.differences(connection)
        assert f"model.{table}" in {each.table for each in found}
        for months in ([10, 11, 12], [11], [3, 11]):
            assert conservation.differences(connection, {date(2026, month, 1) for month in months}) == found
        assert conservation.differences(connection, {date(2026, 10, 1), date(2026, 12, 1), date(2025, 11, 1)}) == []


@pytest.mark.parametrize(
    "change", [*_AT_EVERY_COMMIT, *(pytest.param(change, marks=pytest.mark.soak) for change in _REST)]
)
def test_a_change_by_hand_is_found_and_nothing_is_published(change: str, filled: Home) -> None:
    """The table is named, the next pass publishes nothing, and the version before stands."""
    table, statement = CHANGES[change]
    version = one(filled, "SELECT version FROM mart.published")
    with database.build(filled) as connection:
        connection.execute(statement)
        assert any(found.table == f"model.{table}" for found in conservation.differences(connection))
    # A call of another year, so that no day and month of the change is made anew.
    put(filled, "b.jsonl", [line(request_id="next", ts="2025-01-01T00:00:00Z")])
    with pytest.raises(ConservationError, match=f"model.{table} 2026-11"):
        take_in(filled)
    assert one(filled, "SELECT version FROM mart.published") == version
    assert one(filled, "SELECT count(*) FROM model.requests") == 7
