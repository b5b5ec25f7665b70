"""A provider with its sandbox's API on loopback, a week's bill of it, and a home that pulls from there."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipelines.bills.biller import Biller, billers
from pipelines.bills.billing_api import Clock
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.cause import USUAL
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.gateway_log import take_in
from warehouse import database
from warehouse.home import Home

NAMES = sorted(name for name, biller in billers().items() if getattr(biller, "address", ""))
ENDS = datetime(2026, 6, 30, 12, tzinfo=UTC)
NOW = datetime(2026, 7, 20, 1, 30, tzinfo=UTC)
# Drawn anew in every home, or of the pull.
_OURS = {"pull_no", "observed_at", "connection_no", "project_no", "key_no"}


@dataclass
class Served:
    """A provider with its sandbox's API on loopback and a home that pulls from it without ever waiting."""

    biller: Biller
    api: AdminApi
    home: Home
    key: str
    pauses: list[float]

    def pull(self, now: datetime = NOW) -> Pulled:
        """Pull once."""
        clock = Clock(sleep=self.pauses.append, jitter=lambda: 1.0)
        return pull(self.home, self.biller, now, lambda *_: None, clock)

    def stored(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the provider's raw tables, without our numbers and when it was told."""
        with database.held(self.home.build_lock), database.build(self.home) as build:
            there = set(build.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall())
            tables = [report.table for report in self.biller.reports if (report.table.full_name,) in there]
            found = {}
            for table in tables:
                told = [name for name in table.column_names if name not in _OURS]
                found[table.full_name] = build.execute(
                    f"SELECT {', '.join(told)} FROM {table.full_name} ORDER BY ALL"
                ).fetchall()
            return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the newest version after a pass that pulls nothing by itself."""
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv(self.biller.key_variable)
            take_in(self.home, NOW)
        with database.published(self.home) as connection:
            return connection.execute(sql).fetchall()


@cache
def bill_of(name: str) -> Bill:
    """A week's bill; a provider that the company does not call itself resells what it calls at OpenAI."""
    truth = GroundTruth.make(seed=1, month_ends=ENDS, days=7, calls=300)
    sells_itself = name in {"anthropic", "openai"}
    return Bill.of(truth, name if sells_itself else "openai", USUAL if sells_itself else replace(USUAL, tool_percent=0))


@contextmanager
def served(name: str, folder: Path, environment: pytest.MonkeyPatch) -> Iterator[Served]:
    """One provider of a week, its key in the environment."""
    biller, key = billers()[name], f"sk-canary-{name}-41c07be2"
    part = importlib.import_module(f"pipelines.sandbox.{name}_api")
    with part.serve(bill_of(name), key) as api:
        environment.setenv(biller.key_variable, key)
        environment.setenv(biller.address_variable, api.address)
        yield Served(biller, api, Home(folder / "sandbox").make((), sandbox=True), key, [])
