"""Everything that is held of an account, as datasets: the rows of every table that are its own, and of nobody else.

Tables are found by the columns that carry our numbers, so that a table added tomorrow is told, too. What is sealed is
opened; what only proves who somebody is (hashes of passwords and keys) stays here.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import duckdb
import polars as pl
import pyarrow as pa

from retention.holding import Holding
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError
from warehouse.tables import Column

_ROWS = 61_440
_INSTALLATION = 0
# Keys that open what is sealed, and the traces of who was erased.
_KEPT_BACK = frozenset({"data_key", "tombstone", "erasure", "erasure_receipt", "erased_load", "rectified"})
_SECRET = frozenset({"lookup", "password_hash", "refused_key", "used_key", "wrapped", "sealed_data_key"})
# The installation's own books, which tell how far back each grain goes.
_CONTROL_KEYS = ("account_no", "connection_no", "member_no", "no")
_VERSION_KEYS = frozenset({"account_no", "request_no", "connection_no"})
_BOOKS = {"model.expired_before": "TRUE", "model.closed_day": "(day, gateway) IN (SELECT (day, gateway) FROM ({days}))"}


@dataclass(frozen=True)
class Dataset:
    """Rows of one table: its name with its store, what it is, its columns, and its rows in batches."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    batches: Callable[[], Iterator[pl.DataFrame]]


def of_control(control: sqlite3.Connection, vault: Vault, holding: Holding) -> Iterator[Dataset]:
    """What the control store holds of an account, table by table; sealed columns are opened under their plain name."""
    connections = own_connections(control, holding)
    people = _numbers(control, "member", "member_no", holding.numbers)
    ids = _numbers(control, "outside_id", "no", holding.numbers)
    own = dict(zip(_CONTROL_KEYS, (holding.numbers, connections, people, ids), strict=True))
    for name, columns in told_by_control(control).items():
        key = next(column for column in _CONTROL_KEYS if column in columns)
        only = f"{key} IN ({listed(own[key])})"
        yield control_dataset(control, vault, name, columns, only, people)


