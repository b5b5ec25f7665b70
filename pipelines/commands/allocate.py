"""`apiledger allocate`: add, list, remove and check the rules that put spend into cost centres."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from warehouse.home import Home

_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest, as in the other commands.",
)
_NEXT = "`apiledger run` shows spend by it"


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


@click.group()
def allocate() -> None:
    """Rules that put spend into cost centres; they rest in allocation.toml of the home."""


@allocate.command()
@click.argument("name")
@click.option("--to", "cost_centre", help="The cost centre that takes it all.")
@click.option("--share", "shares", multiple=True, metavar="CENTRE=PERCENT", help="A fixed share; all make 100.")
@click.option("--by-use", type=click.Choice(["day", "month"]), help="Shared as the cost centres' own cost of then.")
@click.option("--key", help="Only this key.")
@click.option("--tag", "tags", multiple=True, help="Only calls with this tag; several: with all of them.")
@click.option("--project", help="Only this project.")
@click.option("--team", help="Only this team.")
@click.option("--basis", help="Only this basis of mart.spend_daily, such as bill.")
@click.option("--model", help="Only this model.")
@click.option("--provider", help="Only this provider.")
@click.option("--account", help="Only this account.")
@click.option("--from", "since", type=click.DateTime(["%Y-%m-%d"]), help="The first UTC day. Left out: ever since.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The first UTC day it no longer holds.")
@_home
def add(
    name: str,
    shares: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    named: Path | None,
    **asked: object,
) -> None:
    """Add the rule NAME. Of rules that fit, the one that asks for the most particular thing wins:
    key, tags, project, team, basis, model, provider, account."""  # noqa: D205, D209 (click shows it as one sentence)
    from pipelines.errors import PipelineError
    from warehouse.allocation import Rules, made

    parted = [share.rpartition("=") for share in shares]
    if not all(centre and percent for centre, _, percent in parted):
        raise PipelineError("a share is a cost centre and its percent, such as --share ops=40")
    given = {what: value for what, value in asked.items() if value} | {"name": name}
    given |= {"shares": {centre.strip(): percent.strip().removesuffix("%") for centre, _, percent in parted}}
    given |= {what: moment.date() for what, moment in (("from", since), ("until", until)) if moment}
    home = _chosen(named)
    rules = Rules.of([*Rules.read(home.root).rules, made(given, "the rule")])
    rules.write(home.root)
    click.echo(f"{name} is rule {len(rules.rules)} of allocation.toml; {_NEXT}")


@allocate.command("list")
@_home
def list_(named: Path | None) -> None:
    """Show the rules, the one that wins first."""
    from warehouse.allocation import Rules

    rules = Rules.read(_chosen(named).root).rules
    if not rules:
        click.echo("No rule is set, so all spend is unallocated; `apiledger allocate add` sets one")
    for rule in sorted(rules, key=lambda each: -each.rank):
        click.echo(f"{rule.name}  {rule.told_asked} -> {rule.told_where}{rule.told_when}")


@allocate.command()
@click.argument("name")
@_home
def remove(name: str, named: Path | None) -> None:
    """Remove the rule NAME, for the past as well; to keep the past, end it with `until` in the file."""
    from pipelines.errors import PipelineError
    from warehouse.allocation import Rules

    home = _chosen(named)
    rules = Rules.read(home.root).rules
    kept = tuple(rule for rule in rules if rule.name != name)
    if len(kept) == len(rules):
        raise PipelineError("no rule is called that; `apiledger allocate list` shows those there are")
    Rules(kept).write(home.root)
    click.echo(f"{name} is removed; {_NEXT} no longer")


@allocate.command()
@_home
def check(named: Path | None) -> None:
    """Check the rules, and say what of the newest version no rule claims and which names no spend has."""
    from pipelines.materialization import allocated
    from warehouse import database
    from warehouse.allocation import Rules

    home = _chosen(named)
    rules = Rules.read(home.root)
    click.echo(f"{len(rules.rules)} rules, none of which contradicts another")
    with database.published(home) as connection:
        for line in allocated.told(connection, rules):
            click.echo(line)
