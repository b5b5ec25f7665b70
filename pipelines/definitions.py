"""What Dagster runs: assets from raw to published, the checks between them, the inbox sensor and the schedule.

A thin registry: what a step does stands in ingest, build, publication. Every step holds the build's lock only while it
writes, and asks what is due instead of being told, so a missed tick or a hundred waiting files are one pass.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb

from pipelines import erasing, passage
from pipelines.bills.biller import billers
from pipelines.gateways import ingest, watch
from pipelines.gateways.provider import Gateway, gateways
from pipelines.materialization import build
from pipelines.orchestration import (
    alert,
    audit_asset,
    backup_schedule,
    check,
    credit_asset,
    erase_asset,
    export_schedule,
    idle_accounts,
    pass_record,
    payment_asset,
    pull_assets,
    retain,
    run_log,
    watch_sensor,
)
from pipelines.orchestration.run_history import under_way
from warehouse import (
    allocation_tables,
    bill_tables,
    credit_tables,
    database,
    fee_tables,
    mart,
    price_tables,
    publication,
    reconciliation_tables,
    settlement_tables,
    tables,
)
from warehouse.control import receipt
from warehouse.home import Home
from warehouse.tables import Column, Table

HOME = Home.own()
_BILLS = (
    *bill_tables.BILL_TABLES,
    *settlement_tables.SETTLEMENT_TABLES,
    *reconciliation_tables.RECONCILIATION_TABLES,
    *fee_tables.FEE_TABLES,
)
_MODELS = (*(table for table in tables.MODEL_TABLES if table.schema == "model"), *_BILLS)
_MODELS = (*_MODELS, price_tables.REPRICED_DAILY, price_tables.CONTRACT, *credit_tables.CREDIT_TABLES)
_MODELS = (*_MODELS, *allocation_tables.REPORTING_TABLES)
_BUSY = dg.RetryPolicy(max_retries=3, delay=20)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _key(table: Table) -> dg.AssetKey:
    return dg.AssetKey([table.schema, table.name])


def _raw_table(gateway: Gateway) -> Table:
    return Table(
        gateway.schema, "calls", f"{gateway.title}: one row per record, numbers and checked labels.", tables.RAW_CALLS
    )


def _raw(gateway: Gateway) -> dg.AssetsDefinition:
    table = _raw_table(gateway)

    @dg.asset(
        key=_key(table),
        group_name="raw",
        description=f"{table.meaning} Read from inbox/{gateway.name}/, loaded by dlt, receipted.",
        metadata={"dagster/column_schema": check.column_schema(table), "dagster/table_name": table.full_name},
        kinds={"dlt", "duckdb"},
        retry_policy=_BUSY,
    )
    def landed(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        visited = watch.collect(HOME, gateway, _now(), run_log.told(context.log))
        for place in visited:
            if place.skipped is not None:
                context.log.warning("%s was skipped: %s", place.place, place.skipped)
        taken = ingest.ingest(HOME, gateway, _now(), run_log.told(context.log))
        if taken.refused:
            context.log.warning(
                "%d files were set aside as .refused; `apiledger doctor` names them", len(taken.refused)
            )
        with database.control(HOME) as control:
            total = sum(rows for source, _, _, rows in receipt.load_days(control) if source == gateway.name)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": total,
                "rows_landed": taken.rows,
                "files": taken.files,
                "files_known_before": taken.known_files,
                "quarantined": taken.quarantined,
                "late_rows_refused": taken.late_rows,
                "refused_files": len(taken.refused),
                "days": len(taken.days),
                **run_log.gave_way(context, taken.gave_way),
                **{f"watched/{place.place}": place.skipped or place.things for place in visited},
            }
        )

    return landed


def _model_spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(table),
        deps=[_key(report.table) for biller in billers().values() for report in biller.reports]
        if table in _BILLS
        else [payment_asset.KEY]
        if table in credit_tables.CREDIT_TABLES
        else [_key(_raw_table(gateway)) for gateway in gateways().values()],
        group_name="model",
        description=table.meaning,
        metadata={"dagster/column_schema": check.column_schema(table), "dagster/table_name": table.full_name},
        kinds={"polars", "duckdb"},
    )


@dg.multi_asset(specs=[_model_spec(table) for table in _MODELS], retry_policy=_BUSY, can_subset=False)
def models(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    """Make the dirty days anew, from rows to months."""
    built = build.Built()
    with passage.modelling(HOME, _now(), run_log.told(context.log), built) as connection:
        counts = {table.full_name: _count(connection, table.full_name) for table in _MODELS}
    gave_way = run_log.gave_way(context, built.gave_way)
    for table in _MODELS:
        yield dg.MaterializeResult(
            asset_key=_key(table),
            metadata={
                "dagster/row_count": counts[table.full_name],
                "rows_made": built.rows.get(table.full_name, 0),
                "days_made": len(built.days),
                **gave_way,
            },
        )


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
    return row[0] if row else 0


def _mart_table(name: str) -> Table:
    return Table("mart", name, mart.meaning(name), ())


def _mart_spec(name: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(_mart_table(name)),
        deps=[dg.AssetKey(source.split(".")) for source in mart.sources(name)],
        group_name="mart",
        description=mart.meaning(name),
        metadata={"dagster/table_name": f"mart.{name}"},
        kinds={"sql", "duckdb"},
    )


@dg.multi_asset(specs=[_mart_spec(name) for name in mart.names()], retry_policy=_BUSY, can_subset=False)
def mart_views(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    """Views over the models, so that a name is always today's."""
    with erasing.build_after(HOME, _now(), run_log.told(context.log)) as connection:
        mart.create(connection)
        for name in mart.names():
            described = connection.execute(f"DESCRIBE mart.{name}").fetchall()
            columns = check.column_schema(
                Table("mart", name, "", tuple(Column(row[0], row[1], "") for row in described))
            )
            yield dg.MaterializeResult(
                asset_key=_key(_mart_table(name)),
                metadata={"dagster/row_count": _count(connection, f"mart.{name}"), "dagster/column_schema": columns},
            )


