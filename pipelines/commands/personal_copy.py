"""`apiledger rights copy`: what is held of one person: a member, a gateway's user or an end user; of nobody else."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sqlite3

    from warehouse.control.vault import Vault
    from warehouse.home import Home


@click.command()
@click.argument("kind", type=click.Choice(("member", "user", "end-user")))
@click.argument("whose")
@click.option("--account", help="The account whose user is meant, where several have one of this id.")
@click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)
def copy(kind: str, whose: str, account: str | None, named: Path | None) -> None:
    """Write the copy of one person, in the form of a bundle: a member, a gateway's user, or an end user.

    WHOSE is a member's address or number, or the outside id that the log has. It lies in the home's exports for 7 days;
    hand it to nobody but the person.
    """
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database
    from warehouse.control.vault import Vault

    home, now = chosen_home(named), datetime.now(UTC).replace(tzinfo=None)
    with database.control(home) as control:
        vault = Vault(control, now)
        if kind == "member":
            number, path = _of_member(home, control, vault, whose, now)
        else:
            number, path = _of_user(home, control, vault, kind.replace("-", "_"), whose, account, now)
    click.echo(f"Request {number}: {path} ({path.stat().st_size:,} bytes)")


def _of_member(
    home: "Home", control: "sqlite3.Connection", vault: "Vault", whose: str, now: datetime
) -> tuple[int, Path]:
    from retention import people, personal_copy
    from warehouse.control import right

    member = people.member_named(control, vault, whose)
    asked = right.ask(control, vault, member.account_no, "access", "", now, member=member, subject="member")
    path = personal_copy.of_member(home, control, member, asked.request_no, now)
    right.end(control, vault, asked.request_no, "done", "", now)
    return asked.request_no, path


def _of_user(
    home: "Home",
    control: "sqlite3.Connection",
    vault: "Vault",
    kind: str,
    whose: str,
    account: str | None,
    now: datetime,
) -> tuple[int, Path]:
    from retention import holding, personal_copy, subjects
    from warehouse.control import right

    subject = subjects.find(control, vault, kind, whose, account)
    owner_no = holding.owner_of(control, subject)
    asked = right.ask(control, vault, owner_no, "access", "", now, subject="user" if kind == "user" else "end_user")
    path = personal_copy.of_subject(home, control, subject, owner_no, asked.request_no, now)
    right.end(control, vault, asked.request_no, "done", "", now)
    return asked.request_no, path
