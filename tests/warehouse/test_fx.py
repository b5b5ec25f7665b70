"""Exchange rates: the last known one up to a day, exact, never invented; a bill without one is in no sum."""

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse import bill_tables
from warehouse.errors import FxError
from warehouse.fx import FxRates, Rate, rate, set_rate
from warehouse.home import Home
from warehouse.models import bill_day, charges
from warehouse.settlement_tables import CHANGE

CNY = [Rate("CNY", date(2026, 6, 10), Decimal("0.14")), Rate("CNY", date(2026, 6, 20), Decimal("0.1389"))]


@pytest.mark.parametrize(
    ("day", "found"),
    [
        (date(2026, 6, 9), None),
        (date(2026, 6, 10), "0.14"),
        (date(2026, 6, 19), "0.14"),
        (date(2026, 6, 20), "0.1389"),
        (date(2027, 1, 1), "0.1389"),
    ],
)
def test_a_day_has_the_last_rate_up_to_it(day: date, found: str | None) -> None:
    """Never a later one, so that a figure never changes by a rate of its future."""
    of = FxRates(reversed(CNY)).of("CNY", day)
    assert (of and of.usd_per_unit) == (found and Decimal(found))
    assert FxRates(CNY).of("EUR", day) is None


@given(
    st.decimals(-(10**9), 10**9, allow_nan=False, places=6), st.decimals("0.000001", 1000, allow_nan=False, places=9)
)
def test_an_amount_is_converted_exactly_and_rounded_once(amount: Decimal, worth: Decimal) -> None:
    """Equal to the product with all its digits, half-even at twelve places."""
    with localcontext() as exact:
        exact.prec = 80
        oracle = (amount * worth).quantize(Decimal("1e-12"), ROUND_HALF_EVEN)
    assert Rate("EUR", date(2026, 1, 1), worth).convert(amount) == oracle


def test_a_rate_set_is_read_again_and_replaces_its_day(home: Home) -> None:
    """The file is the owner's alone, plain to read, and one rate a day and currency."""
    for text in ("0.14", "0.1405"):
        file = set_rate(home, rate("2026-06-10", "CNY", text, "ECB"))
    set_rate(home, rate("2026-06-09", "EUR", "1.1"))
    assert file.read_text() == ("date,currency,usd_per_unit,source\n2026-06-10,CNY,0.1405,ECB\n2026-06-09,EUR,1.1,\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.usd_per_unit for one in FxRates.load(home)] == [Decimal("0.1405"), Decimal("1.1")]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("2026-13-01,CNY,0.14,", "date"),
        ("2026-06-10,cny,0.14,", "currency"),
        ("2026-06-10,USD,1,", "currency"),
        ("2026-06-10,CNY,-1,", "above 0"),
        ("2026-06-10,CNY,NaN,", "above 0"),
        ('2026-06-10,CNY,"0,14",', "above 0"),
        ("2026-06-10,CNY,0.1234567890123,", "12 decimal places"),
        ("2026-06-10,CNY", "date,currency,usd_per_unit,source"),
        ("2026-06-09,EUR,1.2,", "already"),
    ],
)
def test_a_line_that_is_no_rate_is_named(home: Home, line: str, what: str) -> None:
    """Nothing is converted by a file that says two things or none."""
    (home.root / "fx.csv").write_text(f"date,currency,usd_per_unit,source\n2026-06-09,EUR,1.1,\n{line}\n")
    with pytest.raises(FxError, match=what) as caught:
        FxRates.load(home)
    assert "line 3" in str(caught.value)


def lines(*told: tuple[date, str | None, str | None, str | None]) -> pl.DataFrame:
    """Charges as they are read: day, currency, billed amount, amount in USD where the provider says it."""
    rows = [
        {
            "day": day,
            "connection_no": 1,
            "report": "costs",
            "billing_currency": currency,
            "billed_amount": None if billed is None else Decimal(billed),
            "amount_usd": None if usd is None else Decimal(usd),
        }
        for day, currency, billed, usd in told
    ]
    kinds: dict[str, Any] = {
        "BIGINT": pl.Int64,
        "VARCHAR": pl.String,
        "DATE": pl.Date,
        "DECIMAL(38,12)": pl.Decimal(38, 12),
    }
    return pl.DataFrame(rows, schema={c.name: kinds[c.type] for c in bill_tables.CHARGES.columns})


def test_a_line_shows_the_rate_that_converted_it() -> None:
    """Billed times the rate of its day; what the provider gave in USD stays, and no rate is no amount."""
    made = charges.converted(
        lines(
            (date(2026, 6, 15), "CNY", "100", None),
            (date(2026, 6, 1), "CNY", "100", None),
            (date(2026, 6, 15), "CNY", "100", "13.5"),
            (date(2026, 6, 15), None, None, "2"),
        ),
        FxRates(CNY),
    )
    assert made["amount_usd"].to_list() == [Decimal(14), None, Decimal("13.5"), Decimal(2)]
    assert made["fx_day"].to_list() == [date(2026, 6, 10), None, None, None]
    assert made["fx_usd_per_unit"].to_list() == [Decimal("0.14"), None, None, None]


@pytest.fixture
def build(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A file with the tables of bills and of what moved them."""
    connection = duckdb.connect(tmp_path / "build.duckdb")
    for table in (*bill_tables.BILL_TABLES, CHANGE):
        for statement in table.ddl():
            connection.execute(statement)
    return connection


def test_a_changed_rate_marks_just_the_days_it_converted(build: duckdb.DuckDBPyConnection) -> None:
    """A new rate of the 16th touches the 17th, not the 15th; one for a day without any touches that; USD none."""
    told = [(1, date(2026, 6, day), 1) for day in (1, 15, 17)]
    read = lines(
        (date(2026, 6, 1), "CNY", "100", None),
        (date(2026, 6, 15), "CNY", "100", None),
        (date(2026, 6, 17), "CNY", "100", None),
        (date(2026, 6, 17), None, None, "2"),
    )
    charges.write(build, charges.converted(read, FxRates(CNY)), "costs", told)

    def outdated(*more: Rate) -> list[int]:
        return sorted(day.day for _, _, day in charges.outdated(build, FxRates([*CNY, *more])))

    assert outdated() == []
    assert outdated(Rate("CNY", date(2026, 6, 16), Decimal("0.15"))) == [17]
    assert outdated(Rate("CNY", date(2026, 5, 30), Decimal("0.15"))) == [1]
    assert sorted(day.day for _, _, day in charges.outdated(build, FxRates())) == [15, 17]


def test_a_day_that_no_rate_converts_has_no_bill(build: duckdb.DuckDBPyConnection) -> None:
    """Its sum in USD is not known: never 0, never the part that could be converted."""
    told = [(1, date(2026, 6, day), 1) for day in (1, 15)]
    read = lines(
        (date(2026, 6, 1), "CNY", "100", None),
        (date(2026, 6, 1), None, None, "2"),
        (date(2026, 6, 15), "CNY", "1", None),
    )
    charges.write(build, charges.converted(read, FxRates(CNY)), "costs", told)
    bill_day.write(build, [(1, day, bill_day.SETTLED) for _, day, _ in told])
    found = build.execute("SELECT day, amount_usd FROM model.bill_day").fetchall()
    assert found == [(date(2026, 6, 15), Decimal("0.14"))]
