"""What is wrong with a home, and the next step for each: looked at, never changed."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines.alerts import postman
from pipelines.alerts.mail_server import MailSettingError
from pipelines.backups import backup_health
from pipelines.bills import connection_health
from pipelines.commands import anchor_health, branding_health, disk_health, idle_health, notice_health, rights_overdue
from pipelines.gateways import watch
from pipelines.gateways.finding import Finding
from pipelines.materialization import landed
from pipelines.payments import health as payment_health
from pipelines.services import lock_holder, service, supervisor
from warehouse import database
from warehouse.control import outbox, vault
from warehouse.errors import KeyUnavailableError, WarehouseError
from warehouse.home import Home

WAITING_TOO_LONG = timedelta(minutes=10)
CLOCK_SLACK = timedelta(minutes=2)
RESTARTS_TOO_MANY = 3


def findings(home: Home, now: datetime) -> Iterator[Finding]:
    """Look at everything that can be wrong with a home; yields what is."""
    if os.geteuid() == 0:
        # Root opens what is 0400 for writing, so the files' modes no longer guard them.
        yield Finding("this runs as root", "run apiledger as a user of its own", warning=True)
    if not home.root.exists():
        yield Finding(f"there is no home at {home.root}", "run `apiledger up`, or name another with --home")
        yield from _key(home, now)
        return
    yield from _modes(home)
    yield from _key(home, now)
    yield from branding_health.findings(home)
    yield from _people_file(home)
    yield from _inbox(home, now)
    yield from _quarantine(home)
    yield from _build(home)
    yield from _version(home, now)
    yield from _services(home)
    yield from _disk(home)
    yield from disk_health.findings(home)
    yield from connection_health.findings(home, now)
    yield from _mail(home, now)
    yield from notice_health.findings(home, now)
    yield from _bills(home)
    yield from _watched(home, now)
    yield from payment_health.findings(home)
    yield from backup_health.findings(home, now)
    yield from rights_overdue.findings(home, now)
    yield from idle_health.findings(home, now)
    yield from anchor_health.findings(home, now)


def _bills(home: Home) -> Iterator[Finding]:
    """What the newest version's bills do not tell, and what they tell in a currency that no rate converts."""
    try:
        with database.published(home) as connection:
            notes = connection.execute("SELECT source, note FROM mart.coverage ORDER BY ALL").fetchall()
            foreign = connection.execute(
                """SELECT provider, currency, sum(unconverted_lines)::BIGINT, min(day) FROM mart.foreign_currency
                   WHERE unconverted_lines > 0 GROUP BY ALL ORDER BY ALL"""
            ).fetchall()
    except (WarehouseError, duckdb.Error):
        # No version, or one of an older program: a finding of its own.
        return
    for source, note in notes:
        yield Finding(f"{source}: {note}", "none needed: it is said so that nobody takes the sum for all", warning=True)
    for provider, currency, lines, day in foreign:
        what = f"{lines:,} lines of {provider} in {currency} are in no sum: no rate is known"
        yield Finding(what, f"run `apiledger fx set {day} {currency} RATE`, then `apiledger run`")


def _modes(home: Home) -> Iterator[Finding]:
    open_to_others, foreign = [], []
    for folder, folders, files in os.walk(home.root):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o077:
                open_to_others.append(path)
            if status.st_uid != os.geteuid():
                foreign.append(path)
        folders.sort()
    step = f"run `chmod -R go= {home.root}`"
    if open_to_others:
        others = f" and {len(open_to_others) - 1} more" if len(open_to_others) > 1 else ""
        yield Finding(f"others may look into {open_to_others[0]}{others}; folders are 0700 and files 0600", step)
    if foreign:
        count = f"{foreign[0]} and {len(foreign) - 1} more" if len(foreign) > 1 else str(foreign[0])
        yield Finding(f"another user owns {count}", f"run as that user, or `chown -R` {home.root}")


