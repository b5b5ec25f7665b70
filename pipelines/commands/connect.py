"""`apiledger connect`: keys to providers' bills, of each account: given, listed, tried, removed.

A key is read from the prompt, which does not show it, or from standard input; never from an argument, which others on
the machine can see and the shell remembers.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands import upstream
from pipelines.errors import PipelineError
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    import sqlite3

    from pipelines.bills.biller import Biller
    from warehouse.control.credential import Credential
    from warehouse.home import Home

_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The home. Default: data/ (or what APILEDGER_HOME names).",
)
_whose = click.option("--account", "whose", help="Another account than the operator's: number or e-mail.")
_MOST_BYTES = 4_096


class _Providers(click.Group):
    """A group in which a provider's name is a command: `apiledger connect openai`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from pipelines.bills import key_check

        return [*super().list_commands(ctx), *(biller.name for biller in key_check.connectable())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from pipelines.bills import key_check

        own = super().get_command(ctx, cmd_name)
        found = {biller.name: biller for biller in key_check.connectable()} if own is None else {}
        return _adding(found[cmd_name]) if cmd_name in found else own


@click.group(cls=_Providers)
def connect() -> None:
    """Keys to providers' bills: `connect PROVIDER` asks for one, tries it, and keeps it sealed."""


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _chosen(named: Path | None) -> "Home":
    from warehouse.home import Home

    # A real key never goes into the sandbox by chance.
    return Home.own() if named is None else Home(named.absolute())


def _adding(biller: "Biller") -> click.Command:
    @click.command(name=biller.name, help=f"Keep a key to the bills of {biller.title}: {biller.key_help}.")
    @click.option(
        "--name",
        "label",
        default="main",
        show_default=True,
        help="Tells several organisations apart: two keys of one would count its bill twice.",
    )
    @click.option("--answer", type=click.Choice(["text", "json"]), default="text", hidden=True)
    @_whose
    @_home
    def add(label: str, answer: str, whose: str | None, named: Path | None) -> None:
        if answer == "json":
            _answered(lambda: _added(biller, label, whose, named))
            return
        if sys.stdin.isatty():
            click.echo(f"{biller.title}: {biller.key_help}")
            click.echo("Give it no right but to read. It is kept sealed; nobody is shown it again.")
        found = _added(biller, label, whose, named)
        click.echo(f"{biller.title} is connected as {found['connection']} ({found['state']})")
        for line in found["said"]:
            click.echo(f"  {line}")

    return add


def _added(biller: "Biller", label: str, whose: str | None, named: Path | None) -> dict[str, Any]:
    from pipelines import passage
    from pipelines.bills import connecting
    from warehouse import database

    key = _key()
    home = passage.make_home(_chosen(named), _now())
    with database.control(home) as control:
        account_no = _account(control, whose)
    found = connecting.connect(home, biller, account_no, label, key, _now())
    one = found.credential
    return {"connection": one.connection_no, "state": one.state, "said": connecting.said(biller, found.checked)}


def _key() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Key", hide_input=True)).strip()
    return sys.stdin.readline(_MOST_BYTES).strip()


def _answered(ask: Any) -> None:
    """What another program reads: one JSON object; what is wrong is a sentence in it."""
    try:
        click.echo(json.dumps({"kept": True, **ask()}))
    except (PipelineError, WarehouseError) as error:
        click.echo(json.dumps({"kept": False, "said": [str(error)]}))


def _account(control: "sqlite3.Connection", whose: str | None) -> int:
    from pipelines.bills import connecting
    from pipelines.commands.account import number_of
    from warehouse.control.vault import Vault

    if whose is None:
        return connecting.operator_no(control, _now())
    return number_of(control, Vault(control, _now()), whose)


@connect.command()
@click.option("--answer", type=click.Choice(["text", "json"]), default="text", hidden=True)
def providers(answer: str) -> None:
    """List the providers that a key connects, and what to make there."""
    from pipelines.bills import key_check

    for biller in key_check.connectable():
        if answer == "json":
            told = {"name": biller.name, "title": biller.title, "help": biller.key_help, "policy": biller.policy_url}
            click.echo(json.dumps(told))
        else:
            click.echo(f"{biller.name:<14} {biller.key_help}")


@connect.command("list")
@_whose
@_home
def listed(whose: str | None, named: Path | None) -> None:
    """List connections by number: whose, the state of the key, how far the bill is read."""
    from warehouse import database
    from warehouse.control import credential

    with database.control(_chosen(named)) as control:
        number = None if whose is None else _account(control, whose)
        found = credential.of_account(control, number)
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("No connection has a key stored; `apiledger connect PROVIDER` gives it one")


def _line(one: "Credential") -> str:
    read = "no bill read yet" if one.read_until is None else f"bills read up to {one.read_until}"
    hint = f"…{one.hint}" if one.hint else ""
    why = f"; skipped: {one.skipped}" if one.skipped else ""
    line = f"{one.connection_no:<17} account {one.account_no:<17} {one.provider:<12} {one.label:<16} {one.state:<8}"
    return f"{line} {hint:<5} {read}{why}"


@connect.command()
@click.argument("numbers", nargs=-1, type=int)
@_home
def check(numbers: tuple[int, ...], named: Path | None) -> None:
    """Try the stored keys now, all or those of NUMBERS; ends with 1 where one is refused."""
    from pipelines.bills import connecting
    from warehouse import database
    from warehouse.control import credential

    home, refused = _chosen(named), 0
    with database.control(home) as control:
        found = [one for one in credential.of_account(control, None) if one.state != "removed"]
        if unknown := set(numbers) - {one.connection_no for one in found}:
            raise PipelineError(f"there is no connection {min(unknown)}; `apiledger connect list` shows them")
        for one in found:
            if numbers and one.connection_no not in numbers:
                continue
            checked = connecting.again(home, control, one, _now())
            refused += checked.refusal is not None
            state = "works" if checked.answered else (checked.refusal or "is not known to work")
            click.echo(f"{one.connection_no:<17} {one.provider:<12} {one.label:<16} {state}")
            for line in connecting.said(connecting.biller_of(one.provider), checked):
                click.echo(f"  {line}")
    sys.exit(1 if refused else 0)


@connect.command()
@click.argument("number", type=int)
@_home
def remove(number: int, named: Path | None) -> None:
    """Destroy the key of a connection: it is pulled no more; what was read of its bills stays."""
    from warehouse import database
    from warehouse.control import credential
    from warehouse.control.credential import CredentialError

    with database.control(_chosen(named)) as control:
        owner = next((one for one in credential.of_account(control, None) if one.connection_no == number), None)
        if owner is None:
            raise CredentialError("there is no such connection; `apiledger connect list` shows them")
        gone = credential.remove(control, owner.account_no, number, _now())
    click.echo(f"The key of {gone.provider} ({gone.label}) is destroyed; revoke it at the provider, too")


@connect.command()
@_home
def rotate(named: Path | None) -> None:
    """Change the master key: what wraps every account's own key is wrapped anew, also in the sandbox.

    Works while apiledger runs; broken off, run it again.
    """
    from warehouse.control import rotation
    from warehouse.home import Home

    homes = {home.root: home for home in (Home.own(), Home.sandbox(), _chosen(named))}
    done = rotation.rotate(homes.values())
    click.echo(f"Data keys wrapped by a new master key: {done:,}; the old one opens nothing but old copies")


for command in (upstream.claim, upstream.unclaim, upstream.claims):
    connect.add_command(command)


def main() -> None:
    """Run as a child of the dashboard; the key comes by standard input."""
    connect()


if __name__ == "__main__":
    main()
