"""raw_<provider>.cost* -> model.charges: one row per line of a provider's bill.

What LiteLLM's records, OpenAI's reports and Anthropic's share, and so what may be joined:

| dimension | LiteLLM record | OpenAI costs | OpenAI usage | Anthropic costs | Anthropic usage | joined |
| --- | --- | --- | --- | --- | --- | --- |
| UTC day | start time | bucket | bucket | bucket | bucket | yes, by all |
| provider | custom_llm_provider | all of it | all of it | all of it | all of it | yes, by all |
| account | organisation, team | the admin key's | the admin key's | the admin key's | the admin key's | by claim |
| model | the asked one | no: line_item is a phrase | dated snapshot | some lines | yes | usage and log, nearly |
| project | team's alias | project_id | project_id | workspace_id | workspace_id | no: ids of two worlds |
| key | hash of the gateway's | on request, since 2025-12 | api_key_id | no | api_key_id | no: another key |
| tokens by class | yes | quantity, some lines | yes, no reasoning | no | yes, no reasoning | by class, over a day |
| tier, batch | service_tier | in the phrase | batch, service_tier | standard, batch | service_tier | usage and log |
| context window | from the tokens | no | no | some lines | yes | no |
| calls | each | no | num_model_requests | no | no | OpenAI alone |
| call id, person, tag | yes | no | no | no | no | no |

So a bill and a log meet on provider, UTC day and connection, and nowhere below: the difference is one signed amount.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import duckdb
import polars as pl

from warehouse import bill_tables
from warehouse.fx import FxRates
from warehouse.tables import Table

# (connection_no, day, pull_no): the pull that told the day last.
Told = Sequence[tuple[int, date, int]]

_READ = {c.name: c.type for c in bill_tables.CHARGES.columns}


def read_lines(
    connection: duckdb.DuckDBPyConnection, source: Table, meaning: Mapping[str, str], report: str, told: Told
) -> pl.DataFrame:
    """One report's lines of some days as their newest pulls told them; columns of tables CHARGES."""
    connection.register("told", told_frame(told).to_arrow())
    sql = bill_tables.reading_sql(source, "raw_<provider>.cost", _READ, {"report": f"'{report}'", **meaning})
    lines = connection.execute(sql).pl()
    connection.unregister("told")
    return lines


def converted(lines: pl.DataFrame, rates: FxRates) -> pl.DataFrame:
    """Lines billed in another currency with amount_usd by the rate of their day; without one it stays NULL, never 0.

    A line whose provider gave the amount in USD as well keeps that.
    """
    if not lines.height or lines["billing_currency"].null_count() == lines.height:
        return lines
    amounts, worths, days = [], [], []
    for row in lines.select(
        "day", "billing_currency", "billed_amount", "amount_usd", "fx_usd_per_unit", "fx_day"
    ).iter_rows(named=True):
        amount, worth, fx_day = row["amount_usd"], row["fx_usd_per_unit"], row["fx_day"]
        currency, billed = row["billing_currency"], row["billed_amount"]
        if amount is None and currency is not None and billed is not None:
            rate = rates.of(currency, row["day"])
            if currency == "USD":
                amount = billed
            elif rate is not None:
                amount, worth, fx_day = rate.convert(billed), rate.usd_per_unit, rate.day
        amounts.append(amount)
        worths.append(worth)
        days.append(fx_day)
    exact = pl.Decimal(38, 12)
    return lines.with_columns(
        pl.Series("amount_usd", amounts, exact),
        pl.Series("fx_usd_per_unit", worths, exact),
        pl.Series("fx_day", days, pl.Date),
    )


def outdated(connection: duckdb.DuckDBPyConnection, rates: FxRates) -> set[tuple[int, str, date]]:
    """The (connection_no, report, day) of charges that another rate converted than the one of today's file."""
    found: list[tuple[int, str, date, str, Decimal | None, date | None]] = connection.execute(
        f"""SELECT DISTINCT connection_no, report, day, billing_currency, fx_usd_per_unit, fx_day
            FROM {bill_tables.CHARGES.full_name}
            WHERE billing_currency <> 'USD' AND billed_amount IS NOT NULL
                AND (fx_day IS NOT NULL OR amount_usd IS NULL)"""
    ).fetchall()
    old = set()
    for number, report, day, currency, worth, fx_day in found:
        rate = rates.of(currency, day)
        if (worth, fx_day) != ((rate.usd_per_unit, rate.day) if rate else (None, None)):
            old.add((number, report, day))
    return old


def told_frame(told: Told) -> pl.DataFrame:
    """Days with their pulls as a frame to join."""
    schema = {"connection_no": pl.Int64, "day": pl.Date, "pull_no": pl.Int64}
    return pl.DataFrame(list(told), schema=schema, orient="row")


def write(connection: duckdb.DuckDBPyConnection, lines: pl.DataFrame, report: str, told: Told) -> None:
    """Replace a report's lines of some days; the caller holds the transaction."""
    name = bill_tables.CHARGES.full_name
    connection.register("told", told_frame(told).to_arrow())
    connection.execute(
        f"""DELETE FROM {name}
            WHERE report = ? AND (connection_no, day) IN (SELECT (connection_no, day) FROM told)""",
        [report],
    )
    connection.unregister("told")
    if lines.height:
        connection.register("lines", lines.to_arrow())
        selected = ", ".join(bill_tables.CHARGES.column_names)
        connection.execute(f"INSERT INTO {name} ({selected}) SELECT {selected} FROM lines")
        connection.unregister("lines")
