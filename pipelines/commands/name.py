"""`apiledger name`: what a key or a project is called here, who owns it, what it is tagged with, from a date on."""

from datetime import UTC, datetime
from pathlib import Path

import click


@click.command()
@click.argument("kind", type=click.Choice(["key", "project"]))
@click.argument("label")
@click.option("--as", "name", help="What it is called here.")
@click.option("--owner", help="Who answers for it: a team or a role, no address.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given again.")
@click.option("--from", "since", type=click.DateTime(["%Y-%m-%d"]), help="From which UTC day it holds. Default: today.")
@click.option("--account", help="The account, where several have one of that name.")
@click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest, as in the other commands.",
)
def name(
    kind: str,
    label: str,
    name: str | None,
    owner: str | None,
    tags: tuple[str, ...],
    since: datetime | None,
    account: str | None,
    named: Path | None,
) -> None:
    """Say what the key or project LABEL is called, who owns it and its tags; without any of these, show what was said.

    What was said before keeps its dates; the whole of it is said anew each time.
    """
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database
    from warehouse.control import naming
    from warehouse.control.naming import Naming

    with database.control(chosen_home(named)) as control:
        things = naming.numbers(control, kind, label, account)
        if name or owner or tags:
            midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
            for number, account_no in things:
                naming.put(control, number, account_no, Naming(name, owner, tags, since or midnight))
            click.echo(f"Said of {kind} {label}; the next pass shows it")
        for told in naming.of(control, things[0][0]):
            until = f" to {told.valid_to:%Y-%m-%d}" if told.valid_to else ""
            said = ", ".join(filter(None, (told.name or label, told.owner and f"owner {told.owner}", *told.tags)))
            click.echo(f"from {told.valid_from:%Y-%m-%d}{until}  {said}")
