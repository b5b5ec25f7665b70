"""A price has two times: when it holds and when it was known. Holidays, surcharges and contracts are dated, too."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from warehouse import migrations, tables
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.models import repriced_daily, usage_daily, usage_hourly
from warehouse.price_knowledge import Horizon, Reprice
from warehouse.price_sources import CLASSES
from warehouse.prices import PriceBook

DAY = date(2026, 11, 10)


def at(hour: int, day: date = DAY) -> datetime:
    """A UTC moment, naive as in the warehouse."""
    return datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 naive UTC


def calls(*moments: datetime, provider: str = "openai", model: str = "mine", **given: Any) -> pl.DataFrame:
    """Calls of a million tokens of uncached input each."""
    row = {"provider": provider, "model": model, "service_tier": None, "region": None, **given}
    return pl.DataFrame(
        [{**row, "requested_at": moment} for moment in moments],
        schema_overrides={"service_tier": pl.String, "region": pl.String},
    ).with_columns(
        pl.lit(10**6).alias("input_tokens"), *(pl.lit(10**6 * (n == "uncached_tokens")).alias(n) for n in CLASSES)
    )


def usd(book: PriceBook, frame: pl.DataFrame) -> list[Decimal | None]:
    """What each call costs, in USD."""
    return [None if p is None else Decimal(p) / 10**12 for p in book.price(frame)["list_cost_pico_usd"]]


def book_of(folder: Path, text: str) -> PriceBook:
    """Read a book with these entries over the project's."""
    (folder / "own.toml").write_text(text)
    return PriceBook.load([folder / "own.toml"])


def price(input_mtok: str, valid_from: str, known_from: str | None = None, **given: str) -> str:
    """Write one price of openai/mine."""
    fields = {"provider": '"openai"', "model": '"mine"', "valid_from": valid_from, "source": '"a test"'} | given
    if known_from:
        fields["known_from"] = known_from
    fields |= {"input_mtok": f'"{input_mtok}"', "output_mtok": '"1"'}
    return "\n".join(["[[price]]", *(f"{key} = {value}" for key, value in fields.items())]) + "\n"


def test_each_call_has_the_price_that_was_known_for_its_moment(tmp_path: Path) -> None:
    """By begin, by the first landing of its day, by a reprice of its model: whichever is last."""
    text = price("1", "2026-11-01", "2026-11-10T08:00:00+01:00") + price("2", "2026-11-01", "2026-11-12T00:00:00Z")
    book = book_of(tmp_path, text)
    days = [DAY + timedelta(days=n) for n in range(3)]
    landed = {days[0]: at(1), days[1]: at(1, days[2]), days[2]: at(13, days[2])}
    known = replace(book, horizon=Horizon(landed), _services={})
    frame = calls(at(6), at(7), at(6, days[1]), at(6, days[2]), at(6, date(2026, 11, 20)))
    assert usd(known, frame) == [None, 1, 2, 2, 2]
    assert usd(book, frame) == [2] * 5
    repriced = (Reprice(DAY, DAY, "mine", at(0, days[1])), Reprice(DAY, days[2], "other", at(0, days[2])))
    assert usd(replace(known, horizon=Horizon(landed, repriced), _services={}), frame) == [1, 1, 2, 2, 2]


def test_a_correction_learned_later_wins_over_what_was_said_of_the_same_day(tmp_path: Path) -> None:
    """Both stay in the file; their versions say when each was known."""
    book = book_of(tmp_path, price("1", "2026-11-01") + price("2", "2026-11-01", "2026-11-10T12:00:00Z"))
    known = replace(book, horizon=Horizon({DAY: at(0)}), _services={})
    priced = known.price(calls(at(11), at(12)))
    assert priced["price_version"].to_list() == [
        "overlay 2026-11-01 openai/mine",
        "overlay 2026-11-01 openai/mine known 2026-11-10T12:00:00",
    ]


def test_a_public_holiday_has_no_peak() -> None:
    """DeepSeek's peak on a Thursday, and none on China's mid-autumn and national days."""
    book = PriceBook.load()
    moments = [datetime(2026, 9, 24, 2), datetime(2026, 9, 25, 2), datetime(2026, 10, 1, 2), datetime(2026, 10, 8, 2)]  # noqa: DTZ001 UTC
    for model, peak in (("deepseek-v4-pro", "1.32"), ("deepseek-flash", "0.3"), ("deepseek-v4-flash", "0.3")):
        off = Decimal(peak) / 2
        frame = calls(*moments, provider="deepseek", model=model)
        assert usd(book, frame) == [Decimal(peak), off, off, Decimal(peak)], model
        assert usd(book, frame) == [usd(book, frame[n : n + 1])[0] for n in range(4)]


