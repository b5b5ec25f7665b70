"""raw_*.* and model.* without a subject: an account's rows go at every grain, of a user only the number is blanked.

Found by the columns that carry numbers, so that a table added tomorrow is erased from, too. An account's own connection
takes its bills along; of a bill that somebody else pays the sum stays, since what the log told of it is no longer there
to be taken off, and its comparison with the log is made anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import duckdb

from warehouse import build_memory, publication
from warehouse.control.tombstone import Tombstone
from warehouse.tables import INPUT_CLASSES, OUTPUT_CLASSES


@dataclass(frozen=True)
class Numbers:
    """Whose rows go, by what stands for them."""

    accounts: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    end_users: list[int] = field(default_factory=list)
    customers: list[int] = field(default_factory=list)

    @staticmethod
    def of(stones: list[Tombstone]) -> "Numbers":
        """The numbers of tombstones."""
        by_kind: dict[str, list[int]] = {}
        for stone in stones:
            by_kind.setdefault(stone.kind, []).append(stone.number)
        kinds = ("account", "connection", "user", "end_user", "customer")
        return Numbers(*(sorted(by_kind.get(kind, [])) for kind in kinds))

    def people(self) -> list[tuple[str, list[int]]]:
        """The columns that name a person, each with the numbers to blank."""
        named = [("user_no", self.users), ("end_user_no", self.end_users)]
        return [(column, numbers) for column, numbers in named if numbers]


@dataclass(frozen=True)
class Change:
    """A statement that takes a subject out of one table: which rows, and what is done to them."""

    table: str
    only: str
    statement: str
    bound: dict[str, object]


def changes(connection: duckdb.DuckDBPyConnection, numbers: Numbers) -> Iterator[Change]:
    """Every statement that takes the subjects out of the build, in the order in which they are to run."""
    tables = _tables(connection)
    if numbers.accounts:
        yield from _of_accounts(tables, {"gone": numbers.accounts})
    if numbers.connections:
        yield from _of_connections(tables, {"gone": numbers.connections})
    for table, columns in tables.items():
        if numbers.customers and "customer_no" in columns:
            only = "customer_no IN (SELECT unnest($gone))"
            yield Change(table, only, f"DELETE FROM {table} WHERE {only}", {"gone": numbers.customers})
    for column, gone in numbers.people():
        only = f"{column} IN (SELECT unnest($gone))"
        for table, columns in tables.items():
            if column in columns:
                also = ", client_no = NULL" if "client_no" in columns else ""
                yield Change(table, only, f"UPDATE {table} SET {column} = NULL{also} WHERE {only}", {"gone": gone})


def _of_accounts(tables: dict[str, set[str]], bound: dict[str, object]) -> Iterator[Change]:
    only = "account_no IN (SELECT unnest($gone))"
    # What hangs on a call is found by the call, while that is there.
    of_calls = f"request_no IN (SELECT request_no FROM model.requests WHERE {only})"
    for table, columns in tables.items():
        if "request_no" in columns and "account_no" not in columns:
            yield Change(table, of_calls, f"DELETE FROM {table} WHERE {of_calls}", bound)
    # Which invoice a fee is on is told by the plan, which knows whose it is.
    of_plans = f"plan_no IN (SELECT plan_no FROM model.plan WHERE {only})"
    for table, columns in tables.items():
        if "plan_no" in columns and "account_no" not in columns:
            yield Change(table, of_plans, f"DELETE FROM {table} WHERE {of_plans}", bound)
    for table, columns in tables.items():
        if "account_no" in columns:
            yield Change(table, only, f"DELETE FROM {table} WHERE {only}", bound)
        if "holder_no" in columns:
            held = "holder_no IN (SELECT unnest($gone))"
            yield Change(table, held, f"DELETE FROM {table} WHERE {held}", bound)


def _of_connections(tables: dict[str, set[str]], bound: dict[str, object]) -> Iterator[Change]:
    only = "connection_no IN (SELECT unnest($gone))"
    for table, columns in tables.items():
        if "connection_no" in columns:
            # Calls of somebody else's that it paid for name no connection, and their spend is added up anew.
            yield Change(table, only, f"DELETE FROM {table} WHERE {only}", bound)


def counted(connection: duckdb.DuckDBPyConnection, numbers: Numbers) -> dict[str, int]:
    """How many rows of each table the subjects have."""
    found: dict[str, int] = {}
    for each in changes(connection, numbers):
        ((rows,),) = connection.execute(f"SELECT count(*) FROM {each.table} WHERE {each.only}", each.bound).fetchall()
        found[f"build.{each.table}"] = found.get(f"build.{each.table}", 0) + rows
    return found


def carry_out(connection: duckdb.DuckDBPyConnection, numbers: Numbers) -> None:
    """Take the subjects out of every table, in one transaction."""
    if numbers.people():
        build_memory.make_room(connection, build_memory.BLANKED_BYTES)
    connection.execute("BEGIN")
    try:
        for each in changes(connection, numbers):
            connection.execute(each.statement, each.bound)
        # No sum of spend tells persons apart.
        publication.changed(connection, None if numbers.accounts or numbers.connections else ())
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def landed_rows(connection: duckdb.DuckDBPyConnection, accounts: list[int]) -> list[tuple[object, ...]]:
    """Load, day, rows, input tokens, output tokens and logged cost of accounts' raw rows: what their receipts lose."""
    found: list[tuple[object, ...]] = []
    for table, columns in _tables(connection).items():
        if table.startswith("raw_") and {"load_no", "account_no", "requested_at"} <= columns:
            found += connection.execute(
                f"""SELECT load_no, requested_at::DATE::VARCHAR, count(*), sum({"+".join(INPUT_CLASSES)})::BIGINT,
                      sum({"+".join(OUTPUT_CLASSES)})::BIGINT, coalesce(sum(logged_cost_usd), 0)::VARCHAR
                    FROM {table} WHERE account_no IN (SELECT unnest(?)) GROUP BY ALL""",
                [accounts],
            ).fetchall()
    return found


