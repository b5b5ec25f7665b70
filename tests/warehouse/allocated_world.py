"""A warehouse in memory with spend of every kind and any set of rules: what allocation is held against."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import duckdb

from warehouse import allocation_tables, bill_tables, mart, migrations, tables
from warehouse.allocation import Rule
from warehouse.models import spend_daily

NAMES = {"account": ("acme", "beta"), "project": ("web", "api"), "team": ("red", "blue"), "key": ("ci", "prod")}
MODELS = ("gpt-4o", "gpt-5")
_USAGE, _TAGGED = tables.USAGE_DAILY.full_name, allocation_tables.USAGE_TAG_DAILY.full_name
DAYS = tuple(date(2026, month, day) for month in (9, 10) for day in (1, 2, 30))


class Spent(NamedTuple):
    """Calls of one day and one set of names; the places of names count from 1, 0 is no name."""

    day: date
    account: int
    project: int
    team: int
    key: int
    model: str
    tags: tuple[str, ...]
    requests: int
    cost_usd: Decimal | None


class Billed(NamedTuple):
    """What the bill of account 1 says of a day."""

    day: date
    amount_usd: Decimal


@contextmanager
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse with every table, name and mart."""
    connection = duckdb.connect()
    migrations.make(connection)
    for what, labels in NAMES.items():
        for number, label in enumerate(labels, 1):
            owner = "" if what == "account" else "1, "
            connection.execute(f"INSERT INTO model.{what} VALUES (?, ?, {owner}'2020-01-01', NULL)", [number, label])
    connection.execute(
        "INSERT INTO model.connection (connection_no, provider, account_no, is_operator) VALUES (1, 'openai', 1, true)"
    )
    mart.create(connection)
    try:
        yield connection
    finally:
        connection.close()


def fill(
    connection: duckdb.DuckDBPyConnection, spent: Iterable[Spent], billed: Iterable[Billed], rules: Iterable[Rule]
) -> None:
    """Put these rows and rules in the place of those there are."""
    bills = bill_tables.BILL_DAY.full_name
    for name in (_USAGE, _TAGGED, bills):
        connection.execute(f"DELETE FROM {name}")
    for bill in billed:
        connection.execute(
            f"INSERT INTO {bills} (day, connection_no, amount_usd, settlement) VALUES (?, 1, ?, 'settled')",
            [bill.day, bill.amount_usd],
        )
    used(connection, spent)
    ruled(connection, rules)


def used(connection: duckdb.DuckDBPyConnection, spent: Iterable[Spent]) -> None:
    """Add these rows to those there are."""
    for row in spent:
        numbers = [number or None for number in (row.account, row.project, row.team, row.key)]
        unpriced = row.requests if row.cost_usd is None else 0
        connection.execute(
            f"""INSERT INTO {_USAGE} (day, account_no, project_no, team_no, key_no, gateway, provider, model, requests,
                  error_requests, unpriced_requests, input_tokens, output_tokens, cache_read_tokens, list_cost_usd)
                VALUES (?, ?, ?, ?, ?, 'gateway_jsonl', 'openai', ?, ?, 0, ?, 0, 0, 0, ?)""",
            [row.day, *numbers, row.model, row.requests, unpriced, row.cost_usd],
        )
        if row.tags:
            connection.execute(
                f"INSERT INTO {_TAGGED} VALUES (?, ?, ?, ?, ?, 'gateway_jsonl', 'openai', ?, ?, NULL, ?, ?, ?)",
                [row.day, *numbers, row.model, sorted(row.tags), row.requests, unpriced, row.cost_usd],
            )
    spend_daily.write(connection, DAYS[0], DAYS[-1])


def ruled(connection: duckdb.DuckDBPyConnection, rules: Iterable[Rule]) -> None:
    """Put these rules in the place of those there are."""
    ruled, shared = allocation_tables.ALLOCATION_RULE.full_name, allocation_tables.ALLOCATION_SHARE.full_name
    for name in (ruled, shared):
        connection.execute(f"DELETE FROM {name}")
    for rule in rules:
        places = ", ".join("?" * len(allocation_tables.ALLOCATION_RULE.columns))
        connection.execute(f"INSERT INTO {ruled} VALUES ({places})", list(rule.row()))
        for share in rule.share_rows():
            connection.execute(f"INSERT INTO {shared} VALUES (?, ?, ?)", list(share))
