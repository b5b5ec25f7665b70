"""What has expired is gone to the last byte, and nothing brings it back."""

import gzip
import re
import sqlite3
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from retention import rewrite
from tests.pipelines.gateway_log import line, one, put, query, take_in
from tests.retention import byte_scan
from tests.retention.gateway_days import FIRST, night_of, sealed_clients
from warehouse.conservation import ConservationError
from warehouse.home import Home

_DAY_OF_A_CALL = rb"call-(\d{4}-\d\d-\d\d)-"


@pytest.mark.clause("AL-1.4")
@pytest.mark.clause("VA-2.3")
def test_an_address_is_gone_after_thirty_days(home: Home, master_key: str) -> None:
    """What was sealed of a client is in no byte of the home in the first night after thirty whole days."""
    assert master_key
    put(home, "a.jsonl", [line(ts=f"{FIRST}T10:00:00Z", ip="203.0.113.77", user_agent="made-up/1.0")])
    take_in(home, datetime(2026, 1, 1, 12))  # noqa: DTZ001 (naive moments are UTC here)
    (sealed,) = sealed_clients(home).values()
    pattern = b"|".join(map(re.escape, sealed))
    night_of(home, FIRST + timedelta(days=29))
    assert "control.sqlite" in {name.split("-")[0] for name in byte_scan.found(home.root, pattern)}
    night = night_of(home, FIRST + timedelta(days=30))
    assert night.by_clause()["R-client"] == 1
    assert byte_scan.found(home.root, pattern) == {}


def test_the_scan_finds_what_is_packed(tmp_path: Path) -> None:
    """Positive control: a value in gz, Parquet, DuckDB and SQLite, where no raw byte of it is to be seen."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x" * 99 + b"call-2026-01-01-a"))
    # Of a text too short to be worth it zstd packs nothing.
    text = b" ".join(f"{number * number}".encode() for number in range(2000)) + b"call-2026-01-01-a"
    (tmp_path / "e.zst").write_bytes(pa.compress(text, codec="zstd", asbytes=True))
    pl.DataFrame({"call": ["call-2026-01-01-a"] * 9}).write_parquet(tmp_path / "b.parquet", compression="zstd")
    with duckdb.connect(str(tmp_path / "c.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 'call-2026-01-01-a' AS call FROM range(9000)")
    with sqlite3.connect(tmp_path / "d.sqlite") as control:
        control.execute("CREATE TABLE t (call TEXT)")
        control.execute("INSERT INTO t VALUES ('call-' || '2026-01-01-a')")
    control.close()
    found = set(byte_scan.found(tmp_path, _DAY_OF_A_CALL))
    assert {"a.gz unpacked", "b.parquet read", "c.duckdb read", "d.sqlite read", "e.zst unpacked"} <= found
    assert not {"a.gz", "e.zst"} & found


@pytest.mark.usefixtures("plain_bytes")
def test_deleting_alone_leaves_the_bytes(short: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: without the rewrite, what was deleted is still in the build's bytes."""
    put(short, "a.jsonl", [line(request_id=f"call-{FIRST}-{n}", ts=f"{FIRST}T10:00:00Z") for n in range(3000)])
    put(short, "b.jsonl", [line(request_id=f"call-2026-01-30-{n}", ts="2026-01-30T10:00:00Z") for n in range(3000)])
    take_in(short, datetime(2026, 1, 30, 12))  # noqa: DTZ001 (naive moments are UTC here)
    monkeypatch.setattr(rewrite, "rewrite", lambda _: 0)
    night_of(short, date(2026, 1, 30))
    pattern = rf"call-{FIRST}-\d+".encode()
    assert query(short, f"SELECT 1 FROM model.requests WHERE requested_at::DATE = '{FIRST}'") == []
    assert byte_scan.found(short.root, pattern).keys() >= {"build/warehouse.duckdb"}


def test_a_backfill_of_expired_days_brings_nothing_back(short: Home) -> None:
    """Files of days whose calls are gone are counted and refused; hours, days and months stay to the last digit."""
    told = [line(request_id=f"call-{FIRST}-{n}", ts=f"{FIRST}T10:00:00Z", ip="203.0.113.9") for n in range(20)]
    put(short, "a.jsonl", told)
    take_in(short, datetime(2026, 1, 15, 12))  # noqa: DTZ001 (naive moments are UTC here)
    night_of(short, date(2026, 1, 15))
    before = [
        query(short, f"FROM model.{table} ORDER BY ALL") for table in ("usage_hourly", "usage_daily", "usage_monthly")
    ]
    put(short, "again.jsonl", [*told, line(request_id="never-told", ts=f"{FIRST}T11:00:00Z")])
    report = take_in(short, datetime(2026, 1, 16, 12))  # noqa: DTZ001 (naive moments are UTC here)
    (taken,) = [each for each in report.ingested if each.gateway == "gateway_jsonl"]
    assert (taken.rows, taken.late_rows) == (0, 21)
    after = [
        query(short, f"FROM model.{table} ORDER BY ALL") for table in ("usage_hourly", "usage_daily", "usage_monthly")
    ]
    assert after == before
    assert one(short, "SELECT count(*) FROM model.requests") == 0
    assert sealed_clients(short) == {}