_MARTS = [_key(_mart_table(name)) for name in mart.names()]
# No mart reads the months, whose check holds everything back: what comes after it has to say that it does.
_LEDGER = credit_asset.ledger(HOME, [*_MARTS, _key(tables.USAGE_MONTHLY)])


@dg.asset(
    key=["published", "warehouse"],
    deps=[*_MARTS, credit_asset.KEY],
    group_name="published",
    description="A version: what pages and sensors read, and a file of its own for people's SQL.",
    kinds={"duckdb"},
    retry_policy=_BUSY,
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=48), warn_window=timedelta(hours=26)),
)
def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Publish, where the build holds what the newest version does not."""
    with erasing.build_after(HOME, _now(), run_log.told(context.log)) as connection:
        version = publication.publish(HOME, connection, _now()) if publication.due(HOME, connection) else None
        publication.mend(HOME)
        (newest, as_of) = connection.execute(f"SELECT version, as_of FROM {tables.PUBLISHED.full_name}").fetchall()[0]
    pass_record.ended(HOME, is_good=True)
    return dg.MaterializeResult(
        metadata={
            "version": newest,
            "as_of": f"{as_of} UTC",
            "is_new": version is not None,
            "bytes": HOME.people_file.stat().st_size,
        }
    )


_RAW = [_raw(gateway) for gateway in gateways().values()]
_PULLS = [*pull_assets.assets(HOME), payment_asset.transactions(HOME)]
_ALL = [*_RAW, models, mart_views, _LEDGER, published]
_HELD = (check.conserved(HOME, _key(tables.USAGE_MONTHLY)), credit_asset.adds_up(HOME))
_EXPECTATIONS = [
    check.reconciled(HOME, _key(reconciliation_tables.DIFFERENCE)),
    *check.expectations(
        HOME,
        {
            **{gateway.schema: _key(_raw_table(gateway)) for gateway in gateways().values()},
            "model": _key(tables.REQUESTS),
            "mart": dg.AssetKey(["mart", "spend_daily"]),
        },
    ),
]

a_pass = dg.define_asset_job(
    "a_pass",
    selection=dg.AssetSelection.assets(*_ALL).without_checks() | dg.AssetSelection.checks(*_HELD),
    description="Inboxes to a new version: what `apiledger run` does.",
    executor_def=dg.in_process_executor,
    hooks={pass_record.failed(HOME)},
)
exports = export_schedule.jobs(HOME)
home_backup = backup_schedule.job(HOME)
bills = pull_assets.job(HOME, _PULLS, [models, mart_views, _LEDGER, published], _HELD)
expectations = dg.define_asset_job(
    "expectations",
    selection=dg.AssetSelection.checks(*_EXPECTATIONS),
    description="Great Expectations on the days that moved.",
    executor_def=dg.in_process_executor,
)


@dg.sensor(job=a_pass, minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def inbox(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Start a pass when a file waits and no pass is under way; the pass takes everything that waits by then."""
    waiting = sum(ingest.waiting(HOME, gateway) for gateway in gateways().values())
    if not waiting:
        return dg.SkipReason("no file waits")
    if under_way(context.instance, a_pass.name):
        return dg.SkipReason(f"{waiting} files wait for the pass that is under way")
    return dg.RunRequest(tags={"files_waiting": str(waiting)})


@dg.sensor(job=expectations, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.RUNNING)
def newly_published(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Look at a new version with Great Expectations, at most every five minutes: its import alone takes seconds."""
    version = str(database.current_version(HOME))
    if version == context.cursor:
        return dg.SkipReason(f"version {version} was looked at")
    context.update_cursor(version)
    return dg.RunRequest(tags={"version": version})


@dg.schedule(job=a_pass, cron_schedule="17 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """A pass an hour, for what no sensor sees; ticks missed while the machine slept are one pass."""
    if under_way(context.instance, a_pass.name):
        return dg.SkipReason("a pass is under way")
    return dg.RunRequest()


_WATCHERS = (*alert.SENSORS, *erase_asset.SENSORS)
passage.make_home(HOME, _now())
defs = dg.Definitions(
    assets=[*_ALL, *_PULLS, *retain.ASSETS, *idle_accounts.ASSETS, *erase_asset.ASSETS, *audit_asset.ASSETS],
    asset_checks=[*_HELD, *_EXPECTATIONS],
    jobs=[a_pass, bills, expectations, home_backup, *exports, *retain.JOBS, *erase_asset.JOBS, *audit_asset.JOBS],
    sensors=[inbox, newly_published, watch_sensor.watched(HOME, a_pass, under_way), *_WATCHERS],
    schedules=[
        hourly,
        pull_assets.half_hourly(HOME, bills, under_way),
        *export_schedule.schedules(exports),
        backup_schedule.daily(home_backup),
        *retain.SCHEDULES,
        *audit_asset.SCHEDULES,
    ],
    executor=dg.in_process_executor,
)
