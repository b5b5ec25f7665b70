"""A download is exact, and no spreadsheet runs it."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dashboards.views import download
from warehouse.home import Home

COST = pa.decimal128(38, 12)


@pytest.mark.attack("T14")
@pytest.mark.parametrize("name", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1"])
def test_text_that_could_run_is_marked_as_text(name: str) -> None:
    """A leading apostrophe, and nothing else changed."""
    (_, (field,)) = csv.reader(io.StringIO(download.csv_bytes(pa.table({"key_label": [name]})).decode(), newline=""))
    assert field == f"'{name}"


@pytest.mark.attack("T14")
def test_numbers_stay_numbers() -> None:
    """A negative amount keeps its sign and all its places, large and small ones have no exponent."""
    costs = [Decimal("-1.500000000001"), Decimal("0E-12"), Decimal("0.000000000001"), Decimal(10) ** 20, None]
    table = pa.table({"cost_usd": pa.array(costs, COST), "requests": [1, -2, 3, 4, 5]})
    _, *rows = download.csv_bytes(table).decode().split("\r\n")
    assert rows == [
        "-1.500000000001,1",
        "0.000000000000,-2",
        "0.000000000001,3",
        "100000000000000000000.000000000000,4",
        ",5",
        "",
    ]


def test_text_with_commas_quotes_and_other_scripts_survives() -> None:
    """What is read back is what was there."""
    names = ['a,"b"\nc', "Zürich", "数据", "'already", " =spaced", None]
    table = pa.table({"project": pa.array(names, pa.string())})
    rows = [row for (row,) in csv.reader(io.StringIO(download.csv_bytes(table).decode(), newline=""))]
    assert rows == ["project", *(name or "" for name in names)]


def test_moments_name_their_zone() -> None:
    """Days are dates, hours are RFC 3339 in UTC."""
    table = pa.table(
        {
            "day": pa.array([date(2026, 6, 30)], pa.date32()),
            "hour": pa.array([datetime(2026, 6, 30, 5, tzinfo=UTC).replace(tzinfo=None)], pa.timestamp("us")),
        }
    )
    assert download.csv_bytes(table) == b"day,hour\r\n2026-06-30,2026-06-30T05:00:00Z\r\n"


def test_parquet_keeps_every_place() -> None:
    """DECIMAL(38,12) goes in and comes out."""
    table = pa.table({"key_label": ["=1"], "cost_usd": pa.array([Decimal("0.000000000001")], COST)})
    assert pq.read_table(io.BytesIO(download.parquet_bytes(table))).equals(table)


def test_a_duckdb_file_holds_the_one_table_exactly(home: Home, tmp_path: Path) -> None:
    """Opened by itself: the table under its name, every decimal place, text as it is; nothing is left in the home."""
    table = pa.table({"cost_usd": pa.array([Decimal("0.000000000001"), None], COST), "key_label": ["=1", None]})
    file = tmp_path / "keys.duckdb"
    file.write_bytes(download.duckdb_bytes(table, "keys"))
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("SHOW TABLES").fetchall() == [("keys",)]
        assert connection.execute("FROM keys").fetchall() == [(Decimal("0.000000000001"), "=1"), (None, None)]
        assert connection.execute("SELECT typeof(cost_usd) FROM keys LIMIT 1").fetchall() == [("DECIMAL(38,12)",)]
    assert list(home.tmp.iterdir()) == []
