"""`apiledger protect`: protected mode, its auditors, and what they looked at and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.errors import PipelineError

if TYPE_CHECKING:
    import sqlite3

    from warehouse.control.vault import Vault
    from warehouse.home import Home

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home it is done in."
)
_reason = click.option("--reason", required=True, help="Why; it is written down.")
_DETAIL = """SELECT day, account, project, team, key_label, provider, model, requests, cost_usd
    FROM mart.spend_daily WHERE basis = 'log' ORDER BY ALL"""


@click.group()
def protect() -> None:
    """Publish nothing of single persons and keys: for teams whose staff must not be watched."""


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


@protect.command()
@_reason
@_home
def on(reason: str, named: Path | None) -> None:
    """Protect what is published from now on, and withdraw every version that is not."""
    _put(reason, named, on=True)
    click.echo("Protected: no call, key or person is published, and no group of fewer than five")


@protect.command()
@_reason
@_home
def off(reason: str, named: Path | None) -> None:
    """Publish everything again; the log keeps who may read why."""
    _put(reason, named, on=False)
    click.echo("No longer protected: keys and calls are published again")


def _put(reason: str, named: Path | None, *, on: bool) -> None:
    from warehouse import database, publication
    from warehouse.control import protection

    with _store(named) as (home, control, vault), database.held(home.build_lock):
        # Where it was so already it is published once more all the same: what broke off is finished.
        protection.put(control, vault, reason, _now(), on=on)
        with database.build(home) as connection:
            publication.changed(connection, days=())
            publication.publish(home, connection, _now())
        # Who holds an older version open reads nothing more of it.
        publication.withdraw(home)


@protect.command()
@click.argument("email")
@_reason
@_home
def auditor(email: str, reason: str, named: Path | None) -> None:
    """Name a member who may look at detail, each time with a reason."""
    from warehouse.control import member as members
    from warehouse.control import protection

    with _store(named) as (_, control, vault):
        found = members.find(control, vault, email)
        if found is None:
            raise PipelineError("nobody has that address; `apiledger account list` shows the accounts")
        protection.name_auditor(control, vault, found[0].member_no, reason, _now())
    click.echo("Named; each look is written down: `apiledger protect log`")


@protect.command()
@click.argument("email")
@click.argument("query", default=_DETAIL)
@_reason
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@_home
def detail(email: str, query: str, reason: str, form: str, named: Path | None) -> None:
    """Ask the unprotected figures one question of SQL, as an auditor; their password is asked for."""
    from pipelines.commands import query as questions
    from warehouse import database
    from warehouse.control import member as members
    from warehouse.control import password, protection, throttle
    from warehouse.control.throttle import Guess

    secret = click.prompt("Password", hide_input=True, err=True)
    with _store(named) as (home, control, vault):
        guess = Guess.of(vault, email, "terminal")
        if throttle.admit(control, guess, _now()):
            raise PipelineError("too many tries; wait a few minutes")
        found = members.find(control, vault, email)
        if not password.fits(found[1] if found else None, secret) or found is None:
            raise PipelineError("address and password do not belong together")
        throttle.succeeded(control, guess, _now())
        protection.look(control, vault, found[0].member_no, reason, _now())
        with database.held(home.build_lock):
            connection = database.read_only(home.build_file)
            try:
                answer = questions.ask(connection, query)
            finally:
                connection.close()
    for line in questions.told(answer, form):
        click.echo(line)


@protect.command()
@_home
def log(named: Path | None) -> None:
    """Show whether it is on, and who turned it, named whom and looked at what, when and why."""
    from warehouse.control import protection

    with _store(named) as (_, control, vault):
        click.echo("protected" if protection.is_set(control) else "not protected")
        for one in protection.looks(control, vault):
            who = "terminal" if one.member_no is None else f"member {one.member_no}"
            click.echo(f"{one.looked_at:%Y-%m-%d %H:%M} UTC  {one.kind:<8} {who}  {one.reason}")
