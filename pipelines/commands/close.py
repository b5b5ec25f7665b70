"""`apiledger close`: freeze a month, and hold what was frozen against its hashes."""

from datetime import UTC, date, datetime
from pathlib import Path

import click

_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest, as in the other commands.",
)


@click.command()
@click.argument("what", metavar="MONTH|verify")
@click.option("--provisional", is_flag=True, help="Also while days of the month may still change.")
@_home
def close(what: str, provisional: bool, named: Path | None) -> None:
    """Freeze a month (2026-10) into closes/2026-10 of the home, or `verify` every frozen one.

    Beside the files lie reports on them: FOCUS's rules that are checked here and, where focus-validator is installed
    (APILEDGER_FOCUS_VALIDATOR names its program, or it is on the PATH), its own.

    What changes of it later leaves as a correction in the open month: an exported month stays what it was.
    """
    from pipelines.commands.chosen_home import chosen_home
    from pipelines.exports import close as closes
    from warehouse.money import shown

    home = chosen_home(named)
    if what == "verify":
        found = closes.wrong(home)
        for line in found:
            click.echo(line)
        anew = closes.rewritten(home)
        for line in anew:
            click.echo(line)
        fine = "Every closed month is what it was frozen as" + (", but for that" if anew else "")
        click.echo(f"{len(found)} wrong" if found else fine)
        raise click.exceptions.Exit(1 if found else 0)
    try:
        month = date.fromisoformat(f"{what}-01")
    except ValueError:
        raise click.BadParameter("a month is written 2026-10") from None
    made = closes.close(home, month, datetime.now(UTC), provisional=provisional)
    click.echo(f"{what} is closed: {made.rows:,} rows, {shown(made.cost_usd)}, {made.files} files in {made.folder}")
    for said in made.judged:
        click.echo(said)
    for reason in made.provisional:
        click.echo(f"provisional: {reason}")
