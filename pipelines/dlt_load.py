"""Parquet parts -> raw_<gateway>.calls, by dlt's file import into the build that the caller holds.

dlt sees only what the boundary wrote. Its working folder is emptied before and after: a package that a kill left behind
can wedge a pipeline for good (`LoadPackageAlreadyCompleted`), and the inbox is the truth until a receipt is written.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import duckdb

from pipelines.provider import Gateway
from warehouse.tables import RAW_CALLS

_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # Only a file that this process wrote is ever configuration.
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
    "TIMESTAMP": {"data_type": "timestamp", "timezone": False},
    "DECIMAL(38,12)": {"data_type": "decimal", "precision": 38, "scale": 12},
}


def load(connection: duckdb.DuckDBPyConnection, folder: Path, gateway: Gateway, parts: list[tuple[Path, int]]) -> None:
    """Append the parts to the gateway's raw table, every column typed by hand; dlt's own errors come through."""
    os.environ.update(_SETTINGS)
    import dlt
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

    work = folder / gateway.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    try:
        pipeline = dlt.pipeline(
            pipeline_name=gateway.name,
            pipelines_dir=str(work),
            destination=dlt.destinations.duckdb(DuckDbCredentials(connection)),
            dataset_name=gateway.schema,
        )
        # The state is the inbox and the receipts; asking the destination for one costs a second.
        pipeline.config.restore_from_destination = False
        pipeline.run(_calls(parts)).raise_on_failed_jobs()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _calls(parts: list[tuple[Path, int]]) -> Any:
    import dlt

    columns: Any = [{"name": column.name, **_KINDS[column.type], "nullable": True} for column in RAW_CALLS]

    def calls() -> Any:
        for path, rows in parts:
            yield dlt.mark.with_file_import(str(path), "parquet", rows)

    return dlt.resource(calls, name="calls", columns=columns, write_disposition="append")
