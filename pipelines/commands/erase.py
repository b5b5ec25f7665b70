"""`apiledger erase`: an account, a member, a gateway's user or an end user, gone from every store, with a receipt."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from warehouse.home import Home

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)
_dry = click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
_yes = click.option("--yes", is_flag=True, help="Do not ask again.")
# As retention/erase.py knows them, which imports what takes a while.
_why = click.option(
    "--reason",
    type=click.Choice(["request", "minor", "inactive"]),
    default="request",
    show_default=True,
    help="Why; it stands in the audit chain.",
)
_of = click.option("--account", help="The account whose user is meant, where several have one of this id.")


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _told(what: str, done: int, total: int) -> None:
    click.echo(f"{what}: {done} of {total}", err=True)


@click.group()
def erase() -> None:
    """Erase somebody for good: from every table, file and older version, to the last byte."""


@erase.command()
@click.argument("names", nargs=-1, required=True)
@_why
@_dry
@_yes
@_home
def account(names: tuple[str, ...], reason: str, *, dry_run: bool, yes: bool, named: Path | None) -> None:
    """Erase accounts by outside id or name: calls, sums, names, budgets, mails, connections with their bills.

    By its number or a member's address an account that people sign in to goes with its members and all its labels.
    Where somebody else pays the bill, its total stays. NAMES are erased together, with one rewrite of the build.
    """
    _erase(_chosen(named), "account", names, None, reason, dry_run=dry_run, yes=yes)


@erase.command()
@click.argument("names", nargs=-1, required=True)
@_why
@_dry
@_yes
@_home
def member(names: tuple[str, ...], reason: str, *, dry_run: bool, yes: bool, named: Path | None) -> None:
    """Erase members by address or number: they cannot sign in any more; what their account has stays its co-owners'."""
    _erase(_chosen(named), "member", names, None, reason, dry_run=dry_run, yes=yes)


@erase.command()
@click.argument("names", nargs=-1, required=True)
@_of
@_why
@_dry
@_yes
@_home
def user(
    names: tuple[str, ...], account: str | None, reason: str, *, dry_run: bool, yes: bool, named: Path | None
) -> None:
    """Erase users of a gateway by outside id: their number, address and user agent; what they spent stays, unnamed."""
    _erase(_chosen(named), "user", names, account, reason, dry_run=dry_run, yes=yes)


@erase.command(name="end-user")
@click.argument("names", nargs=-1, required=True)
@_of
@_why
@_dry
@_yes
@_home
def end_user(
    names: tuple[str, ...], account: str | None, reason: str, *, dry_run: bool, yes: bool, named: Path | None
) -> None:
    """Erase end users, the customers your callers serve, in the same way."""
    _erase(_chosen(named), "end_user", names, account, reason, dry_run=dry_run, yes=yes)


@erase.command()
@_home
def resume(named: Path | None) -> None:
    """Take up what was begun and not ended, as every pass does; ends with 1 where something of them was found."""
    from pipelines import erasing

    receipts = erasing.resume(_chosen(named), _now(), _told, restored=True)
    if not receipts:
        click.echo("Nobody waits to be erased")
    _say(receipts)


@erase.command()
@_home
def receipts(named: Path | None) -> None:
    """Print every receipt, one JSON object a line; `python retention/verify_receipt.py FILE [HOME]` checks them."""
    from warehouse import database
    from warehouse.control import erasure

    with database.control(_chosen(named)) as control:
        for receipt, chain in erasure.receipts(control):
            click.echo(json.dumps({"receipt": json.loads(receipt), "chain": chain}))


def _erase(
    home: "Home", kind: str, names: tuple[str, ...], account: str | None, reason: str, *, dry_run: bool, yes: bool
) -> None:
    from retention import erase as saga
    from retention import erase_build, forget, people
    from retention.erase_build import Numbers
    from warehouse import database
    from warehouse.control import erasure
    from warehouse.control.vault import Vault

    with database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, _now())
        found = [people.find(control, vault, kind, name, account) for name in dict.fromkeys(names)]
        if dry_run or not yes:
            stones = [stone for subject in found for stone in forget.stones_of(control, subject, _now())]
            rows: dict[str, int] = {}
            # An account may have nothing that is published, and before the first version nobody has.
            if any(people.is_shown(control, subject) for subject in found):
                with database.published(home) as connection:
                    rows = erase_build.counted(connection, Numbers.of(stones))
            for table, count in sorted(rows.items()):
                if count:
                    click.echo(f"{count:>14,}  {table.removeprefix('build.')}")
            verb = "blanked" if kind in {"user", "end_user"} else "deleted"
            click.echo(f"{sum(rows.values()):>14,}  rows would be {verb}; and what control.sqlite has of them")
        if dry_run:
            return
        if not yes:
            click.confirm("This cannot be taken back. Erase?", abort=True)
        begun = [saga.begin(home, control, subject, _now(), reason) for subject in found]
    click.echo("From now on nobody sees them, and nothing of them lands; their bytes go next", err=True)
    saga.carry_out(home, _now(), _told)
    with database.control(home) as control:
        # A pass that gave way may have carried them out itself.
        written = [erasure.receipt_of(control, each.erasure_no) for each in begun]
    _say([receipt for receipt, *_ in filter(None, written)])


def _say(receipts: list[str]) -> None:
    """Print what receipts say; ends with 1 where something was found after the erasure."""
    left = 0
    for receipt in map(json.loads, receipts):
        rows, searched = sum(receipt["rows"].values()), receipt["searched"]
        click.echo(
            f"Erasure {receipt['erasure_no']}: {rows:,} rows gone, version {receipt['version']} is published, "
            f"{searched['files']} files searched"
        )
        for held in receipt["held"]:
            click.echo(
                f"  hold {held['hold']} keeps {held['entries']:,} sums and {held['requests']:,} calls, without a name, "
                f"until {held['until']}: {held['basis']}"
            )
        for place, files in receipt["found_in"].items():
            left += not place.startswith("inbox/")
            waiting = ": they wait to be read, and what is dated before today's erasure will not land"
            click.echo(f"  found in {files} files of {place}{waiting if place.startswith('inbox/') else ''}", err=True)
    if receipts:
        click.echo("Beyond reach of this machine:")
        for place in json.loads(receipts[-1])["beyond_reach"]:
            click.echo(f"  {place}")
    sys.exit(1 if left else 0)