def _key(home: Home, now: datetime) -> Iterator[Finding]:
    path = vault.master_key_file()
    if path.exists() and path.stat().st_mode & 0o077:
        yield Finding(f"others may read the master key {path}", f"run `chmod 600 {path}`")
    if "APILEDGER_MASTER_KEY" not in os.environ and path.resolve().is_relative_to(home.root.resolve()):
        step = "move it out and name its place in APILEDGER_KEY_FILE: whoever copies the home would have both"
        yield Finding(f"the master key {path} lies inside the home", step)
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        if control.execute("SELECT 1 FROM setting WHERE name = 'pepper'").fetchone() is None:
            return
        try:
            vault.Vault(control, now)
        except KeyUnavailableError as error:
            yield Finding(str(error), "put the key back that this home was made with; nothing can be sealed or opened")


def _people_file(home: Home) -> Iterator[Finding]:
    for path in (home.people_file, home.build_file):
        holder = lock_holder.writer(path)
        if holder is not None and not (path == home.build_file and _pass_under_way(home)):
            step = f"end process {holder}, and open {home.people_file} with read_only=True"
            yield Finding(f"process {holder} holds {path} for writing, so nobody else can open it", step)
    # Beside the file itself, or beside the link to it by programs that do not follow links.
    for path in {home.people_file, home.people_file.resolve()}:
        wal = path.with_name(f"{path.name}.wal")
        if wal.exists():
            step = "the next pass gives a fresh copy; write into a database of your own and ATTACH this one"
            yield Finding(f"{wal} is there: somebody wrote into the people's file", step, warning=True)


def _pass_under_way(home: Home) -> bool:
    try:
        with database.held(home.build_lock, patience_s=0):
            return False
    except WarehouseError:
        return True


def _inbox(home: Home, now: datetime) -> Iterator[Finding]:
    from pipelines.bills.biller import inboxes
    from pipelines.gateways.provider import gateways

    read = {*gateways(), *inboxes()}
    for folder in sorted(path for path in home.inbox.glob("*") if path.is_dir()):
        files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
        if files and folder.name not in read:
            known = ", ".join(sorted(read))
            yield Finding(f"nothing reads inbox/{folder.name}, which holds {len(files)} files", f"known are: {known}")
            continue
        old = [path for path in files if now.timestamp() - path.stat().st_mtime > WAITING_TOO_LONG.total_seconds()]
        parts = [path for path in old if path.name.endswith(".part")]
        if parts:
            step = "finish writing and take .part off the name, or remove them"
            yield Finding(f"{len(parts)} files in inbox/{folder.name} are still named .part", step, warning=True)
        if len(old) > len(parts):
            step = "run `apiledger run` and read what it says" if service.is_running(home) else "run `apiledger up`"
            waited = f"have waited more than {WAITING_TOO_LONG.seconds // 60} minutes"
            yield Finding(f"{len(old) - len(parts)} files in inbox/{folder.name} {waited}", step)


def _quarantine(home: Home) -> Iterator[Finding]:
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        query = "SELECT gateway, reason, count(*) FROM quarantine GROUP BY gateway, reason ORDER BY 3 DESC LIMIT 5"
        for gateway, reason, lines in control.execute(query).fetchall():
            what = f"{lines} lines of {gateway} are in quarantine: {reason}"
            yield Finding(what, "correct the gateway's log format and send those lines again", warning=True)


def _build(home: Home) -> Iterator[Finding]:
    """Whether the build has every row that was signed for; not asked while a pass is under way."""
    step = "run `apiledger restore`: the newest version takes its place"
    if not home.control_file.exists() or _pass_under_way(home):
        return
    try:
        with database.control(home) as control, database.read_only(home.build_file) as build:
            missing = landed.missing_loads(build, control)
    except duckdb.Error as error:
        if lock_holder.writer(home.build_file) is None:
            yield Finding(f"{home.build_file} cannot be read: {str(error).splitlines()[0]}", step)
        return
    if missing:
        rows = sum(load.signed_rows - load.stored_rows for load in missing)
        yield Finding(f"the build lacks {rows:,} rows of {len(missing):,} loads", step)


