"""`apiledger disclose`: data leaves with a reason and two people, encrypted to a key that is named, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.errors import PipelineError

if TYPE_CHECKING:
    import sqlite3

    from warehouse.control.member import Member
    from warehouse.control.vault import Vault
    from warehouse.home import Home

_file = click.Path(path_type=Path, dir_okay=False)
_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)
_key = click.option("--to", "key", type=_file, required=True, help="The recipient's public X25519 key, PEM.")
_who = click.option("--as", "email", required=True, help="Your address: an owner or editor of the operator's account.")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def _store(named: Path | None) -> Iterator[tuple["Home", "sqlite3.Connection", "Vault"]]:
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database
    from warehouse.control.vault import Vault

    home = chosen_home(named)
    with database.control(home) as control:
        yield home, control, Vault(control, _now())


def _member(control: "sqlite3.Connection", vault: "Vault", email: str) -> "Member":
    """Who says so, by their password; guesses wait as at the door."""
    from warehouse.control import member as members
    from warehouse.control import password, throttle
    from warehouse.control.throttle import Guess

    secret = click.prompt(f"Password of {email}", hide_input=True, err=True)
    guess = Guess.of(vault, email, "terminal")
    if wait := throttle.admit(control, guess, _now()):
        raise PipelineError(f"too many tries; try again in {int(wait / timedelta(seconds=1)) + 1} seconds")
    found = members.find(control, vault, email)
    if not password.fits(found[1] if found else None, secret) or found is None:
        raise PipelineError("nobody has that address and password")
    throttle.succeeded(control, guess, _now())
    return found[0]


@click.group()
def disclose() -> None:
    """Hand data to somebody else: with a reason, asked by one and approved by another, encrypted to their key."""


@disclose.command()
@click.argument("account", required=False)
@click.option("--all", "everything", is_flag=True, help="Every account, in a merger.")
@click.option("--ground", type=click.Choice(["law", "safety", "merger", "consent"]), required=True)
@click.option("--reason", required=True, help="Who asks, and by what right; it is sealed.")
@_key
@_who
@_home
def ask(
    account: str | None, ground: str, reason: str, key: Path, email: str, named: Path | None, *, everything: bool
) -> None:
    """Ask for a disclosure of ACCOUNT, by its name or outside id; another member has to approve it."""
    from retention import subjects
    from warehouse import envelope
    from warehouse.control import disclosure

    if everything == (account is not None):
        raise PipelineError("name one account, or --all in a merger")
    recipient = envelope.fingerprint(envelope.public_key(key))
    with _store(named) as (_, control, vault):
        number = None if account is None else subjects.find(control, vault, "account", account).numbers[0]
        member = _member(control, vault, email)
        chosen = disclosure.GROUNDS[disclosure.GROUNDS.index(ground)]
        made = disclosure.ask(control, vault, member, number, chosen, reason, recipient, _now())
    click.echo(f"Disclosure {made} waits for another member: `apiledger disclose approve {made}`")
    click.echo(f"Key {recipient}: hold it against what its owner reads to you")


@disclose.command()
@click.argument("number", type=int)
@_who
@_home
def approve(number: int, email: str, named: Path | None) -> None:
    """Approve disclosure NUMBER, which somebody else asked for; it is good for seven days."""
    from warehouse.control import disclosure

    with _store(named) as (_, control, vault):
        found = disclosure.approve(control, _member(control, vault, email), number, _now())
    whose = "all accounts" if found.account_no is None else f"account {found.account_no}"
    click.echo(f"Disclosure {number} of {whose} ({found.ground}) to key {found.recipient} is approved")


@disclose.command()
@click.argument("number", type=int)
@click.argument("target", type=_file)
@_key
@_home
def write(number: int, target: Path, key: Path, named: Path | None) -> None:
    """Write approved disclosure NUMBER to TARGET, a new file that only the key's owner opens; once."""
    from pipelines.commands.chosen_home import chosen_home
    from pipelines.evidence import disclose as disclosing

    done = disclosing.write(chosen_home(named), number, key, target, _now())
    click.echo(f"{done.rows:,} rows of {done.marts} marts are in {target}")


@disclose.command("list")
@_home
def listed(named: Path | None) -> None:
    """List disclosures: of whom, on which ground, who asked and approved, and whether it was made."""
    from warehouse.control import disclosure

    with _store(named) as (_, control, _vault):
        for one in disclosure.listed(control):
            whose = "all accounts" if one.account_no is None else f"account {one.account_no}"
            state = "made" if one.made_at else "approved" if one.approved_at else "waits for approval"
            approved = f", approved by member {one.approved_by}" if one.approved_by else ""
            click.echo(
                f"{one.disclosure_no}  {one.asked_at:%Y-%m-%d}  {whose}  {one.ground}  asked by member {one.asked_by}"
                f"{approved}  key {one.recipient[:16]}  {state}"
            )


@disclose.command("open")
@click.argument("file", type=_file)
@click.argument("target", type=_file)
@click.option("--key", type=_file, required=True, help="Your private X25519 key, PEM.")
def opened(file: Path, target: Path, key: Path) -> None:
    """Open an envelope you were given into TARGET, a zip of Parquet files."""
    from pipelines.evidence import disclose as disclosing

    click.echo(f"{disclosing.open_envelope(file, key, target):,} bytes are in {target}")
