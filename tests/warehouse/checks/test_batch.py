"""The batch: the newest day there is, and the rows of one UTC day."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.warehouse.checks.planted_line import Line
from warehouse.checks.batch import Batch, has_table, newest_day
from warehouse.errors import WarehouseError


@pytest.mark.parametrize(
    "table",
    ["raw_gateway_jsonl.calls", "model.requests", "model.usage_hourly", "model.usage_daily", "mart.spend_daily"],
)
def test_the_newest_day_is_read_off_whatever_says_the_day(line: Line, table: str) -> None:
    """By requested_at, hour or day; of a table or of a view."""
    assert newest_day(line.connection, table) == line.day


def test_a_table_without_rows_or_that_is_not_there_has_no_newest_day(line: Line) -> None:
    """The state of a fresh home, and of a gateway that landed nothing."""
    line.connection.execute("DELETE FROM model.requests")
    assert newest_day(line.connection, "model.requests") is None
    assert newest_day(line.connection, "raw_litellm.calls") is None
    assert not has_table(line.connection, "raw_litellm.calls")
    assert has_table(line.connection, "model.requests")


def test_a_batch_is_one_utc_day_and_what_belongs_to_none(line: Line) -> None:
    """From midnight, to before the next; a row without a moment is in every day's batch."""
    line.connection.execute("CREATE TABLE model.moments (moment TIMESTAMP, cost_usd DECIMAL(38,12))")
    moments = [datetime(2026, 6, 30), datetime(2026, 6, 30, 23, 59, 59, 999999), datetime(2026, 7, 1), None]  # noqa: DTZ001 - naive UTC, as DuckDB keeps it
    for moment in moments:
        line.connection.execute("INSERT INTO model.moments VALUES (?, 0.000000000001)", [moment])
    batch = Batch.read(
        line.connection, "model.moments", "moment", date(2026, 6, 30), {"moment": "moment", "cost": "cost_usd"}
    )
    assert batch.columns["moment"].to_pylist() == [moments[0], moments[1], None]
    assert set(batch.columns["cost"].to_pylist()) == {Decimal("0.000000000001")}


def test_a_table_of_another_form_is_an_error_that_names_it(line: Line) -> None:
    """A missing column and a missing table alike."""
    for table, column in (("model.requests", "nowhere"), ("model.nowhere", "requested_at")):
        with pytest.raises(WarehouseError, match=f"{table} is not as"):
            Batch.read(line.connection, table, "requested_at", line.day - timedelta(days=1), {"a": column})
