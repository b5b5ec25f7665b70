"""dagster/: runs, events, ticks and what runs wrote, gone to the last byte once they are older than their clause.

Dagster's own API deletes a run with its log. It has none for what a run leaves in the index of all assets (what was
made and checked, with its metadata): `wipe_assets` forgets an asset as a whole, and by partition it is not implemented
on SQLite. So those rows are deleted by their age in the file itself, which Dagster's own migrations keep in this form.
"""

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from retention import receipts, stores
from retention.policy import Clause
from retention.receipts import Expired
from warehouse import database
from warehouse.home import Home

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
# Of the index of all assets: a table, and the column that dates its rows.
_INDEX = (
    ("event_logs", "timestamp"),
    ("asset_event_tags", "event_timestamp"),
    ("asset_check_executions", "create_timestamp"),
)


def sweep(instance: dg.DagsterInstance, home: Home, clause: Clause, now: datetime) -> list[Expired]:
    """Delete what ended longer ago than `clause` keeps it; what was taken, without a receipt yet. `now` is UTC."""
    limit = now - timedelta(days=clause.kept_days or 0)
    ended = dg.RunsFilter(statuses=_ENDED, updated_before=limit.replace(tzinfo=UTC))
    runs = instance.get_run_ids(ended)
    for run_id in runs:
        instance.delete_run(run_id)
    files = _left_by_runs(instance, home, limit, set(runs))
    taken = [(f"dagster/{what}", names) for what, names in (("runs", runs), ("files of runs", files)) if names]
    found = [Expired(clause.id, what, len(names), digest=receipts.digest(names)) for what, names in taken]
    for name in files:
        path = home.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    index = home.dagster / "history" / "runs" / "index.db"
    if index.exists():
        with database.tool_store(index) as store:
            rows = _index_rows(store, limit)
        found += [Expired(clause.id, "dagster/history/runs/index.db", rows)] if rows else []
    for file in (index, home.dagster / "history" / "runs.db", home.dagster / "schedules" / "schedules.db"):
        if file.exists():
            _emptied(file)
    return found


def _left_by_runs(instance: dg.DagsterInstance, home: Home, limit: datetime, deleted: set[str]) -> list[str]:
    """Logs, captured output and stored values of runs that are no more, also where deleting them broke off before."""
    known = set(instance.get_run_ids())
    found = []
    for path in (*(home.dagster / "history" / "runs").glob("*.db*"), *(home.dagster / "storage").glob("*")):
        run_id = path.name.split(".")[0]
        if run_id in deleted or (run_id not in {"index", *known} and stores.changed_at(path) < limit):
            found.append(str(path.relative_to(home.root)))
    return found


def _index_rows(store: sqlite3.Connection, limit: datetime) -> int:
    """Delete the events of all assets that are older than `limit`; how many rows went."""
    rows = 0
    with database.transaction(store):
        for table, dated in _INDEX:
            rows += store.execute(f"DELETE FROM {table} WHERE {dated} < ?", (limit.isoformat(" "),)).rowcount
        # An asset's own row has its last event in it once more.
        rows += store.execute(
            """UPDATE asset_keys SET last_materialization = NULL, last_run_id = NULL, cached_status_data = NULL
               WHERE last_materialization IS NOT NULL AND asset_key NOT IN (
                 SELECT asset_key FROM event_logs
                 WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND asset_key IS NOT NULL)"""
        ).rowcount
    return rows


def _emptied(file: Path) -> None:
    """Write a store anew: what Dagster itself deleted, here or in its daemon, may have left its bytes."""
    with database.tool_store(file) as store:
        store.execute("VACUUM")
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def under_way(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of a job waits or goes on."""
    active = [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    return bool(instance.get_runs(dg.RunsFilter(job_name=job, statuses=active), limit=1))