def own_clients(connection: duckdb.DuckDBPyConnection, numbers: Numbers) -> list[int]:
    """The clients (address and user agent of a day) that only calls of these people came from."""
    listed = [(column, ", ".join(map(str, gone))) for column, gone in numbers.people()]
    mine = " OR ".join(f"coalesce({column} IN ({gone}), false)" for column, gone in listed)
    seen = [
        f"SELECT client_no, ({mine}) AS is_mine FROM {table}"
        for table, columns in _tables(connection).items()
        if mine and {"client_no", "user_no", "end_user_no"} <= columns
    ]
    if not seen:
        return []
    query = f"SELECT client_no FROM ({' UNION ALL '.join(seen)}) WHERE client_no IS NOT NULL GROUP BY 1"
    return [number for (number,) in connection.execute(f"{query} HAVING bool_and(is_mine)").fetchall()]


def days_of(connection: duckdb.DuckDBPyConnection, accounts: list[int]) -> set[date]:
    """The days on which accounts made calls."""
    query = "SELECT DISTINCT day FROM model.usage_daily WHERE account_no IN (SELECT unnest(?))"
    return {day for (day,) in connection.execute(query, [accounts]).fetchall()}


def numbers_there(connection: duckdb.DuckDBPyConnection, kinds: dict[int, str]) -> set[int]:
    """Which of these numbers, each with its kind, the build has: looked for where it is small and always has them."""
    places = {
        "account": ("account_no", ("model.account", "model.usage_monthly")),
        "connection": ("connection_no", ("model.connection",)),
        "user": ("user_no", ("model.usage_daily",)),
        "end_user": ("end_user_no", ("model.requests",)),
    }
    there: set[int] = set()
    if "customer" in kinds.values():
        paying = tuple(table for table, columns in _tables(connection).items() if "customer_no" in columns)
        places["customer"] = ("customer_no", paying)
    for kind, (column, tables) in places.items():
        if listed := [number for number, told in kinds.items() if told == kind]:
            for table in tables:
                query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IN (SELECT unnest(?))"
                there |= {number for (number,) in connection.execute(query, [listed]).fetchall()}
    return there


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    rows = connection.execute(
        """SELECT schema_name || '.' || table_name, list(column_name)
           FROM duckdb_columns() JOIN duckdb_tables() USING (schema_name, table_name)
           WHERE schema_name LIKE 'raw\\_%' ESCAPE '\\' OR schema_name IN ('model', 'mart') GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    return {table: set(columns) for table, columns in rows}
