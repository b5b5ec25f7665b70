"""The build file's numbered migrations: each runs once, in order, after a copy of the file as it was."""

from collections.abc import Callable, Iterable

import duckdb

from warehouse import (
    allocation_tables,
    audit_tables,
    bill_tables,
    credit_tables,
    failure_tables,
    fee_tables,
    file_copy,
    naming_tables,
    price_tables,
    reconciliation_tables,
    sealing_tables,
    settlement_tables,
    spend_tables,
    stale_allocation,
    stale_spend,
    tables,
    zone_tables,
)
from warehouse.build_tables import BUILD_TABLES
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.models import failure_daily


def _made(connection: duckdb.DuckDBPyConnection, made: Iterable[tables.Table]) -> None:
    for table in made:
        for statement in table.ddl():
            connection.execute(statement)


def _widened(connection: duckdb.DuckDBPyConnection, table: tables.Table) -> None:
    for column in table.columns:
        connection.execute(f'ALTER TABLE {table.full_name} ADD COLUMN IF NOT EXISTS "{column.name}" {column.type}')
    for statement in table.ddl()[2:]:
        connection.execute(statement)


def m001_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the model tables, with their meanings as comments in the file."""
    _made(connection, tables.MODEL_TABLES)


def m002_connections(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of connections and their bills."""
    _made(connection, bill_tables.BILL_TABLES)


