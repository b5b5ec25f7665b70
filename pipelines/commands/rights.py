"""`apiledger rights`: what people may ask by law, carried out and kept in a list with its due days."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.personal_copy import copy

if TYPE_CHECKING:
    import sqlite3

    from retention.holding import Holding
    from warehouse.control.right import Kind
    from warehouse.control.vault import Vault
    from warehouse.home import Home

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)
_WHOSE = click.argument("whose")
# As warehouse/control/right.py and objection.py know them, which import what takes a while.
_KINDS = ("access", "rectification", "erasure", "restriction", "objection", "withdrawal", "question")
_PURPOSES = ("alerts", "agent_sessions")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _told(what: str, done: int, total: int) -> None:
    click.echo(f"{what}: {done} of {total}", err=True)


@dataclass(frozen=True)
class _Opened:
    """A home with its control store, open for one command."""

    home: "Home"
    control: "sqlite3.Connection"
    vault: "Vault"

    def holding(self, whose: str) -> "Holding":
        from retention import holding

        return holding.find(self.control, self.vault, whose)

    def carried_out(self, owner_no: int, kind: "Kind", answer: str) -> int:
        """Write down a request that is answered at once."""
        from warehouse.control import right

        return right.carried_out(self.control, self.vault, owner_no, kind, answer, _now()).request_no


@contextmanager
def _store(named: Path | None) -> Iterator[_Opened]:
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database
    from warehouse.control.vault import Vault

    home = chosen_home(named)
    with database.control(home) as control:
        yield _Opened(home, control, Vault(control, _now()))


@click.group()
def rights() -> None:
    """Carry out what people may ask of their data: a copy, a correction, a restriction, an objection.

    WHOSE is an account: its number, a member's e-mail address, or what a log calls it. Erasure is `apiledger erase`.
    """


@rights.command()
@_WHOSE
@_home
def export(whose: str, named: Path | None) -> None:
    """Write everything held of an account into one zip: JSON, CSV, Parquet and FOCUS, with a manifest of hashes.

    It lies in the home's exports for 7 days; hand it to nobody but the person.
    """
    from retention import portability
    from warehouse.control import right

    with _store(named) as opened:
        found = opened.holding(whose)
        asked = right.ask(opened.control, opened.vault, found.owner_no, "access", "", _now())
        path = portability.export(opened.home, opened.control, found, asked.request_no, _now())
        right.end(opened.control, opened.vault, asked.request_no, "done", "", _now())
    click.echo(f"Request {asked.request_no}: {path} ({path.stat().st_size:,} bytes)")


@rights.command("import")
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--home", "named", required=True, type=click.Path(path_type=Path, file_okay=False), help="A home that is new."
)
def import_(bundle: Path, named: Path) -> None:
    """Take a BUNDLE into a fresh installation; ends with an error, and nothing in it, where a total differs."""
    from pipelines import passage
    from retention import bundle_import
    from warehouse.home import Home

    home = passage.make_home(Home(named.absolute()), _now())
    for table, (rows, cost, _) in bundle_import.take_in(home, bundle, _now()).items():
        click.echo(f"{table:<22} {rows:>14}  {cost:>20} USD")
    click.echo(f"The totals are those of the bundle: {home.root}")


@rights.command("list")
@click.option("--all", "ended", is_flag=True, help="Those that have ended, too.")
@_home
def listed(named: Path | None, *, ended: bool) -> None:
    """List requests and questions with their ages, the one that is due first at the top."""
    from warehouse.control import right

    with _store(named) as opened:
        found = right.listed(opened.control, opened.vault, ended=ended)
    for one in found:
        state = f"{one.state} {one.ended_at:%Y-%m-%d}" if one.ended_at else f"due {one.due_on}"
        late = "  OVERDUE" if one.is_overdue(_now().date()) else ""
        said = "".join(f"\n       {text}" for text in (one.note, one.answer) if text)
        days = one.age_days(_now().date())
        age = f"{days} {'day' if days == 1 else 'days'} old" if one.ended_at is None else f"after {days} days"
        whose = f"account {one.account_no}  asked {one.asked_at:%Y-%m-%d}, {age}"
        click.echo(f"{one.request_no:>5}  {one.kind:<14} {whose}  {state}{late}{said}")
    if not found:
        click.echo("Nobody waits for an answer")


@rights.command()
@_WHOSE
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--note", default="", help="What the person wants, in a few words; it is kept sealed.")
@_home
def ask(whose: str, kind: "Kind", note: str, named: Path | None) -> None:
    """Write down a request that came another way, such as by letter; it is due in a month, a question in two weeks."""
    from warehouse.control import right

    with _store(named) as opened:
        made = right.ask(opened.control, opened.vault, opened.holding(whose).owner_no, kind, note, _now())
    click.echo(f"Request {made.request_no}: due on {made.due_on}")


@rights.command()
@click.argument("number", type=int)
@click.option("--answer", default="", help="What the person is told; they read it on their page.")
@_home
def done(number: int, answer: str, named: Path | None) -> None:
    """Mark a request as answered."""
    from warehouse.control import right

    with _store(named) as opened:
        right.end(opened.control, opened.vault, number, "done", answer, _now())
    click.echo(f"Request {number} is done")


@rights.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; the person reads it, and where they may complain.")
@_home
def refuse(number: int, reason: str, named: Path | None) -> None:
    """Refuse a request, with the reason."""
    from warehouse.control import right

    with _store(named) as opened:
        right.end(opened.control, opened.vault, number, "refused", reason, _now())
    click.echo(f"Request {number} is refused")


@rights.command()
@_WHOSE
@click.argument("what", type=click.Choice(("account", "project", "team", "key", "email")))
@click.argument("old")
@click.argument("new")
@_home
def rectify(whose: str, what: str, old: str, new: str, named: Path | None) -> None:
    """Put a name or an e-mail address of an account right; the OLD one is in no byte of the home after it."""
    from pipelines.alerts import mail
    from retention import rectify as rectification

    with _store(named) as opened:
        found = opened.holding(whose)
        if what == "email":
            changed = rectification.address(opened.home, found, old, mail.checked_address(new), _now())
            click.echo(f"{changed} addresses are put right")
        else:
            put_right = rectification.name(opened.home, found, what, old, new, _now(), _told)
            click.echo(f"{put_right.changed} names are put right, version {put_right.version} is published")
            for path in put_right.found_in:
                click.echo(f"  still in {path}: mend it by hand, where it is yours to mend", err=True)
            if not put_right.searched:
                click.echo("  not searched for: it is too short, or somebody else's name as well", err=True)
        number = opened.carried_out(found.owner_no, "rectification", f"{what} put right")
    click.echo(f"Request {number} is done")


@rights.command()
@_WHOSE
@_home
def restrict(whose: str, named: Path | None) -> None:
    """Keep an account's data and process nothing of it: no pull, no roll-up, no alert, no export to others."""
    from retention import restrict as restrictions

    with _store(named) as opened:
        found = opened.holding(whose)
        restrictions.begin(opened.control, found, _now())
        number = opened.carried_out(found.owner_no, "restriction", "restricted")
    click.echo(f"Request {number}: account {found.owner_no} is restricted; `apiledger rights lift` ends it")


