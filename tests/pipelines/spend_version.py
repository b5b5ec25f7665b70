"""Homes whose control store knows accounts and projects by name, and published versions that say what each spent."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import duckdb

from warehouse import database
from warehouse.control import budget as budgets
from warehouse.control.budget import Budget
from warehouse.control.outside_id import OutsideIds, named
from warehouse.control.vault import Vault
from warehouse.home import Home

MAIL = "costs@team.example"
_TABLES = """
CREATE SCHEMA mart; CREATE SCHEMA model;
CREATE TABLE mart.spend_daily (day DATE, account VARCHAR, project VARCHAR, cost_usd DECIMAL(38,12),
    unpriced_requests BIGINT, provider VARCHAR DEFAULT 'openai', basis VARCHAR DEFAULT 'log');
CREATE VIEW mart.spend_summary_daily AS FROM mart.spend_daily;
CREATE TABLE mart.published (version BIGINT, as_of TIMESTAMP, home VARCHAR);
CREATE TABLE model.account (account_no BIGINT, label VARCHAR, valid_from TIMESTAMP, valid_to TIMESTAMP);
CREATE TABLE model.project (project_no BIGINT, label VARCHAR, account_no BIGINT, valid_from TIMESTAMP,
    valid_to TIMESTAMP);
"""


def known(home: Home, now: datetime, *projects: str, account: str = "acme") -> None:
    """Make the names known, as a log that is landed does."""
    with database.control(home) as control, database.transaction(control):
        ids = OutsideIds(control, Vault(control, now), now)
        number = ids.accounts("gateway_jsonl", [account])[account]
        ids.numbers("project", "gateway_jsonl", [(number, project, project) for project in projects])


def limited(
    home: Home, now: datetime, project: str | None, monthly: str = "100", shares: str = "50,80,100", mail: str = MAIL
) -> Budget:
    """Set a budget."""
    with database.control(home) as control:
        place = budgets.scope(control, None, project)
        return budgets.put(
            control, Vault(control, now), place, budgets.amount(monthly), budgets.thresholds(shares), mail, now
        )


def publish(
    home: Home,
    spent: Mapping[tuple[date, str | None], str],
    *,
    account: str = "acme",
    unpriced: int = 0,
    billed: Mapping[date, str] | None = None,
) -> int:
    """Publish a version in which each project spent so much on each day; its number.

    `billed` is what the account's bill of a day is more than that.
    """
    version = (database.current_version(home) or 0) + 1
    target = home.published / f"warehouse-{version}.duckdb"
    with duckdb.connect(str(target)) as connection:
        connection.execute(_TABLES)
        connection.execute(f"INSERT INTO mart.published VALUES ({version}, now()::TIMESTAMP, 'own')")
        for (day, project), cost_usd in spent.items():
            connection.execute(
                "INSERT INTO mart.spend_daily (day, account, project, cost_usd, unpriced_requests) "
                "VALUES (?, ?, ?, ?, ?)",
                [day, account, project, Decimal(cost_usd), unpriced],
            )
        for day, cost_usd in (billed or {}).items():
            connection.execute(
                "INSERT INTO mart.spend_daily VALUES (?, ?, NULL, ?, 0, 'openai', 'bill')",
                [day, account, Decimal(cost_usd)],
            )
        with database.control(home) as control:
            for name in named(control):
                if name.kind in {"account", "project"}:
                    row = name.row()
                    marks = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO model.{name.kind} VALUES ({marks})", list(row))
    link = home.published / ".current.part"
    link.symlink_to(target.name)
    link.replace(home.published / "current")
    return version
