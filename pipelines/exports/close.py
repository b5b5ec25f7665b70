"""mart.* of the newest version -> closes/<month>/: a month frozen into one folder of files with their hashes.

Each manifest names the one before it by its hash, and control.sqlite keeps the hash of each: a file, a manifest or a
whole month that is changed or taken away is found.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.errors import PipelineError
from pipelines.exports import correction, export, focus_validator
from warehouse import database, file_copy, focus_rules
from warehouse.closed_month import FOCUS, MANIFEST, Content, folder, manifest_of, put, put_manifest, working
from warehouse.control import budget, month_close, protection
from warehouse.home import Home
from warehouse.table_file import csv_bytes, parquet_bytes

# Gateways' late lines are waited for so long after a month, as before a day is sealed.
LATE_DAYS = 3
PATIENCE_S = 60.0
VALIDATED = "focus_1_2.csv"
VIEWS = tuple(export.FOCUS_VERSIONS.values())


class CloseError(PipelineError):
    """A month that cannot be closed; nothing was written."""


@dataclass(frozen=True)
class Closed:
    """What a close wrote: where, how many files and rows of FOCUS, their cost in USD, and what was still open.

    `judged` says in a few words each what the rules, and FOCUS's validator where there is one, said of the files.
    """

    folder: Path
    files: int
    rows: int
    cost_usd: Decimal
    provisional: tuple[str, ...]
    judged: tuple[str, ...]


def close(home: Home, month: date, now: datetime, *, provisional: bool = False) -> Closed:
    """Freeze the month that begins with `month`; `now` is UTC.

    CloseError where it is closed already, where a month between the last close and it is open, and, unless
    `provisional`, while days of it may still change. ValidatorError where FOCUS's validator is installed and does not
    judge. WarehouseError while nothing is published.
    """
    validator = focus_validator.program()
    name, now = f"{month:%Y-%m}", now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
    # Nobody is taken out of closed months, and nothing is published, while one more is made of what there is.
    with (
        database.held(home.build_lock, PATIENCE_S),
        database.control(home) as control,
        database.published(home) as connection,
    ):
        known = month_close.listed(control)
        _follows(home, known, month)
        still = tuple(unsettled(connection, month, now))
        if still and not provisional:
            raise CloseError(f"{name} may still change: {'; '.join(still)}. Wait, or close it with --provisional")
        part = working(home, name)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700, parents=True)
        verdicts: dict[str, dict[str, Any]] = {}
        written = [put(part, path, content) for path, content in _files(connection, home, known, month, verdicts)]
        if validator:
            judgement = focus_validator.judged(validator, part / VALIDATED)
            written.append(put(part, focus_validator.REPORT, Content(judgement.body, 0)))
            verdicts[focus_validator.REPORT] = {"passed": judgement.passed, "failed": list(judgement.failed)}
        ((version, as_of, kind),) = connection.execute("SELECT version, as_of, home FROM mart.published").fetchall()
        first = next(file for file in written if file["path"] == FOCUS)
        manifest = {
            "month": name,
            "closed_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "home": kind,
            "published_version": version,
            "as_of": f"{as_of:%Y-%m-%dT%H:%M:%SZ}",
            "provisional": list(still),
            "billed_cost_usd": first["billed_cost_usd"],
            "judged": verdicts,
            "files": written,
            "previous": {"month": known[-1].month, "manifest_sha256": known[-1].manifest_sha256} if known else None,
        }
        digest = put_manifest(part, manifest)
        with database.transaction(control):
            month_close.record(control, month_close.Close(name, now, digest))
            part.rename(folder(home, name))
            file_copy.synced(folder(home, name).parent)
    said = tuple(
        f"{report}: {one['passed']} rules passed, {len(one['failed'])} failed {', '.join(one['failed'])}".rstrip()
        for report, one in verdicts.items()
    )
    return Closed(folder(home, name), len(written), first["rows"], Decimal(first["billed_cost_usd"]), still, said)


def _follows(home: Home, known: list[month_close.Close], month: date) -> None:
    name = f"{month:%Y-%m}"
    if any(one.month == name for one in known):
        raise CloseError(f"{name} is closed; what changes of it is a correction in the open month")
    if folder(home, name).exists():
        raise CloseError(f"{folder(home, name)} is there, but not as a close: look at it and move it away")
    if known and (following := open_month(known)) != month:
        raise CloseError(f"the month to close is {following:%Y-%m}: months are closed one after the other")


def open_month(known: list[month_close.Close]) -> date:
    """The month after the last closed one."""
    return budget.month(date.fromisoformat(f"{known[-1].month}-01"))[1]


def unsettled(connection: duckdb.DuckDBPyConnection, month: date, now: datetime) -> Iterator[str]:
    """Why days of a month may still change, in a few words each."""
    start, after = budget.month(month)
    if now.date() < after:
        yield "it is not over"
    elif now.date() < after + timedelta(days=LATE_DAYS):
        yield f"late lines of gateways' logs are waited for until {after + timedelta(days=LATE_DAYS)}"
    for source, days, last in connection.execute(
        """SELECT connection.source,
             count(DISTINCT pull.day)
               FILTER (pull.settlement = 'provisional' AND pull.day >= $start AND pull.day < $after),
             max(pull.day)
           FROM model.built_pull AS pull JOIN model.connection AS connection USING (connection_no)
           GROUP BY connection.source ORDER BY 1""",
        {"start": start, "after": after},
    ).fetchall():
        if days:
            yield f"{days} days of {source}'s bill are provisional"
        if start <= last < after - timedelta(days=1):
            yield f"{source}'s bill is read up to {last}"


def _files(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    known: list[month_close.Close],
    month: date,
    verdicts: dict[str, dict[str, Any]],
) -> Iterator[tuple[str, Content]]:
    """Each file's name and content; what the reports say goes into `verdicts`."""
    start, after = (datetime.combine(day, datetime.min.time()) for day in budget.month(month))
    folders = [folder(home, one.month) for one in known]
    is_protected = protection.is_on(home)
    query = "SELECT coalesce(sum(cost_usd), 0) FROM mart.spend_daily WHERE day >= ? AND day < ?"
    ((spend_usd,),) = connection.execute(query, [start, after]).fetchall()
    for view in VIEWS:
        closed = correction.frozen(connection, view, folders, is_protected=is_protected)
        tables = [correction.today(connection, view, start), correction.corrections(connection, view, closed, start)]
        table = pa.concat_tables(tables)
        cost = str(sum(table["BilledCost"].to_pylist(), Decimal(0)))
        stem = view.removeprefix("mart.")
        yield f"{stem}.parquet", Content(parquet_bytes(table), table.num_rows, cost)
        yield f"{stem}.csv", Content(body := csv_bytes(table), table.num_rows, cost)
        report = focus_rules.report(body, table, spend_usd)
        yield f"{stem}_rules.csv", Content(report.body, report.rules)
        passed = report.rules - len(report.broken)
        verdicts[f"{stem}_rules.csv"] = {"passed": passed, "failed": list(report.broken)}
    since = known[-1].closed_at if known else datetime.min  # noqa: DTZ901 - naive moments are UTC in the marts
    days = {"start": start.date(), "after": after.date(), "since": since}
    for name, sql in {
        "invoice_tie_out": """FROM mart.invoice_tie_out
            WHERE period_start < $after AND period_end >= $start ORDER BY ALL""",
        "plan_value": "FROM mart.plan_value WHERE month = $start ORDER BY ALL",
        "reconciliation": """FROM mart.reconciliation_daily WHERE day >= $start AND day < $after ORDER BY ALL""",
        "difference_cause": """SELECT account, provider, cause, sum(amount_usd) AS amount_usd
            FROM mart.difference_cause WHERE day >= $start AND day < $after GROUP BY ALL ORDER BY ALL""",
        "changes": """FROM mart.changes
            WHERE (changed_at > $since AND day < $after) OR (day >= $start AND day < $after) ORDER BY ALL""",
    }.items():
        bound = {key: value for key, value in days.items() if f"${key}" in sql}
        found = connection.execute(sql, bound).to_arrow_table()
        yield f"{name}.csv", Content(csv_bytes(found), found.num_rows)


