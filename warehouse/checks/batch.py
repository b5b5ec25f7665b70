"""The batch a check looks at: the needed columns of one table's rows of one UTC day."""

from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from warehouse.errors import WarehouseError

# What says a row's day, in the tables there are.
_MOMENTS = ("requested_at", "hour", "day")


@dataclass(frozen=True)
class Batch:
    """Some columns of one day's rows; `table` is the full name of the table they are of."""

    table: str
    columns: pa.Table

    @staticmethod
    def read(
        connection: duckdb.DuckDBPyConnection, table: str, moment: str, day: date, columns: dict[str, str]
    ) -> "Batch":
        """Read the rows whose `moment` lies in the UTC day; `columns` gives the SQL of each column by its name.

        A row without a moment belongs to no day and would never be looked at, so it is looked at on each. Raises
        WarehouseError where the table has not these columns.
        """
        selected = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
        in_day = f"{moment} >= $day AND {moment} < $day + INTERVAL 1 DAY"
        try:
            rows = connection.execute(
                f"SELECT {selected} FROM {table} WHERE ({in_day}) OR {moment} IS NULL", {"day": day}
            )
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise WarehouseError(f"{table} is not as warehouse/tables.py has it; run `apiledger doctor`") from error
        return Batch(table, rows.to_arrow_table())


def has_table(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether there is a table or view of this full name, such as `raw_litellm.calls`."""
    return _moment(connection, table) is not None


def newest_day(connection: duckdb.DuckDBPyConnection, table: str) -> date | None:
    """The newest UTC day with rows in a table or view, by its requested_at, hour or day; None where it has none.

    `table` is a full name such as `model.requests`; one that does not exist has no day.
    """
    moment = _moment(connection, table)
    if moment is None:
        return None
    row = connection.execute(f"SELECT max({moment})::DATE FROM {table}").fetchone()
    return row[0] if row else None


def _moment(connection: duckdb.DuckDBPyConnection, table: str) -> str | None:
    schema, _, name = table.partition(".")
    rows = connection.execute(
        """SELECT column_name FROM duckdb_columns()
           WHERE database_name = current_database() AND schema_name = ? AND table_name = ?""",
        [schema, name],
    ).fetchall()
    return next((moment for moment in _MOMENTS if (moment,) in rows), None)