def m003_seals(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that say what a seal has taken and which days are closed."""
    _made(connection, sealing_tables.SEALING_TABLES)


def m004_sources(connection: duckdb.DuckDBPyConnection) -> None:
    """Widen the tables of bills and make what is new; every bill is modelled again from its raw rows."""
    for table in (*tables.MODEL_TABLES, *bill_tables.BILL_TABLES):
        for statement in table.ddl()[:2]:
            connection.execute(statement)
        _widened(connection, table)
    for table in (bill_tables.BUILT_PULL, bill_tables.CHARGES, bill_tables.USAGE_REPORTED):
        connection.execute(f"DELETE FROM {table.full_name}")


def m005_reconciliation(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that say why log and bill differ."""
    _made(connection, reconciliation_tables.RECONCILIATION_TABLES)


def m006_settlement(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of what moved and how far bills were read; what moved before is not known.

    A version with the new marts is due at once, since pages ask for them.
    """
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, (*settlement_tables.SETTLEMENT_TABLES, bill_tables.BILL_DAY))


def m006_prices(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of reprices, of what days cost by today's list and by contract, and of the contracts."""
    _made(connection, price_tables.PRICE_TABLES)


def m008_fx(connection: duckdb.DuckDBPyConnection) -> None:
    """Widen the bills by the rate that converted them, and make the tables of estimates and of what is not covered."""
    for table in bill_tables.BILL_TABLES:
        for statement in table.ddl()[:2]:
            connection.execute(statement)
        _widened(connection, table)


def m012_allocation(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of cost centres and zones; a version with their marts is due at once: pages ask for them."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, allocation_tables.REPORTING_TABLES)


def m011_fees(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of plans and invoices, and publish the marts that show them."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, fee_tables.FEE_TABLES)


def m013_failures_and_naming(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of failed calls and of names with their dates, and publish the marts that show them.

    What failed is told as far back as single calls are known.
    """
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, (failure_tables.FAILURE_DAILY, naming_tables.NAMING))
    days = connection.execute(f"SELECT DISTINCT requested_at::DATE FROM {tables.REQUESTS.full_name}").fetchall()
    failure_daily.write(connection, [day for (day,) in days])


def m015_claim(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table of claimed accounts, and publish the marts that find their bills by it."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, (bill_tables.CLAIM,))


def m022_audit(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table that ties a version to the audit chain."""
    _made(connection, (audit_tables.AUDIT_ANCHOR,))


def m031_spend(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of spend as pages ask for it, every day of it stale, and publish the marts that read them."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, spend_tables.SPEND_TABLES)
    stale_spend.mark(connection, None)


def m029_credits(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of prepaid credits, and publish the marts that show them."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, credit_tables.CREDIT_TABLES)


def m033_tools(connection: duckdb.DuckDBPyConnection) -> None:
    """Price what tools were used for: days that count any are modelled again from their raw rows."""
    connection.execute(
        f"""DELETE FROM {bill_tables.BUILT_PULL.full_name} WHERE (connection_no, report, day) IN (
            SELECT (connection_no, report, day) FROM {bill_tables.USAGE_REPORTED.full_name}
            WHERE quantity IS NOT NULL AND list_cost_usd IS NULL)"""
    )


def m034_made_again(connection: duckdb.DuckDBPyConnection) -> None:
    """Tell anew which calls were made again, as far back as single calls are known."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    days = connection.execute(f"SELECT DISTINCT requested_at::DATE FROM {tables.REQUESTS.full_name}").fetchall()
    closed = connection.execute(f"SELECT day, gateway FROM {sealing_tables.CLOSED_DAY.full_name}").fetchall()
    failure_daily.write(connection, [day for (day,) in days], closed)


def m034_invoice_currency(connection: duckdb.DuckDBPyConnection) -> None:
    """Widen the invoices by the currency they are billed in, and publish the mart that shows it."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _widened(connection, fee_tables.INVOICE)


def m040_upstream(connection: duckdb.DuckDBPyConnection) -> None:
    """Give calls and their sums the upstream in the place of a connection that none ever had, and publish who paid.

    What is known of a call's upstream is in raw rows alone: days that have some are made again, of others it stays
    unknown.
    """
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    for table in (tables.REQUESTS, tables.USAGE_HOURLY, tables.USAGE_DAILY, tables.USAGE_MONTHLY):
        there = "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?"
        names = {name for (name,) in connection.execute(there, [table.schema, table.name]).fetchall()}
        if "connection_no" in names:
            # A file older than m004 got it beside the other.
            connection.execute(f"ALTER TABLE {table.full_name} DROP COLUMN IF EXISTS upstream_no")
            connection.execute(f"ALTER TABLE {table.full_name} RENAME COLUMN connection_no TO upstream_no")
        for statement in table.ddl()[2:]:
            connection.execute(statement)
    for table in (bill_tables.UPSTREAM_CLAIM, spend_tables.UNCLAIMED_DAILY, spend_tables.SPEND_DAILY):
        for statement in table.ddl()[:2]:
            connection.execute(statement)
        _widened(connection, table)
    raw = "SELECT schema_name FROM duckdb_columns() WHERE table_name = 'calls' AND column_name = 'upstream_no'"
    for (schema,) in connection.execute(raw).fetchall():
        connection.execute(
            f"""DELETE FROM {tables.BUILT_LOAD.full_name} WHERE day IN (
                SELECT DISTINCT requested_at::DATE FROM {schema}.calls WHERE upstream_no IS NOT NULL)"""
        )
    stale_spend.mark(connection, None)


def m042_allocated(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table of cost centres as their page asks for them, every day of it stale where there are rules."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, allocation_tables.ALLOCATED_TABLES)
    stale_allocation.mark(connection, None)


def m047_classes(connection: duckdb.DuckDBPyConnection) -> None:
    """Tell spend by every class of tokens and at list price whoever pays, every day of it anew, and publish it."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _widened(connection, spend_tables.SPEND_DAILY)
    stale_spend.mark(connection, None)


def m050_open_days(connection: duckdb.DuckDBPyConnection) -> None:
    """Tell how many rows of a bill could not be read and how long bills are waited for, and publish both."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _widened(connection, settlement_tables.BILL_STATE)
    connection.execute(f"UPDATE {settlement_tables.BILL_STATE.full_name} SET held_back_rows = 0")
    _made(connection, (settlement_tables.WINDOW,))


def m052_local_days(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of spend by the days of zones, every day of it stale where one is set, and publish the mart."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    _made(connection, spend_tables.LOCAL_TABLES)
    if connection.execute(f"SELECT 1 FROM {zone_tables.ACCOUNT_ZONE.full_name} LIMIT 1").fetchone():
        stale_spend.mark(connection, None)


def m053_invoice_parts(connection: duckdb.DuckDBPyConnection) -> None:
    """Tell how much of a day is on each of its invoices, and publish it; days that have several are made anew."""
    connection.execute(f"UPDATE {tables.REVISION.full_name} SET revision = revision + 1")
    for table in (fee_tables.INVOICE_DAY, spend_tables.SPEND_DAILY):
        _widened(connection, table)
    connection.execute(f"UPDATE {fee_tables.INVOICE_DAY.full_name} SET is_main = true")


# Never edit a migration that has been released: append the next.
MIGRATIONS: tuple[Callable[[duckdb.DuckDBPyConnection], None], ...] = (
    m001_tables,
    m002_connections,
    m003_seals,
    m004_sources,
    m005_reconciliation,
    m006_settlement,
    m006_prices,
    m008_fx,
    m012_allocation,
    m011_fees,
    m013_failures_and_naming,
    m015_claim,
    m022_audit,
    m029_credits,
    m031_spend,
    m033_tools,
    m034_made_again,
    m034_invoice_currency,
    m040_upstream,
    m042_allocated,
    m047_classes,
    m050_open_days,
    m052_local_days,
    m053_invoice_parts,
)


def make(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a new, empty file in its newest form at once; its steps would take a thousand statements more."""
    connection.execute(";".join(statement for table in BUILD_TABLES for statement in table.ddl()))


def apply(connection: duckdb.DuckDBPyConnection, home: Home) -> list[str]:
    """Bring the build file to the newest form; returns the names of the migrations that ran now.

    A file that already holds migrations is copied beside itself before the next one runs. A file written by a newer
    program is refused.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS main.migration (name VARCHAR PRIMARY KEY)")
    done = {name for (name,) in connection.execute("SELECT name FROM main.migration").fetchall()}
    known = [migration.__name__ for migration in MIGRATIONS]
    if unknown := done - set(known):
        raise WarehouseError(f"{home.build_file} was written by a newer apiledger ({max(unknown)}): update the program")
    due = [migration for migration in MIGRATIONS if migration.__name__ not in done]
    if due and done:
        connection.execute("CHECKPOINT")
        copy = home.build_file.with_name(f"warehouse.before-{due[0].__name__}.duckdb")
        file_copy.copied(home.build_file, copy, 0o600)
    if due:
        # The marts stand on what changes now: they are made anew.
        connection.execute("DROP TABLE IF EXISTS main.mart_form")
    if due == list(MIGRATIONS):
        connection.execute("BEGIN")
        make(connection)
        connection.execute("INSERT INTO main.migration SELECT unnest(?)", [known])
        connection.execute("COMMIT")
        return known
    for migration in due:
        connection.execute("BEGIN")
        migration(connection)
        connection.execute("INSERT INTO main.migration VALUES (?)", [migration.__name__])
        connection.execute("COMMIT")
    return [migration.__name__ for migration in due]