def wrong(home: Home) -> list[str]:
    """What of the closed months is not as it was frozen; nothing where all is."""
    found: list[str] = []
    with database.control(home) as control:
        known = month_close.listed(control)
    before: month_close.Close | None = None
    for one in known:
        place = folder(home, one.month)
        try:
            body = (place / MANIFEST).read_bytes()
        except FileNotFoundError:
            found.append(f"{one.month}: its manifest is gone")
            before = one
            continue
        if hashlib.sha256(body).hexdigest() != one.manifest_sha256:
            found.append(f"{one.month}: its manifest is not the one that was written")
        else:
            manifest = json.loads(body)
            chained = manifest["previous"] and manifest["previous"]["manifest_sha256"]
            if chained != (before and before.manifest_sha256):
                found.append(f"{one.month}: it is not chained to the close before it")
            found += (f"{one.month}: {what}" for what in _apart(place, manifest["files"]))
        before = one
    names = {one.month for one in known}
    there = sorted(place.name for place in folder(home, "").glob("*") if not place.name.startswith("."))
    return found + [f"{name}: no close is known of it" for name in there if name not in names]


def rewritten(home: Home) -> list[str]:
    """Which closed months were written anew since, when and why; an erasure's receipt says how many rows went."""
    found = []
    with database.control(home) as control:
        known = month_close.listed(control)
    for one in known:
        for note in (manifest_of(home, one) or {}).get("rewritten", []):
            what = "rewritten" if note["files"] else "chained anew, its files as they were,"
            found.append(f"{one.month}: {what} on {note['on']} by {note['by']}")
    return found


def _apart(place: Path, files: list[dict[str, Any]]) -> Iterator[str]:
    named = {file["path"]: file["sha256"] for file in files}
    there = {path.name: path for path in place.iterdir() if path.name != MANIFEST}
    for name, digest in named.items():
        if name not in there:
            yield f"{name} is gone"
        elif hashlib.sha256(there[name].read_bytes()).hexdigest() != digest:
            yield f"{name} is not what was frozen"
    yield from (f"{name} was put there later" for name in sorted(there.keys() - named.keys()))