def test_a_calendar_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The sentence names the price and what to add."""
    with pytest.raises(WarehouseError, match=r"openai/mine and XX holidays names a calendar.*\[\[calendar\]\]"):
        book_of(tmp_path, price("1", "2026-11-01", holidays='"XX"'))


def test_inference_that_stays_in_the_us_costs_a_tenth_more() -> None:
    """Of the models and from the day it is asked for, in its region alone, on every rate and in batches."""
    book = PriceBook.load()
    where = {"provider": "anthropic", "model": "claude-opus-4-6"}
    plain = usd(book, calls(at(1), **where))[0]
    assert plain == 5
    assert usd(book, calls(at(1), region="US", **where)) == [Decimal("5.5")]
    assert usd(book, calls(at(1), region="global", **where)) == [5]
    assert usd(book, calls(at(1), region="us", service_tier="batch", **where)) == [Decimal("2.75")]
    assert usd(book, calls(at(1), region="us", provider="anthropic", model="claude-sonnet-4-5")) == [6]
    assert book.price(calls(at(1), region="us", **where))["price_version"].item().endswith("from 2026-03-13 us x1.1")


def build(folder: Path, frame: pl.DataFrame, book: PriceBook) -> duckdb.DuckDBPyConnection:
    """A build with the roll-ups of some calls as they were listed then."""
    connection = duckdb.connect()
    migrations.apply(connection, Home(folder))
    numbers = [name for name in tables.USAGE_HOURLY.column_names if name.endswith("_no")]
    told = book.price(frame).with_columns(
        *(pl.lit(7, pl.Int64).alias(name) for name in numbers),
        pl.lit("g").alias("gateway"),
        pl.lit("ok").alias("outcome"),
        pl.lit(0).alias("output_tokens"),
        pl.lit(None, pl.Decimal(38, 12)).alias("logged_cost_usd"),
    )
    hours = usage_hourly.roll_up(told)
    for table, rows in ((tables.USAGE_HOURLY, hours), (tables.USAGE_DAILY, usage_daily.roll_up(hours))):
        connection.register("rows", rows.to_arrow())
        money = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
        named = ", ".join(table.column_names)
        selected = ", ".join(money.get(name, name) for name in table.column_names)
        connection.execute(f"INSERT INTO {table.full_name} ({named}) SELECT {selected} FROM rows")
        connection.unregister("rows")
    return connection


CONTRACT = """
[[contract]]
name = "frame agreement"
provider = "openai"
valid_from = 2026-11-10
valid_to = 2026-12-01
discount_percent = "12.5"
committed_usd = "10"
source = "order form 7"

[[contract.price]]
model = "gpt-4o-mini"
input_mtok = "0.1"
output_mtok = "0.4"
"""


def test_a_contract_takes_its_share_off_and_counts_towards_what_was_promised(tmp_path: Path) -> None:
    """A discount, a fixed price, and days before it: contracted beside list, the commitment's rest beside both."""
    book = book_of(tmp_path, CONTRACT)
    frame = pl.concat(
        [
            calls(at(1), at(2), at(1, DAY - timedelta(days=1)), model="gpt-4o"),
            calls(at(1), model="gpt-4o-mini"),
            calls(at(1), provider="anthropic", model="claude-sonnet-4-5"),
        ]
    )
    with build(tmp_path, frame, book) as connection:
        repriced_daily.refresh(connection, book, [])
        rows = connection.execute(
            """SELECT day, model, contract, list_cost_now_usd, contracted_cost_usd FROM model.repriced_daily
               ORDER BY model"""
        ).fetchall()
        assert rows == [
            (DAY, "gpt-4o", "frame agreement", 5, Decimal("4.375")),
            (DAY, "gpt-4o-mini", "frame agreement", Decimal("0.15"), Decimal("0.1")),
        ]
        commitment = (Path(repriced_daily.__file__).parents[1] / "marts/commitment.sql").read_text()
        ((*_, used, unused),) = connection.execute(commitment).fetchall()
        assert (used, unused) == (Decimal("4.475"), Decimal("5.525"))
        repriced_daily.refresh(connection, PriceBook.load(), [])
        assert connection.execute("SELECT count(*) FROM model.repriced_daily").fetchall() == [(0,)]
        assert connection.execute("SELECT count(*) FROM model.contract").fetchall() == [(0,)]


def test_a_days_bands_and_hours_are_repriced_by_themselves(tmp_path: Path) -> None:
    """A newer price with a long context and a price by the clock: each hour and band of the day has its own."""
    above = '[[price.long_context]]\nabove_tokens = 200000\ninput_mtok = "{0}"\noutput_mtok = "1"\n'
    old = price("1", "2026-11-01") + above.format("2")
    then = book_of(tmp_path, old)
    hours = {"from_time": "12:00:00", "until_time": "13:00:00"}
    later = price("10", "2026-11-01", "2026-11-12T00:00:00Z") + above.format("20")
    later += price("3", "2026-11-01", "2026-11-12T00:00:00Z", **hours) + above.format("4")
    now = book_of(tmp_path, old + later)
    small = calls(at(1), at(12)).with_columns(input_tokens=pl.lit(1000), uncached_tokens=pl.lit(1000))
    frame = pl.concat([small, calls(at(1), at(12))], how="vertical_relaxed")
    with build(tmp_path, frame, then) as connection:
        repriced_daily.refresh(connection, now, [])
        found = connection.execute(
            "SELECT context_band, list_cost_now_usd FROM model.repriced_daily ORDER BY 1"
        ).fetchall()
    assert found == [("<=200k", Decimal("0.013")), (">200k", Decimal(24))]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("12.5", "101"), "discount_percent"),
        (('"12.5"', "12.5"), "in quotes"),
        (("valid_to = 2026-12-01\n", ""), "a commitment is for a period"),
        (("2026-12-01", "2026-11-10"), "after valid_from"),
        (("source", "sauce"), "source: Field required"),
    ],
)
def test_what_is_wrong_with_a_contract_is_told(change: tuple[str, str], words: str, tmp_path: Path) -> None:
    """The file, the contract's number, the field and the fix."""
    with pytest.raises(WarehouseError, match=rf"own.toml: \[\[contract\]\] number 1.*{words}"):
        book_of(tmp_path, CONTRACT.replace(*change))
