"""Access and portability: everything held of an account, in one bundle that another installation can take in.

Read from the newest published version and the control store; written into the home's `exports`, where it waits to be
fetched and goes by clause S-exports.
"""

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from retention import bundle, held_data, policy, stores
from retention.holding import Holding
from retention.policy import Policy, Store
from warehouse import database, withholding
from warehouse.control.vault import Vault
from warehouse.home import Home

# What two installations are compared by.
_SUMS = {
    "model.requests": "count(*), coalesce(sum(list_cost_usd), 0), coalesce(sum(logged_cost_usd), 0)",
    **dict.fromkeys(
        ("model.usage_hourly", "model.usage_daily", "model.usage_monthly"),
        "coalesce(sum(requests), 0)::BIGINT, coalesce(sum(list_cost_usd), 0), coalesce(sum(logged_cost_usd), 0)",
    ),
    "model.charges": "count(*), coalesce(sum(amount_usd), 0), 0",
    "model.plan_day": "count(*), coalesce(sum(fee_usd), 0), 0",
}
# The owner's own files, which are nobody else's.
_SETTINGS = ("prices.toml", "fx.csv")


def bundle_file(home: Home, request_no: int) -> Path:
    """Where the bundle of a request lies; its name says nothing of anybody."""
    return home.exports / f"rights-{request_no}.zip"


def export(home: Home, control: sqlite3.Connection, holding: Holding, request_no: int, now: datetime) -> Path:
    """Write the bundle of an account for a request in the place of its earlier ones; gives its path.

    `now` is naive UTC. WarehouseError while nothing is published, WithheldError where somebody began to be erased
    meanwhile.
    """
    path, vault = bundle_file(home, request_no), Vault(control, now)
    held = policy.load(home.root / "policy.toml")
    connections = held_data.own_connections(control, holding)
    with database.published(home) as version:
        ((number, as_of),) = version.execute("SELECT version, as_of FROM mart.published").fetchall()
        about = {
            "made_at": database.stamp(now),
            "published_version": number,
            "as_of": database.stamp(as_of),
            "home": "sandbox" if home.is_sandbox else "own",
            "account_no": holding.owner_no,
            "account_numbers": list(holding.numbers),
            "labels": list(holding.labels),
            "is_operator": holding.is_operator,
            "totals": totals(version, holding.numbers, connections),
        }
        with bundle.written(path, about) as out:
            for dataset in held_data.of_control(control, vault, holding):
                out.add(dataset, clause(held, "control", dataset.name.partition(".")[2]))
            for dataset in held_data.of_version(
                version, holding, connections, held_data.own_customers(control, holding)
            ):
                withholding.hold(home)
                out.add(dataset, clause(held, "build", dataset.name))
            for month, dataset in held_data.focus(version, holding):
                out.add_focus(month, dataset)
            for name in _SETTINGS if holding.is_operator else ():
                if (home.root / name).exists():
                    out.add_file(f"settings/{name}", (home.root / name).read_bytes())
            withholding.hold(home)
    earlier = control.execute(
        "SELECT request_no FROM rights_request WHERE account_no = ? AND request_no <> ? AND subject IS NULL",
        (holding.owner_no, request_no),
    )
    stores.remove([bundle_file(home, number) for (number,) in earlier.fetchall()])
    return path


def clause(held: Policy, store: Store, place: str) -> dict[str, Any]:
    """Why a table is held and how long, as the policy says."""
    clauses = held.of(store, place)
    said = [{"id": each.id, "title": each.title, "basis": each.basis, "kept_days": each.kept_days} for each in clauses]
    return {"held_under": said}


def totals(
    connection: duckdb.DuckDBPyConnection, accounts: tuple[int, ...], connections: tuple[int, ...]
) -> dict[str, list[str]]:
    """Calls (or lines), listed or billed cost and logged cost of an account by table, as texts."""
    found = {}
    for table, sums in _SUMS.items():
        numbers = connections if table == "model.charges" else accounts
        column = "connection_no" if table == "model.charges" else "account_no"
        only = ", ".join(map(str, numbers)) or "NULL"
        row = connection.execute(f"SELECT {sums} FROM {table} WHERE {column} IN ({only})").fetchone() or ()
        found[table] = [f"{value.normalize():f}" if hasattr(value, "normalize") else str(value) for value in row]
    return found
