"""The description of the tables is the DDL, and keeps the names that others rely on."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from warehouse.tables import INPUT_CLASSES, MODEL_TABLES, MONEY, OUTPUT_CLASSES, RAW_CALLS, REQUESTS, Column, Table

# The contract: one row a call, under these names.
CONTRACT = [
    "request_no",
    "request_id",
    "requested_at",
    "account_no",
    "upstream_no",
    "key_no",
    "project_no",
    "team_no",
    "user_no",
    "end_user_no",
    "client_no",
    "gateway",
    "provider",
    "model",
    "outcome",
    "http_status",
    "latency_ms",
    "service_tier",
    "context_band",
    "region",
    "input_tokens",
    "output_tokens",
    "list_cost_usd",
    "logged_cost_usd",
    "price_version",
]
TABLES = [
    "requests",
    "request_tag",
    "usage_hourly",
    "usage_daily",
    "usage_monthly",
    "latency_hourly",
    "account",
    "project",
    "key",
    "team",
]
# What a unit says about the type, and the type about the unit.
UNITS = {
    r"_no$": {"BIGINT"},
    r"_tokens$": {"BIGINT"},
    r"_ms$": {"BIGINT"},
    r"_usd$": {MONEY},
    r"(^|_)requests$": {"BIGINT"},
    r"_(at|from|to)$|^(hour|as_of)$": {"TIMESTAMP"},
    r"^(day|month)$": {"DATE"},
    r"_status$|^form$": {"SMALLINT"},
    r"^(version|revision|files)$|(^|_)rows$": {"BIGINT"},
}


def unitless(column: Column) -> bool:
    """Whether a column's name and type do not tell its unit: text needs none, everything else does."""
    told = [types for pattern, types in UNITS.items() if re.search(pattern, column.name)]
    return not any(column.type in types for types in told) if told else column.type != "VARCHAR"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB file in which every statement of every table has run twice."""
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        for statement in [statement for _ in range(2) for table in MODEL_TABLES for statement in table.ddl()]:
            connection.execute(statement)
        yield connection


def test_the_file_has_the_columns_and_meanings_of_the_description(made: duckdb.DuckDBPyConnection) -> None:
    """Names, order, types and comments in the file are those of tables.py, also when the DDL runs again."""
    rows = made.execute(
        "SELECT schema_name || '.' || table_name AS name, column_name, data_type, comment"
        " FROM duckdb_columns() WHERE NOT internal ORDER BY name, column_index"
    ).fetchall()
    described = [(t.full_name, c.name, c.type, c.meaning) for t in MODEL_TABLES for c in t.columns]
    assert rows == sorted(described, key=lambda row: row[0])
    comments = made.execute("SELECT schema_name || '.' || table_name, comment FROM duckdb_tables()").fetchall()
    assert dict(comments) == {table.full_name: table.meaning for table in MODEL_TABLES}


def test_running_the_ddl_again_keeps_the_rows(made: duckdb.DuckDBPyConnection) -> None:
    """A second run makes nothing anew."""
    made.execute("INSERT INTO model.request_tag VALUES (1, DATE '2026-01-01', 'team: search')")
    for table in MODEL_TABLES:
        for statement in table.ddl():
            made.execute(statement)
    assert made.execute("SELECT count(*) FROM model.request_tag").fetchall() == [(1,)]


def test_money_in_the_file_is_exact_to_the_last_digit(made: duckdb.DuckDBPyConnection) -> None:
    """Every money column stores 26 digits before the point and 12 behind it."""
    (stored,) = made.execute(f"SELECT '{'9' * 26}.{'9' * 12}'::{MONEY}").fetchone() or ()
    assert str(stored) == f"{'9' * 26}.{'9' * 12}"
    columns = [c for table in MODEL_TABLES for c in table.columns if c.name.endswith("_usd")]
    assert {c.type for c in columns} == {MONEY}


def test_the_contract_is_kept() -> None:
    """The tables and the columns of model.requests that others rely on have their names, in their order."""
    assert set(TABLES) <= {table.name for table in MODEL_TABLES if table.schema == "model"}
    names = REQUESTS.column_names
    assert [name for name in names if name in CONTRACT] == CONTRACT
    assert set(names) - set(CONTRACT) == {*INPUT_CLASSES, *OUTPUT_CLASSES}


def test_names_tell_units() -> None:
    """Every number and time carries its unit in its name, in every table and in what a source lands."""
    columns = {c for table in MODEL_TABLES for c in table.columns} | set(RAW_CALLS)
    assert {column.name for column in columns if unitless(column)} == set()


@pytest.mark.parametrize(
    "column",
    [
        Column("cost", MONEY, ""),
        Column("latency", "BIGINT", ""),
        Column("cost_usd", "DOUBLE", ""),
        Column("tokens", "BIGINT", ""),
        Column("requested_at", "DATE", ""),
        Column("requests", "DOUBLE", ""),
    ],
)
def test_a_name_without_its_unit_is_found(column: Column) -> None:
    """A bare quantity, or a unit of another type, does not pass."""
    assert unitless(column)


def test_no_table_names_a_column_twice() -> None:
    """Each column of a table has a name of its own, in what a source lands too."""
    named = {table.full_name: table.column_names for table in MODEL_TABLES} | {"raw": tuple(c.name for c in RAW_CALLS)}
    assert {table: names for table, names in named.items() if len(set(names)) < len(names)} == {}


def test_one_name_is_one_quantity() -> None:
    """A column of the same name has the same type everywhere."""
    types: dict[str, set[str]] = {}
    for column in [*(c for table in MODEL_TABLES for c in table.columns), *RAW_CALLS]:
        types.setdefault(column.name, set()).add(column.type)
    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}


def test_what_is_personal_has_no_column() -> None:
    """No column holds an address, an agent, a mail, a secret or a prompt."""
    personal = re.compile(r"(^|_)(ip|user_agent|agent|e?mail|secret|token|prompt|messages?|completion|content)($|_)")
    names = {c.name for table in MODEL_TABLES for c in table.columns} | {c.name for c in RAW_CALLS}
    assert {name for name in names if personal.search(name)} == set()
    assert all(personal.search(name) for name in ("ip", "client_ip", "user_agent", "email", "prompt_text"))


def test_a_quote_in_a_meaning_is_written_as_it_is(tmp_path: Path) -> None:
    """A meaning with an apostrophe does not break the DDL."""
    table = Table("model", "probe", "The probe's rows.", (Column("day", "DATE", "The row's 'day'."),))
    with duckdb.connect(str(tmp_path / "probe.duckdb")) as connection:
        for statement in table.ddl():
            connection.execute(statement)
        assert connection.execute("SELECT comment FROM duckdb_columns() WHERE NOT internal").fetchall() == [
            ("The row's 'day'.",)
        ]