def told_by_control(control: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """The tables of the control store that a bundle tells, each with its columns and their types."""
    return {
        name: columns
        for name, columns in _tables(control)
        if name not in _KEPT_BACK and any(key in columns for key in _CONTROL_KEYS)
    }


def own_connections(control: sqlite3.Connection, holding: Holding) -> tuple[int, ...]:
    """The connections whose bills are the account's own."""
    return _numbers(control, "connection", "connection_no", holding.numbers)


def own_customers(control: sqlite3.Connection, holding: Holding) -> tuple[int, ...]:
    """The paying customers that the account is."""
    query = f"SELECT no FROM outside_id WHERE kind = 'customer' AND account_no IN ({listed(holding.numbers)})"
    return tuple(number for (number,) in control.execute(query))


def _tables(control: sqlite3.Connection) -> list[tuple[str, dict[str, str]]]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
    names = [name for (name,) in control.execute(query).fetchall()]
    return [(n, {row[1]: row[2] for row in control.execute(f"PRAGMA table_info({n})")}) for n in names]


def _numbers(control: sqlite3.Connection, table: str, column: str, accounts: Iterable[int]) -> tuple[int, ...]:
    query = f"SELECT {column} FROM {table} WHERE account_no IN ({listed(accounts)}) ORDER BY 1"
    return tuple(number for (number,) in control.execute(query))


def control_dataset(
    control: sqlite3.Connection, vault: Vault, name: str, types: dict[str, str], only: str, people: tuple[int, ...]
) -> Dataset:
    """The rows of a table of the control store under a condition; of members none but `people` are told by number."""
    told = [column for column in types if column not in _SECRET]
    plain = {column: plain_name(column) for column in told}
    kinds = {"INTEGER": "BIGINT", "BLOB": "VARCHAR"}
    columns = tuple(Column(plain[each], kinds.get(types[each], "VARCHAR"), _meaning(each)) for each in told)

    def row(values: tuple[object, ...]) -> tuple[object, ...]:
        said = dict(zip(told, values, strict=True))
        for column, value in said.items():
            if is_sealed(column) and isinstance(value, str):
                # What an auditor gave as a reason is sealed under the installation's own key.
                said[column] = _opened(vault, said.get("account_no", _INSTALLATION), f"{name}.{column}", value)
            elif isinstance(value, bytes):
                said[column] = value.hex()
            elif column == "member_no" and value not in people:
                # Somebody of the operator's who looked: that they did, and why, is told.
                said[column] = None
            elif column == "opened_account_no":
                said[column] = None
        return tuple(said.values())

    query = f"SELECT {', '.join(told)} FROM {name} WHERE {only} ORDER BY rowid"
    return of_rows(f"control.{name}", f"control.sqlite, {name.replace('_', ' ')}", columns, control, query, (), row)


def of_rows(
    name: str,
    meaning: str,
    columns: tuple[Column, ...],
    control: sqlite3.Connection,
    query: str,
    bound: tuple[object, ...] = (),
    told: Callable[[tuple[object, ...]], tuple[object, ...]] = tuple,
) -> Dataset:
    """The rows of a query of the control store as a dataset, each as `told` tells it."""

    def batches() -> Iterator[pl.DataFrame]:
        schema = {column.name: pl.Int64 if column.type == "BIGINT" else pl.String for column in columns}
        rows = control.execute(query, bound)
        while part := rows.fetchmany(_ROWS):
            yield pl.DataFrame([told(each) for each in part], schema=schema, orient="row")

    return Dataset(name, meaning, columns, batches)


def is_sealed(column: str) -> bool:
    """Whether a column of the control store holds a ciphertext."""
    return column == "sealed" or column.startswith("sealed_")


def plain_name(column: str) -> str:
    """What a sealed column is called once it is opened."""
    return "text" if column == "sealed" else column.removeprefix("sealed_")


def _meaning(column: str) -> str:
    return "Opened for this bundle; it rests sealed." if is_sealed(column) else ""


def _opened(vault: Vault, account_no: object, place: str, sealed: str) -> str | None:
    try:
        return vault.open(int(str(account_no)), place, sealed)
    except KeyUnavailableError:
        # Its key is gone: nobody can read it any more.
        return None


def of_version(
    connection: duckdb.DuckDBPyConnection, holding: Holding, connections: Iterable[int], customers: Iterable[int] = ()
) -> Iterator[Dataset]:
    """What a published version holds of an account, table by table; who else paid, and with what, is left out."""
    numbers = listed(holding.numbers)
    mine, paid = f"account_no IN ({numbers})", f"connection_no IN ({listed(connections)})"
    own = {
        "connection_no": f"CASE WHEN {paid} THEN connection_no END",
        "payer_no": f"CASE WHEN payer_no IN ({numbers}) THEN payer_no END",
    }
    for table, meaning, columns in version_tables(connection):
        names = [column.name for column in columns]
        if table in _BOOKS:
            only = _BOOKS[table].format(days=f"SELECT DISTINCT day, gateway FROM model.usage_daily WHERE {mine}")
        elif "account_no" in names:
            only = mine
            if "customer_no" in names:
                only += f" OR customer_no IN ({listed(customers)})"
        elif "request_no" in names:
            only = f"request_no IN (SELECT request_no FROM model.requests WHERE {mine})"
        elif "connection_no" in names:
            only = paid
            if "plan_no" in names:
                only += f" OR plan_no IN (SELECT plan_no FROM model.plan WHERE {mine})"
        else:
            continue
        blanked = own if only == mine else {}
        selected = ", ".join(f"{blanked.get(name, name_of(name))} AS {name_of(name)}" for name in names)
        query = f"SELECT {selected} FROM {table} WHERE {only}"
        yield Dataset(table, meaning, columns, asked(connection, query))


def told_by_version(connection: duckdb.DuckDBPyConnection) -> dict[str, frozenset[str]]:
    """The model tables that a bundle tells, each with its columns."""
    found = {table: frozenset(c.name for c in columns) for table, _, columns in version_tables(connection)}
    return {
        table: names
        for table, names in found.items()
        if table.startswith("model.") and (table in _BOOKS or names & _VERSION_KEYS)
    }


def focus(connection: duckdb.DuckDBPyConnection, holding: Holding) -> Iterator[tuple[str, Dataset]]:
    """The account's spend in FOCUS 1.2's columns, by billing period (`2026-11`)."""
    labels = ", ".join(_quoted(label) for label in holding.labels) or "NULL"
    # Spend of nobody's name is the operator's.
    only = f"BillingAccountId IN ({labels}{', $$unnamed$$' if holding.is_operator else ''})"
    columns = next(found for name, _, found in version_tables(connection, views=True) if name == "mart.focus_1_2")
    months = connection.execute(
        f"SELECT DISTINCT strftime(BillingPeriodStart, '%Y-%m') FROM mart.focus_1_2 WHERE {only} ORDER BY 1"
    ).fetchall()
    for (month,) in months:
        query = f"FROM mart.focus_1_2 WHERE {only} AND strftime(BillingPeriodStart, '%Y-%m') = '{month}' ORDER BY ALL"
        yield month, Dataset("mart.focus_1_2", "Spend in FOCUS 1.2's columns", columns, asked(connection, query))


def asked(connection: duckdb.DuckDBPyConnection, query: str) -> Callable[[], Iterator[pl.DataFrame]]:
    """The rows of a query of a version, in batches."""

    def batches() -> Iterator[pl.DataFrame]:
        for batch in connection.execute(query).to_arrow_reader(_ROWS):
            yield pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))

    return batches


def version_tables(
    connection: duckdb.DuckDBPyConnection, *, views: bool = False
) -> list[tuple[str, str, tuple[Column, ...]]]:
    """The tables of a version that tell of calls, bills and names: each with what it is and its columns."""
    source = "duckdb_views()" if views else "duckdb_tables()"
    name = "view_name" if views else "table_name"
    rows = connection.execute(
        f"""SELECT t.schema_name || '.' || t.{name}, coalesce(t.comment, ''), c.column_name, c.data_type,
              coalesce(c.comment, '')
            FROM {source} AS t JOIN duckdb_columns() AS c ON c.schema_name = t.schema_name AND c.table_name = t.{name}
            WHERE t.schema_name LIKE 'raw\\_%' ESCAPE '\\' OR t.schema_name IN ('model', 'mart')
            ORDER BY 1, c.column_index"""
    ).fetchall()
    found: dict[str, tuple[str, list[Column]]] = {}
    for table, meaning, column, kind, said in rows:
        found.setdefault(table, (meaning, []))[1].append(Column(column, kind, said))
    return [(table, meaning, tuple(columns)) for table, (meaning, columns) in found.items()]


def name_of(column: str) -> str:
    """A column's name as SQL spells it."""
    return f'"{column}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def listed(numbers: Iterable[int]) -> str:
    """Numbers as SQL lists them."""
    # Our own numbers: integers, never a text of a log.
    return ", ".join(str(int(number)) for number in numbers) or "NULL"