def _version(home: Home, now: datetime) -> Iterator[Finding]:
    try:
        with database.published(home) as connection:
            row = connection.execute("SELECT version, as_of FROM mart.published").fetchone()
    except (WarehouseError, duckdb.Error) as error:
        yield Finding(f"no version can be read: {error}", "run `apiledger run`")
        return
    if row is None:
        yield Finding("the newest version does not say its number", "run `apiledger run`")
        return
    version, as_of = row
    as_of = as_of.replace(tzinfo=UTC)
    if as_of > now + CLOCK_SLACK:
        step = "set the clock; days would be sealed and expired by a wrong one"
        yield Finding(f"version {version} is from {as_of:%Y-%m-%d %H:%M} UTC, and this machine's clock is behind", step)
    if home.control_file.exists():
        with database.control(home) as control:
            (landed,) = control.execute("SELECT max(landed_at) FROM load WHERE state = 'landed'").fetchone()
        if landed and datetime.fromisoformat(landed) > as_of and now - as_of > WAITING_TOO_LONG:
            yield Finding(f"version {version} lacks what has landed since {as_of:%H:%M} UTC", "run `apiledger run`")
    yield from _people_version(home, version)


def _people_version(home: Home, version: int) -> Iterator[Finding]:
    try:
        connection = database.read_only(home.people_file)
    except duckdb.Error:
        # Held by a writer, which is a finding of its own, or missing.
        if not home.people_file.exists():
            yield Finding(f"{home.people_file} is missing", "run `apiledger run`")
        return
    try:
        row = connection.execute("SELECT version FROM mart.published").fetchone()
    except duckdb.Error:
        row = None
    finally:
        connection.close()
    if row != (version,):
        yield Finding(f"{home.people_file} is not version {version}, the newest", "run `apiledger run`")


def _services(home: Home) -> Iterator[Finding]:
    found = service.running(home)
    for one in found:
        log = supervisor.log_file(home, one.name)
        if not one.well:
            yield Finding(f"the {one.name} does not answer", f"read {log}; `apiledger stop` and `up` start all afresh")
        elif one.restarts > RESTARTS_TOO_MANY:
            yield Finding(f"the {one.name} was restarted {one.restarts} times", f"read {log}", warning=True)
    if found:
        return
    for name, port in (("Dagster's web UI", service.WEB_UI_PORT), ("the dashboard", service.DASHBOARD_PORT)):
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex((service.HOST, port)) == 0:
                step = "none needed: `apiledger up` takes the next free port and says which"
                yield Finding(f"port {port} of {name} is taken by another program", step, warning=True)


def _disk(home: Home) -> Iterator[Finding]:
    size = home.build_file.stat().st_size if home.build_file.exists() else 0
    free = shutil.disk_usage(home.root).free
    if free < 2 * size:
        what = f"{free // 10**6:,} MB are free; rewriting {home.build_file} ({size // 10**6:,} MB) takes twice its size"
        yield Finding(what, "make room: until then an erasure cannot be finished")


def _mail(home: Home, now: datetime) -> Iterator[Finding]:
    """Whether alerts reach anybody: a mail server is named, and what it did not take is known."""
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        unsent = outbox.unsent(control)
        if not unsent and control.execute("SELECT 1 FROM budget WHERE ended_at IS NULL").fetchone() is None:
            return
        try:
            if postman.server(control, vault.Vault(control, now.replace(tzinfo=None))) is None:
                step = f"set {postman.SETTING} or run `apiledger budget server`, then `apiledger budget test`"
                yield Finding("there are mails to send and no mail server is set, so nobody is told", step)
        except MailSettingError as error:
            yield Finding(str(error), "then run `apiledger budget test`")
        except KeyUnavailableError:
            # A finding of its own.
            return
    count, reason = unsent.get("dead", (0, None))
    if count:
        yield Finding(f"{count} mails were given up: {reason}", "mend that, then run `apiledger budget retry`")
    count, reason = unsent.get("queued", (0, None))
    if reason:
        yield Finding(f"{count} mails wait: {reason}", "they are tried again by themselves", warning=True)


def _watched(home: Home, now: datetime) -> Iterator[Finding]:
    """Whether the folders that are watched can be read."""
    try:
        for place, why in watch.troubles(home, now.replace(tzinfo=None)):
            yield Finding(f"{place.title} are not read: {why}", f"mend {place.setting}, or unset it")
    except KeyUnavailableError:
        # A finding of its own.
        return
