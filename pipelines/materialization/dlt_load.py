"""Parquet parts -> raw_<source>.*, by dlt's file import into the build that the caller holds.

dlt sees only what the boundary wrote. Its working folder is emptied before and after: a package that a kill left behind
can wedge a pipeline for good (`LoadPackageAlreadyCompleted`), and the inbox is the truth until a receipt is written.
"""

import importlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from pipelines.gateways.provider import Gateway
from warehouse.tables import RAW_CALLS, Table

_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "LOAD__TRUNCATE_STAGING_DATASET": "true",
    "LOAD__WORKERS": "2",
    "NORMALIZE__WORKERS": "1",
}
_KINDS: dict[str, dict[str, Any]] = {
    "BIGINT": {"data_type": "bigint"},
    "SMALLINT": {"data_type": "bigint", "precision": 16},
    "VARCHAR": {"data_type": "text"},
    "DATE": {"data_type": "date"},
    "TIMESTAMP": {"data_type": "timestamp", "timezone": False},
    "DECIMAL(38,12)": {"data_type": "decimal", "precision": 38, "scale": 12},
}


Parts = list[tuple[Path, int]]


def load(connection: duckdb.DuckDBPyConnection, folder: Path, gateway: Gateway, parts: Parts) -> None:
    """Append the parts to the gateway's raw table."""
    calls = Table(gateway.schema, "calls", f"{gateway.title}: one row per record.", RAW_CALLS)
    load_tables(connection, folder, gateway.name, [(calls, parts)])


def load_tables(
    connection: duckdb.DuckDBPyConnection, folder: Path, name: str, loads: list[tuple[Table, Parts]]
) -> None:
    """Append parts to raw tables of one schema, every column typed by hand; dlt's own errors come through.

    `name` is the source's, and of the folder below `folder` that dlt works in.
    """
    os.environ.update(_SETTINGS)
    _imported_alone()
    import dlt

    _without_files()
    work = folder / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    pipeline = None
    try:
        pipeline = dlt.pipeline(
            pipeline_name=name,
            pipelines_dir=str(work),
            destination=_destination(connection),
            dataset_name=loads[0][0].schema,
        )
        # The state is the inbox and the receipts; asking the destination for one costs a second.
        pipeline.config.restore_from_destination = False
        pipeline.run([_resource(table, parts) for table, parts in loads]).raise_on_failed_jobs()
    finally:
        if pipeline is not None:
            # Else dlt holds it until the next one, and by an error of its settings whoever loaded with all they held.
            pipeline.deactivate()
        shutil.rmtree(work, ignore_errors=True)


def _imported_alone() -> None:
    """Import dlt where nobody calls: it keeps an error of its import for good, and by that every frame above it."""
    if "dlt" not in sys.modules:
        with ThreadPoolExecutor(1) as nobody:
            nobody.submit(importlib.import_module, "dlt").result()


def _without_files() -> None:
    """Keep dlt's settings to this process: a `.dlt` folder of somebody's, in the home or where he stands, is not ours.

    dlt looks for secrets beside those files in Streamlit, too, and imports all of it for that.
    """
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.providers import EnvironProvider
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
    from dlt.common.runtime.run_context import RunContext

    class Process(RunContext):
        """dlt's own context, whose settings are the environment's alone."""

        def initial_providers(self) -> list[Any]:
            return [EnvironProvider()]

    container = Container()
    if PluggableRunContext not in container:
        container[PluggableRunContext] = PluggableRunContext(Process(None))


def _destination(connection: duckdb.DuckDBPyConnection) -> Any:
    from dlt.destinations import duckdb as destination
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

    class Build(destination):
        """The build, which can do the same throughout a load: asked ten times, dlt looks up all settings each time."""

        settings: Any = None

        def capabilities(self, config: Any = None, naming: Any = None) -> Any:
            if config is None:
                if self.settings is None:
                    own = self.spec(credentials=self.config_params["credentials"].copy())
                    self.settings = self.configuration(own, accept_partial=True)
                config = self.settings
            return super().capabilities(config, naming)

    return Build(DuckDbCredentials(connection), destination_name="duckdb")


def _resource(table: Table, parts: Parts) -> Any:
    import dlt

    columns: Any = [{"name": column.name, **_KINDS[column.type], "nullable": True} for column in table.columns]

    def rows() -> Any:
        for path, count in parts:
            yield dlt.mark.with_file_import(str(path), "parquet", count)

    return dlt.resource(rows, name=table.name, columns=columns, write_disposition="append")