@rights.command()
@_WHOSE
@_home
def lift(whose: str, named: Path | None) -> None:
    """End a restriction; what came meanwhile is read by the next pass."""
    from warehouse.control import restriction

    with _store(named) as opened:
        found = opened.holding(whose)
        was = restriction.lift(opened.control, found.owner_no, _now())
    click.echo(f"Account {found.owner_no} is {'restricted no more' if was else 'not restricted'}")


@rights.command("object")
@_WHOSE
@click.argument("purpose", type=click.Choice(_PURPOSES))
@click.option("--take-back", is_flag=True, help="End the objection.")
@_home
def object_(whose: str, purpose: str, named: Path | None, *, take_back: bool) -> None:
    """Note that an account objects to a purpose, which is not served any more."""
    from warehouse.control import objection

    known = next(each for each in objection.PURPOSES if each == purpose)
    with _store(named) as opened:
        found = opened.holding(whose)
        if take_back:
            objection.end(opened.control, found.owner_no, known)
            click.echo(f"Account {found.owner_no} objects no more to {objection.PURPOSES[known]}")
            return
        objection.begin(opened.control, found.owner_no, known, _now())
        number = opened.carried_out(found.owner_no, "objection", objection.PURPOSES[known])
    click.echo(f"Request {number}: account {found.owner_no} objects to {objection.PURPOSES[known]}")


@rights.command()
@_WHOSE
@click.argument("connection_no", type=int, required=False)
@click.option("--give", is_flag=True, help="Consent anew.")
@_home
def consent(whose: str, connection_no: int | None, named: Path | None, *, give: bool) -> None:
    """Withdraw an account's consent to a connection: its key is destroyed; without a number, list them.

    The connection is read again once a key is given anew.
    """
    from warehouse.control import consent as consents

    with _store(named) as opened:
        found = opened.holding(whose)
        if connection_no is not None and give:
            consents.give(opened.control, found.owner_no, connection_no, _now())
        elif connection_no is not None:
            gone = consents.withdraw(opened.control, found.owner_no, connection_no, _now())
            what = "its key is destroyed" if gone else "its key is in the environment: take it away there"
            click.echo(f"Connection {connection_no} is not read any more; {what}, and revoke it at the provider")
            opened.carried_out(found.owner_no, "withdrawal", f"connection {connection_no}")
        for one in consents.of_account(opened.control, found.owner_no):
            state = f"withdrawn {one.withdrawn_at:%Y-%m-%d}" if one.withdrawn_at else "holds"
            click.echo(f"{one.connection_no:>16}  {one.source:<12} given {one.given_at:%Y-%m-%d}  {state}")


rights.add_command(copy)
