"""`apiledger zone`: in which zone's days an account reads its spend."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from warehouse.home import Home

_account = click.option("--account", help="The account. Left out: every account without a zone of its own.")
_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest, as in the other commands.",
)


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


@click.group()
def zone() -> None:
    """In which zone's days spend is shown. What is stored stays in UTC hours."""


@zone.command("set")
@click.argument("name")
@_account
@_home
def set_(name: str, account: str | None, named: Path | None) -> None:
    """Show days of the zone NAME, such as Europe/Berlin."""
    from warehouse import database
    from warehouse import zone as calendar
    from warehouse.control import budget
    from warehouse.control import zone as zones

    now = datetime.now(UTC).replace(tzinfo=None)
    with database.control(_chosen(named)) as control:
        number = None if account is None else budget.scope(control, account, None).account_no
        kept = zones.put(control, number, name, now)
    click.echo(f"Days of {account or 'every account without a zone of its own'} are those of {kept} after a pass")
    if calendar.is_off_the_hour(kept, now.date()):
        click.echo("A day begins there within a UTC hour: that hour is counted to the day that begins in it")


@zone.command("list")
@_home
def list_(named: Path | None) -> None:
    """Show the zones that are set."""
    from warehouse import database
    from warehouse.control import zone as zones

    with database.control(_chosen(named)) as control:
        found = zones.rows(control)
        labels = dict(control.execute("SELECT no, label FROM label WHERE valid_to IS NULL").fetchall())
        usual = zones.usual(control)
    for number, name in found:
        if number is not None:
            click.echo(f"{labels.get(number, f'account {number}')}  {name}")
    click.echo(f"every {'other ' if len(found) > 1 else ''}account  {usual}")


@zone.command()
@_account
@_home
def remove(account: str | None, named: Path | None) -> None:
    """Go back to the zone of all others, and those to UTC."""
    from pipelines.errors import PipelineError
    from warehouse import database
    from warehouse.control import budget
    from warehouse.control import zone as zones

    with database.control(_chosen(named)) as control:
        number = None if account is None else budget.scope(control, account, None).account_no
        if not zones.remove(control, number):
            raise PipelineError("no such zone is set; `apiledger zone list` shows those there are")
    click.echo("The zone is removed; the next pass shows it")