@pytest.mark.soak
def test_another_source_may_still_tell_of_a_closed_day(short: Home) -> None:
    """A day is closed for the source whose calls are gone; another's first telling of it adds to it."""
    put(short, "a.jsonl", [line(request_id="a", ts=f"{FIRST}T10:00:00Z")])
    take_in(short, datetime(2026, 1, 15, 12))  # noqa: DTZ001 (naive moments are UTC here)
    night_of(short, date(2026, 1, 15))
    told = (
        f'{{"request_id": "b", "litellm_call_id": "b", "startTime": "{FIRST}T10:00:00", "endTime": "{FIRST}T10:00:01", '
        '"model": "openai/gpt-4o", "custom_llm_provider": "openai", "prompt_tokens": 7, "completion_tokens": 2, '
        '"spend": 0.1, "status": "success", "metadata": "{}"}'
    )
    put(short, "b.jsonl", [told], "litellm")
    take_in(short, datetime(2026, 1, 16, 12))  # noqa: DTZ001 (naive moments are UTC here)
    assert one(short, "SELECT sum(requests) FROM model.usage_daily") == 2
    night_of(short, date(2026, 1, 16))
    assert query(short, "SELECT gateway, requests FROM model.usage_hourly ORDER BY 1") == [
        ("gateway_jsonl", 1),
        ("litellm", 1),
    ]
    assert one(short, "SELECT count(*) FROM model.requests") == 0


def test_a_late_line_adjusts_a_sealed_day_and_leaves_its_prices(short: Home) -> None:
    """One call more; what the calls before cost stays, though the owner's prices say otherwise by now."""
    put(short, "a.jsonl", [line(request_id="a", ts="2026-01-01T10:00:00Z", tags=["one", "two"])])
    take_in(short, datetime(2026, 1, 5, 12))  # noqa: DTZ001 (naive moments are UTC here)
    assert night_of(short, date(2026, 1, 5)).by_clause() == {"R-raw": 1}
    before = query(short, "SELECT * EXCLUDE client_no FROM model.requests")
    (short.root / "prices.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nvalid_from = 2025-01-01\nsource = "made up"\n'
        'input_mtok = "1000"\noutput_mtok = "1000"\n'
    )
    put(short, "b.jsonl", [line(request_id="a", ts="2026-01-01T10:00:00Z", tags=["one", "two"])])
    take_in(short, datetime(2026, 1, 6, 12))  # noqa: DTZ001 (naive moments are UTC here)
    assert query(short, "SELECT * EXCLUDE client_no FROM model.requests") == before
    put(short, "c.jsonl", [line(request_id="c", ts="2026-01-01T10:30:00Z")])
    take_in(short, datetime(2026, 1, 6, 13))  # noqa: DTZ001 (naive moments are UTC here)
    assert query(short, "SELECT * EXCLUDE client_no FROM model.requests WHERE request_id = 'a'") == before
    dear = "SELECT list_cost_usd FROM model.requests WHERE request_id = 'c'"
    assert one(short, dear) == Decimal("0.015")
    assert one(short, "SELECT sum(requests) FROM model.usage_hourly") == 2
    assert query(short, "SELECT tag FROM model.request_tag ORDER BY 1") == [("one",), ("two",)]


@pytest.mark.soak
@pytest.mark.parametrize("through", ["unnoticed", "a pass"])
def test_an_expiry_publishes_nothing_that_a_hand_changed(short: Home, through: str) -> None:
    """Nor in a month that it does not touch, however long ago that was: the version before it stands."""
    put(short, "a.jsonl", [line(request_id="a", ts="2025-12-20T10:00:00Z")])
    take_in(short, datetime(2025, 12, 21, 12))  # noqa: DTZ001 (naive moments are UTC here)
    night_of(short, date(2025, 12, 31))
    put(short, "b.jsonl", [line(request_id="b", ts=f"{FIRST}T10:00:00Z")])
    take_in(short, datetime(2026, 1, 1, 12))  # noqa: DTZ001 (naive moments are UTC here)
    version = one(short, "SELECT version FROM mart.published")
    with duckdb.connect(str(short.build_file)) as build:
        build.execute("UPDATE model.usage_daily SET input_tokens = 11 WHERE day = '2025-12-20'")
    if through == "a pass":
        put(short, "c.jsonl", [line(request_id="c", ts="2026-01-02T10:00:00Z")])
        with pytest.raises(ConservationError):
            take_in(short, datetime(2026, 1, 2, 12))  # noqa: DTZ001 (naive moments are UTC here)
    with pytest.raises(ConservationError, match=r"model.usage_daily 2025-12: input_tokens"):
        night_of(short, date(2026, 1, 5))
    assert one(short, "SELECT version FROM mart.published") == version
    assert one(short, "SELECT sum(input_tokens) FROM model.usage_daily") == 20


@pytest.mark.soak
def test_a_receipt_may_outlive_the_days_of_its_rows(short: Home) -> None:
    """A file that is read after even the days of an older one have expired lands; no row is missed."""
    put(short, "a.jsonl", [line(request_id="a", ts=f"{FIRST}T10:00:00Z")])
    take_in(short, datetime(2026, 1, 1, 12))  # noqa: DTZ001 (naive moments are UTC here)
    night_of(short, date(2026, 1, 20))
    put(short, "young.jsonl", [line(request_id="young", ts="2026-03-03T10:00:00Z")])
    take_in(short, datetime(2026, 3, 3, 12))  # noqa: DTZ001 (naive moments are UTC here)
    night_of(short, date(2026, 3, 4))
    assert one(short, "SELECT min(day) FROM model.usage_daily") == date(2026, 3, 3)
    put(short, "b.jsonl", [line(request_id="b", ts="2026-03-05T10:00:00Z")])
    take_in(short, datetime(2026, 3, 5, 12))  # noqa: DTZ001 (naive moments are UTC here)
    assert one(short, "SELECT sum(requests) FROM model.usage_monthly") == 3
