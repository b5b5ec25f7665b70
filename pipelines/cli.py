"""The command line, `apiledger`: start, stop, run, ask, look after. A command imports what it needs when it runs."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines import memory_pools
from pipelines.commands.account import account
from pipelines.commands.allocate import allocate
from pipelines.commands.backup import backup
from pipelines.commands.budget import budget
from pipelines.commands.close import close
from pipelines.commands.connect import connect
from pipelines.commands.credit_payments import credit
from pipelines.commands.disclose import disclose
from pipelines.commands.erase import erase
from pipelines.commands.export import export
from pipelines.commands.fx import fx
from pipelines.commands.hold import hold
from pipelines.commands.invoice import invoice
from pipelines.commands.name import name as naming
from pipelines.commands.plan import plan
from pipelines.commands.policy import policy
from pipelines.commands.prices import prices
from pipelines.commands.protect import protect
from pipelines.commands.rights import rights
from pipelines.commands.sandbox import sandbox
from pipelines.commands.token import token
from pipelines.commands.zone import zone
from pipelines.errors import AlreadyRunningError, PipelineError, QueryError
from retention.errors import RetentionError
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    from pipelines.services.service import Running
    from warehouse.home import Home

_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest. Default: data/ once it holds something (or what APILEDGER_HOME "
    "names), else the sandbox of made-up data.",
)


def _now() -> datetime:
    return datetime.now(UTC)


def _utc() -> datetime:
    """Return the time as the warehouse keeps it: UTC without saying so, or DuckDB would shift it to the machine's."""
    return _now().replace(tzinfo=None)


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="apiledger")
def cli() -> None:
    """What your AI APIs cost, to the cent."""


@cli.command()
@_home
def up(named: Path | None) -> None:
    """Serve the dashboard and Dagster on this machine, in the background."""
    from pipelines import passage
    from pipelines.commands.account import sign_in_link
    from pipelines.commands.chosen_home import has_something
    from pipelines.sandbox import sandbox_home
    from pipelines.services import service
    from warehouse.home import Home

    home = _chosen(named)
    if home == Home.sandbox() or home.is_sandbox:
        click.echo(f"Serving the sandbox of made-up data in {home.root}")
        if named is None:
            click.echo(f"For your own: put logs into {Home.own().inbox}/<gateway>/ and run `apiledger up` again")
        if not service.is_running(home):
            sandbox_home.go_on(home, _now())
    else:
        click.echo(f"Serving {home.root}")
        if service.stop(Home.sandbox()):
            click.echo("The sandbox was stopped")
    passage.make_home(home, _utc())
    if not service.is_running(home) and has_something(home):
        _pass(home)
    try:
        found = service.start(home, click.echo)
    except AlreadyRunningError:
        found = service.running(home)
        click.echo("It runs already")
    for name, title in (("dashboard", "Dashboard"), ("web-ui", "Dagster")):
        click.echo(f"{title:<10} {_address(found, name)}")
    click.echo(f"Sign in    {sign_in_link(home)}")
    click.echo("           once, within 15 minutes; who uses it is 18 or older and accepts the policy at /privacy")
    click.echo("Stop it with `make stop`.")


def _address(found: "list[Running]", name: str) -> str:
    address = next((one.address for one in found if one.name == name), None)
    return "starting" if address is None else address.split("/server_info")[0].split("/_stcore")[0]


@cli.command()
@_home
def stop(named: Path | None) -> None:
    """Stop what `up` started, and the runs it started."""
    from pipelines.services import service
    from warehouse.home import Home

    homes = [Home(named.absolute())] if named else list(dict.fromkeys((Home.own(), Home.sandbox())))
    stopped = [home for home in homes if service.stop(home)]
    for home in stopped:
        click.echo(f"Stopped the services of {home.root}")
    if not stopped:
        click.echo("Nothing was running")


@cli.command()
@_home
def run(named: Path | None) -> None:
    """Take in what waits, build, check and publish: one whole pass, here."""
    from pipelines import passage

    _pass(passage.make_home(_chosen(named), _utc()))


def _pass(home: "Home") -> None:
    from pipelines.commands.progress import shown
    from pipelines.passage import run_pass
    from pipelines.payments import pull as payments
    from pipelines.sandbox import providers

    started = time.monotonic()
    with shown() as progress, providers.connected(home):
        report = run_pass(home, _utc(), progress)
    for taken in report.ingested:
        held_back = f", {taken.quarantined:,} lines in quarantine" if taken.quarantined else ""
        click.echo(f"{taken.gateway:<14} {taken.rows:,} rows of {taken.files:,} files{held_back}")
        if taken.late_rows:
            said = f"{taken.late_rows:,} rows refused: their days have expired, or whose they are was erased"
            click.echo(f"{taken.gateway:<14} {said}", err=True)
        for reason in taken.refused:
            click.echo(f"{taken.gateway:<14} set aside: {reason}", err=True)
    for place in report.watched:
        if place.skipped is not None:
            click.echo(f"{place.place:<14} skipped: {place.skipped}", err=True)
    for bill in report.pulled:
        said = bill.skipped or f"{bill.rows:,} rows of {bill.new_days:,} new days of {bill.days:,}"
        click.echo(f"{bill.provider:<14} {said}", err=bill.skipped is not None)
        for note in bill.notes:
            click.echo(f"{bill.provider:<14} {note}", err=True)
    if report.paid.read or payments.is_connected(home):
        held_back = f", {report.paid.held_back:,} cannot be read" if report.paid.held_back else ""
        read = f"{report.paid.new:,} new of {report.paid.read:,} transactions of payments{held_back}"
        said = report.paid.skipped or read
        click.echo(f"{'stripe':<14} {said}", err=report.paid.skipped is not None)
    published = "nothing new to publish" if report.version is None else f"version {report.version} is published"
    click.echo(f"{len(report.built.days)} days made, {published}, {time.monotonic() - started:.1f} s")


