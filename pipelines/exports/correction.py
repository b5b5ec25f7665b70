"""What changed of a closed month: FOCUS rows of today held against the frozen ones; the rest is a correction.

A closed month leaves as it was frozen. What is otherwise today stands in the open month, with ChargeClass Correction
and the period of its own day, so that all exported months together are what the marts say.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

# A row's amounts; everything else of it is a name, or follows from one.
_SUMS = (
    "BilledCost",
    "EffectiveCost",
    "ContractedCost",
    "ListCost",
    "ConsumedQuantity",
    "PricingQuantity",
    "x_Requests",
    "x_InputTokens",
    "x_CacheReadTokens",
    "x_OutputTokens",
)
# What may become known, or be forgotten, without an amount being another.
_OPEN = ("InvoiceId", "x_Settlement", "ChargeClass", "BillingPeriodStart", "BillingPeriodEnd", "ChargeDescription")
# A key's name goes from old days; a day of the same amounts has not changed.
_COARSE = ("ChargePeriodStart", "BillingAccountId", "InvoiceIssuerName", "ChargeCategory", "SubAccountId", "x_Model")


def months(connection: duckdb.DuckDBPyConnection, view: str) -> list[datetime]:
    """The months that have a row today."""
    return [m for (m,) in connection.execute(f"SELECT DISTINCT BillingPeriodStart FROM {view} ORDER BY 1").fetchall()]


def today(connection: duckdb.DuckDBPyConnection, view: str, month: datetime) -> pa.Table:
    """A month's rows as they are today, moments in UTC as FOCUS wants them."""
    return _in_utc(
        connection.execute(f"FROM {view} WHERE BillingPeriodStart = ? ORDER BY ALL", [month]).to_arrow_table()
    )


def frozen(folder: Path, view: str) -> pa.Table:
    """A closed month's rows as its folder holds them."""
    return pq.read_table(folder / f"{view.removeprefix('mart.')}.parquet")


def corrections(
    connection: duckdb.DuckDBPyConnection, view: str, closed: Sequence[Path], open_month: datetime
) -> pa.Table:
    """What closed months' days are today less what their folders say, as rows of the open month.

    A month of which nothing is known any more has expired, and is not taken for one that became nothing.
    """
    if not closed:
        return today(connection, view, open_month).slice(0, 0)
    # The closed months' rows, their own corrections of earlier months among them.
    then = pa.concat_tables(frozen(folder, view) for folder in closed)
    # The published version is locked down: a frame is handed to it by name.
    connection.register("frozen_rows", _naive(then))
    starts = [datetime.fromisoformat(f"{folder.name}-01") for folder in closed]
    names = [name for name in then.column_names if name not in {*_SUMS, *_OPEN}]
    listed = ", ".join(names)
    now_sums = ", ".join(f"{name} AS {name}" for name in _SUMS)
    less = ", ".join(f"-{name} AS {name}" for name in _SUMS)
    sums = ", ".join(f"sum({name})::{_type(name)} AS {name}" for name in _SUMS)
    moved = " OR ".join(f"coalesce(sum({name}), 0) <> 0" for name in _SUMS)
    same = " AND ".join(f"moved.{name} IS NOT DISTINCT FROM apart.{name}" for name in _COARSE)
    made = connection.execute(
        f"""WITH known AS (
                SELECT BillingPeriodStart FROM {view} WHERE BillingPeriodStart IN (SELECT unnest($starts)) GROUP BY ALL
            ), side AS (
                SELECT {listed}, {now_sums} FROM {view} SEMI JOIN known USING (BillingPeriodStart)
                UNION ALL
                SELECT {listed}, {less} FROM frozen_rows
                WHERE date_trunc('month', ChargePeriodStart) IN (FROM known)
            ), apart AS (
                SELECT {listed}, {sums} FROM side GROUP BY ALL HAVING {moved}
            ), moved AS (
                SELECT {", ".join(_COARSE)} FROM apart GROUP BY ALL HAVING {moved}
            )
            SELECT * FROM apart WHERE EXISTS (SELECT 1 FROM moved WHERE {same})""",
        {"starts": starts},
    ).to_arrow_table()
    connection.register("moved_rows", made)
    columns = [column for (column, *_) in connection.execute(f"DESCRIBE {view}").fetchall()]
    meant = {
        "InvoiceId": "concat_ws('-', 'provisional', InvoiceIssuerName, BillingAccountId, strftime($open, '%Y-%m'))",
        "x_Settlement": "'corrected'",
        "ChargeClass": "'Correction'",
        "BillingPeriodStart": "$open",
        "BillingPeriodEnd": "$open + INTERVAL 1 MONTH",
        "ChargeDescription": "concat('Correction of ', strftime(ChargePeriodStart, '%Y-%m-%d'))",
    }
    selected = ", ".join(f"{meant.get(column, column)} AS {column}" for column in columns)
    query = f"SELECT {selected} FROM moved_rows ORDER BY ALL"
    return _in_utc(connection.execute(query, {"open": open_month}).to_arrow_table())


def _type(name: str) -> str:
    return "BIGINT" if name.startswith("x_") else "DECIMAL(38,12)"


def _in_utc(table: pa.Table) -> pa.Table:
    fields = [
        pa.field(field.name, pa.timestamp("us", "UTC")) if pa.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _naive(table: pa.Table) -> pa.Table:
    fields = [
        pa.field(field.name, pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))
