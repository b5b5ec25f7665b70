"""`apiledger fx`: the exchange rates that bills in other currencies are converted by."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from warehouse.home import Home

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


@click.group()
def fx() -> None:
    """Keep the exchange rates that bills in other currencies are converted by."""


@fx.command(name="set")
@click.argument("day", metavar="DATE")
@click.argument("currency")
@click.argument("usd_per_unit")
@click.option("--source", default="", help="Who says so, such as ECB.")
@_home
def set_rate(day: str, currency: str, usd_per_unit: str, source: str, named: Path | None) -> None:
    """Set what one unit of a currency was worth in USD on a day: 2026-10-01 CNY 0.1405.

    It holds until the next day that has one. Bills of these days are converted anew with the next pass.
    """
    from pipelines import passage
    from warehouse import fx as rates

    home = passage.make_home(_chosen(named), datetime.now(UTC).replace(tzinfo=None))
    file = rates.set_rate(home, rates.rate(day, currency.upper(), usd_per_unit, source))
    click.echo(f"{file} has it; `apiledger run` converts the bills from {day} on anew")


@fx.command(name="list")
@_home
def list_rates(named: Path | None) -> None:
    """Show every rate there is."""
    from warehouse import fx as rates

    home = _chosen(named)
    found = list(rates.FxRates.load(home))
    for one in found:
        said = f"{one.day}  {one.currency}  {rates.plain(one.usd_per_unit)}"
        click.echo(f"{said}  {one.source}" if one.source else said)
    if not found:
        click.echo(f"No rates in {home.root / rates.FILE}; `apiledger fx set 2026-10-01 CNY 0.1405` adds one")