@cli.command()
@_home
def today(named: Path | None) -> None:
    """Show what today and this month cost so far."""
    from pipelines.commands import today as figures
    from warehouse import database

    now = _now()
    with database.published(_chosen(named)) as connection:
        found = figures.read(connection, now)
    for line in figures.told(found, now):
        click.echo(line)


@cli.command()
@click.argument("query")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@_home
def sql(query: str, form: str, named: Path | None) -> None:
    """Ask the newest published version a question in SQL, read-only, for 30 seconds at most.

    Amounts are exact. In CSV a text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    from pipelines.commands import query as questions
    from warehouse import database

    try:
        with database.published(_chosen(named)) as connection:
            answer = questions.ask(connection, query)
    except QueryError as error:
        click.echo(f"apiledger: {error}", err=True)
        sys.exit(2)
    for line in questions.told(answer, form):
        click.echo(line)


@cli.command()
@_home
def status(named: Path | None) -> None:
    """Show what runs, since when, and the newest version."""
    from importlib.metadata import PackageNotFoundError, version

    from pipelines.alerts import postman
    from pipelines.bills import connection_health
    from pipelines.services import service
    from warehouse import database

    home = _chosen(named)
    click.echo(f"Home           {home.root}{' (sandbox)' if home.is_sandbox else ''}")
    found = service.running(home)
    for one in found:
        state = "up" if one.well else "not answering"
        restarts = f", {one.restarts} restarts" if one.restarts else ""
        since = f" since {one.started_at}" if one.started_at else ""
        where = f"  {_address(found, one.name)}" if (one.address or "").startswith("http") else ""
        click.echo(f"{one.name:<14} {state}{since}{restarts}{where}")
    if not found:
        click.echo("Nothing runs; `apiledger up` starts it")
    try:
        with database.published(home) as connection:
            row = connection.execute("SELECT version, as_of FROM mart.published").fetchone()
        click.echo(
            "No version" if row is None else f"Version        {row[0]}, published {row[1]:%Y-%m-%d %H:%M:%S} UTC"
        )
    except WarehouseError as error:
        click.echo(str(error))
    for line in (*connection_health.told(home), *postman.told(home)):
        click.echo(line)
    for part in ("apiledger", "dagster", "dlt", "duckdb", "polars", "streamlit"):
        try:
            click.echo(f"{part:<14} {version(part)}")
        except PackageNotFoundError:
            click.echo(f"{part:<14} not installed; `make up` installs it")


@cli.command()
@_home
def doctor(named: Path | None) -> None:
    """Say what is wrong and what to do; ends with 1 where something is."""
    from pipelines.commands import doctor as examination

    home = _chosen(named)
    wrong = 0
    for finding in examination.findings(home, _now()):
        wrong += not finding.warning
        click.echo(f"{'warning' if finding.warning else 'wrong  '}  {finding.what}\n         next: {finding.next_step}")
    click.echo(f"{wrong} wrong in {home.root}" if wrong else f"Nothing is wrong in {home.root}")
    sys.exit(1 if wrong else 0)


@cli.command()
@_home
def restore(named: Path | None) -> None:
    """Put the newest version in the place of a build that is damaged or lacks rows; the old build is set aside.

    What a backup holds is put back by `apiledger backup restore`.
    """
    from pipelines.materialization import landed

    home = _chosen(named)
    missing = landed.restore(home)
    for load in missing:
        what = f"load {load.load_no} of {load.gateway}, landed at {load.landed_at}: {load.signed_rows:,} rows"
        click.echo(f"not in it  {what}; put its file into the inbox again")
    click.echo(f"Restored {home.build_file}; `apiledger run` goes on from it")


_MONEY = (budget, credit, fx, allocate, prices, zone, plan, invoice, close)
_PEOPLE = (policy, account, token, connect, naming, protect, erase, rights)
for command in (*_PEOPLE, backup, hold, disclose, sandbox, export, *_MONEY):
    cli.add_command(command)


def main() -> None:
    """Run the command line; what is wrong is one sentence on standard error, and the exit code is 1."""
    memory_pools.share()
    try:
        cli()
    except (PipelineError, RetentionError, WarehouseError) as error:
        click.echo(f"apiledger: {error}", err=True)
        sys.exit(1)
