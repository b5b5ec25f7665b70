"""`apiledger backup`: sealed copies of the home elsewhere, what there is, whether it opens, and putting one back."""

from datetime import UTC, datetime
from pathlib import Path

import click

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)
_name = click.option("--name", help="Which one, as `list` shows it. Default: the newest.")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@click.group()
def backup() -> None:
    """Keep sealed copies of the home in a folder or at s3://bucket/prefix, and put one back."""


@backup.command()
def key() -> None:
    """Make the backup key where there is none, and say where both keys lie: keep a copy of each apart from backups."""
    from pipelines.backups import backup_key
    from warehouse.control.vault import master_key_file

    made = backup_key.make()
    backup_key.read()
    click.echo(f"Backup key  {backup_key.place()}{' (made now)' if made else ''}")
    click.echo(f"Master key  {master_key_file()}")
    click.echo("Neither is in any backup, and without both none can be put back: keep a copy of each elsewhere.")


@backup.command()
@click.argument("target")
@_home
def make(target: str, named: Path | None) -> None:
    """Make a backup of the home in TARGET, a folder or s3://bucket/prefix; what is too old there goes."""
    from pipelines.backups import backup as backups
    from pipelines.backups import backup_key
    from pipelines.commands.chosen_home import chosen_home
    from pipelines.commands.progress import shown

    home = chosen_home(named)
    if backup_key.make():
        click.echo(
            f"A backup key was made at {backup_key.place()}: keep a copy of it and of the master key elsewhere",
            err=True,
        )
    with shown() as progress:
        made = backups.make(home, target, _now(), progress)
    click.echo(f"{made.backup.name}: {made.files} files of {made.content_bytes:,} bytes, sealed, in {target}")
    for old in made.expired:
        click.echo(f"deleted  {old.name}: older than its clause lets it be")


@backup.command(name="list")
@click.argument("target")
def list_(target: str) -> None:
    """List the backups in TARGET, oldest first, with what each says of itself where the backup key opens it."""
    from pipelines.backups import backup as backups
    from pipelines.backups import backup_key
    from pipelines.backups.errors import BackupError
    from pipelines.backups.place import Place

    place = Place(target)
    found = place.listed()
    for each in found:
        try:
            told = backups.about(place, each.name, backup_key.read())
            said = f"{told['home']} home, version {told['version']}, {told['totals'].get('cost_usd') or 0} USD"
        except BackupError as error:
            said = str(error)
        click.echo(f"{each.name}  {each.bytes:>14,} bytes  {said}")
    if not found:
        click.echo(f"No backup in {target}")


@backup.command()
@click.argument("target")
@_name
@click.option("--drill", is_flag=True, help="Open it as a home, too, and compare what it adds up to; then delete that.")
@_home
def verify(target: str, name: str | None, *, drill: bool, named: Path | None) -> None:
    """Read a backup in TARGET to its end and hold every file against the manifest; nothing is put back."""
    from pipelines.backups import restore as restoring
    from pipelines.commands.chosen_home import chosen_home

    folder = chosen_home(named).tmp / "drill" if drill else None
    chosen, told, files = restoring.verify(target, name, drill=folder)
    added = f", adds up to {told['totals'].get('cost_usd') or 0} USD as it did" if drill else ""
    click.echo(f"{chosen.name} is whole: {files} files, version {told['version']}{added}")


@backup.command()
@click.argument("target")
@_name
@click.option("--without-ledger", is_flag=True, help="Nobody was erased since: go on without the ledger of tombstones.")
@click.option("--yes", is_flag=True, help="Do not ask before a home that is there is set aside.")
@click.option("--home", "named", type=click.Path(path_type=Path, file_okay=False), help="Where to. Default: data/.")
def restore(target: str, name: str | None, *, without_ledger: bool, yes: bool, named: Path | None) -> None:
    """Put a backup of TARGET in the home's place; whoever was erased since stays erased, what expired since stays gone.

    The home that was there lies in the new one for a day. Logs that wait in its inboxes are carried over.
    """
    from pipelines.backups import restore as restoring
    from pipelines.commands.progress import shown
    from warehouse.home import Home

    home = Home(named.absolute()) if named else Home.own()
    if home.root.exists() and any(home.root.iterdir()) and not yes:
        click.confirm(f"{home.root} is there: set it aside for a day and put the backup in its place?", abort=True)
    with shown() as progress:
        done = restoring.restore(home, target, name, _now(), progress, without_ledger=without_ledger)
    click.echo(f"Restored {done.backup.name} as {home.root}, version {done.version}")
    click.echo(f"tombstones known  {', '.join(done.sources) or 'none: nobody was ever erased'}")
    click.echo(f"erased again      {done.erased_again}; expired since: {done.expired:,} rows and files")
    if done.lost_loads:
        click.echo(f"not in it         {done.lost_loads} files landed since: put them into the inbox again")
    if done.set_aside is not None:
        click.echo(f"the one before    {done.set_aside}, for a day")
    click.echo(
        "Everybody signs in anew. Who was removed, and passwords that were changed, since the backup: do it again"
    )
