"""`apiledger export`: spend as FOCUS files, or every mart as Parquet, into a folder or an S3 prefix."""

from datetime import UTC, datetime
from pathlib import Path

import click

# As pipelines/exports/export.py knows them, which imports what takes a while.
FOCUS_VERSIONS, FORMATS = ("1.2", "1.4"), ("csv", "parquet")
_HOME = click.option("--home", "named", type=click.Path(path_type=Path, file_okay=False), help="As for every command.")


@click.group()
def export() -> None:
    """Write files for other tools: FOCUS, Parquet."""


@export.command()
@click.argument("target")
@click.option("--version", type=click.Choice(FOCUS_VERSIONS), default="1.2", show_default=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True)
@_HOME
def focus(target: str, version: str, form: str, named: Path | None) -> None:
    """Write FOCUS files, one a billing period, to TARGET: a folder or s3://bucket/prefix."""
    from pipelines.commands.chosen_home import chosen_home
    from pipelines.exports import export as exports
    from warehouse.money import shown

    made = exports.focus(chosen_home(named), target, datetime.now(UTC), version, form)
    left = f"; {made.unpriced_requests:,} calls without a known price have no row" if made.unpriced_requests else ""
    click.echo(f"{made.rows:,} rows in {made.files} files, {shown(made.cost_usd)}{left}: {made.target}")


@export.command()
@click.argument("target")
@_HOME
def parquet(target: str, named: Path | None) -> None:
    """Write every mart as a Parquet file to TARGET: a folder or s3://bucket/prefix."""
    from pipelines.commands.chosen_home import chosen_home
    from pipelines.exports import export as exports

    made = exports.marts(chosen_home(named), target, datetime.now(UTC))
    click.echo(f"{made.rows:,} rows in {made.files} files: {made.target}")
