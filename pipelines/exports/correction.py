"""What changed of a closed month: FOCUS rows of today held against the frozen ones; the rest is a correction.

A closed month leaves as it was frozen. What is otherwise today stands in the open month, with ChargeClass Correction
and the period of its own day, so that all exported months together are what the marts say.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.exports import protected_rows
from pipelines.exports.amounts import CLASSES, OF_BILL, SUMS, in_utc, naive, type_of, with_classes

# What may become known, or be forgotten, without an amount being another.
_OPEN = (
    "InvoiceId",
    "x_Settlement",
    "ChargeClass",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeDescription",
    *OF_BILL,
)
# A key's name goes from old days; a day of the same amounts has not changed.
_COARSE = ("ChargePeriodStart", "BillingAccountId", "InvoiceIssuerName", "ChargeCategory", "SubAccountId", "x_Model")


def months(connection: duckdb.DuckDBPyConnection, view: str) -> list[datetime]:
    """The months that have a row today."""
    return [m for (m,) in connection.execute(f"SELECT DISTINCT BillingPeriodStart FROM {view} ORDER BY 1").fetchall()]


def today(connection: duckdb.DuckDBPyConnection, view: str, month: datetime) -> pa.Table:
    """A month's rows as they are today, moments in UTC as FOCUS wants them."""
    return in_utc(
        connection.execute(f"FROM {view} WHERE BillingPeriodStart = ? ORDER BY ALL", [month]).to_arrow_table()
    )


def frozen(
    connection: duckdb.DuckDBPyConnection, view: str, closed: Sequence[Path], *, is_protected: bool
) -> dict[datetime, pa.Table]:
    """Closed months' rows as their folders hold them, by month; in protected mode as coarse as the version."""
    found = {}
    for folder in closed:
        table = pq.read_table(folder / f"{view.removeprefix('mart.')}.parquet")
        month = datetime.fromisoformat(f"{folder.name}-01")
        found[month] = protected_rows.folded(connection, view, table) if is_protected else table
    return found


def corrections(
    connection: duckdb.DuckDBPyConnection, view: str, closed: Mapping[datetime, pa.Table], open_month: datetime
) -> pa.Table:
    """What closed months' days are today less what they are `frozen` as, as rows of the open month.

    A month of which nothing is known any more has expired, and is not taken for one that became nothing.
    """
    if not closed:
        return today(connection, view, open_month).slice(0, 0)
    # The closed months' rows, their own corrections of earlier months among them.
    then = with_classes(pa.concat_tables(closed.values(), promote_options="default"))
    # The published version is locked down: a frame is handed to it by name.
    connection.register("frozen_rows", naive(then))
    # Held against what they said, which was no class, and of the list's price and the contract's what was billed.
    older = [month for month, table in closed.items() if not set(CLASSES) <= {*table.column_names}]
    uncontracted = [month for month, table in closed.items() if "x_Contract" not in table.column_names]
    is_older = "BillingPeriodStart IN (SELECT unnest($older::TIMESTAMP[]))"
    is_uncontracted = "BillingPeriodStart IN (SELECT unnest($uncontracted::TIMESTAMP[]))"
    said = dict.fromkeys(CLASSES, (is_older, "NULL")) | {"ListCost": (is_older, "BilledCost")}
    said |= dict.fromkeys(("EffectiveCost", "ContractedCost"), (is_uncontracted, "BilledCost"))
    names = [name for name in then.column_names if name not in {*SUMS, *_OPEN}]
    listed = ", ".join(names)
    now_sums = ", ".join(
        f"CASE WHEN {said[name][0]} THEN {said[name][1]} ELSE {name} END AS {name}" if name in said else name
        for name in SUMS
    )
    less = ", ".join(f"-{name} AS {name}" for name in SUMS)
    sums = ", ".join(f"sum({name})::{type_of(name)} AS {name}" for name in SUMS)
    moved = " OR ".join(f"coalesce(sum({name}), 0) <> 0" for name in SUMS)
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
        {"starts": sorted(closed), "older": sorted(older), "uncontracted": sorted(uncontracted)},
    ).to_arrow_table()
    connection.register("moved_rows", made)
    columns = [column for (column, *_) in connection.execute(f"DESCRIBE {view}").fetchall()]
    meant = OF_BILL | {
        "InvoiceId": "concat_ws('-', 'provisional', InvoiceIssuerName, BillingAccountId, strftime($open, '%Y-%m'))",
        "x_Settlement": "'corrected'",
        "ChargeClass": "'Correction'",
        "BillingPeriodStart": "$open",
        "BillingPeriodEnd": "$open + INTERVAL 1 MONTH",
        "ChargeDescription": "concat('Correction of ', strftime(ChargePeriodStart, '%Y-%m-%d'))",
    }
    selected = ", ".join(f"{meant.get(column, column)} AS {column}" for column in columns)
    query = f"SELECT {selected} FROM moved_rows ORDER BY ALL"
    return in_utc(connection.execute(query, {"open": open_month}).to_arrow_table())
