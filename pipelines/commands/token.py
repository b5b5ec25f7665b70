"""`apiledger token`: tokens by which programs read what a member may read; for the operator, at a terminal."""

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

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home it is done in."
)


@click.group()
def token() -> None:
    """Tokens for machines: programs send one as `Authorization: Bearer` and read `/api/spend` and more."""


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def _store(named: Path | None) -> Iterator[tuple["sqlite3.Connection", "Vault"]]:
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database
    from warehouse.control.vault import Vault

    with database.control(chosen_home(named)) as control:
        yield control, Vault(control, _now())


@token.command()
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it holds. Default: until it is revoked.")
@click.option("--of", "email", help="Another member of the operator's account, by their address.")
@_home
def add(name: str, days: int | None, email: str | None, named: Path | None) -> None:
    """Make a token called NAME and print it, once: it is kept nowhere.

    It reads what its member may read, the operator's also /metrics. Members of other accounts make theirs on the page
    Account.
    """
    from warehouse.control import token as tokens

    with _store(named) as (control, vault):
        now = _now()
        member = _member(control, vault, email)
        ends = None if days is None else now + timedelta(days=days)
        click.echo(tokens.make(control, vault, member, name, now, ends))


def _member(control: "sqlite3.Connection", vault: "Vault", email: str | None) -> "Member":
    """The operator's first owner, or the named member of their account: nobody else's figures are to be had so."""
    from warehouse.control import member as members

    operator = members.operator(control, vault, _now())
    if email is None:
        return operator
    found = members.find(control, vault, email)
    if found is None or found[0].account_no != operator.account_no:
        raise PipelineError("nobody of the operator's account has that address; others make theirs on the page Account")
    return found[0]


@token.command("list")
@_home
def listed(named: Path | None) -> None:
    """List every token: its number, account, first letters, and days; names of the operator's account alone."""
    from warehouse.control import member as members
    from warehouse.control import token as tokens

    with _store(named) as (control, vault):
        mine = members.operator(control, vault, _now()).account_no
        found = tokens.listed(control)
        for one in found:
            name = one.name(vault) if one.account_no == mine else "-"
            ends = "never expires" if one.expires_at is None else f"expires {one.expires_at:%Y-%m-%d}"
            used = "never used" if one.used_on is None else f"last used {one.used_on}"
            made = f"made {one.made_at:%Y-%m-%d}"
            click.echo(f"{one.token_no}  account {one.account_no}  {one.hint}...  {made}  {used}  {ends}  {name}")
    if not found:
        click.echo("There is no token; `apiledger token add NAME` makes one")


@token.command()
@click.argument("number", type=int)
@_home
def revoke(number: int, named: Path | None) -> None:
    """End the token of NUMBER at once, whoever's it is."""
    from warehouse.control import token as tokens

    with _store(named) as (control, _):
        if not tokens.revoke(control, number, _now()):
            raise PipelineError("there is no such token; `apiledger token list` shows them by number")
    click.echo(f"Token {number} opens nothing any more")
