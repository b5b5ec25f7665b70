"""`apiledger account`: who may sign in, and which labels of the logs are whose; for the operator, at a terminal."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.errors import PipelineError

if TYPE_CHECKING:
    import sqlite3

    from warehouse.control.told_apart import Part
    from warehouse.control.vault import Vault
    from warehouse.home import Home

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home it is done in."
)
_EMAIL = click.argument("email")


@click.group()
def account() -> None:
    """Who may sign in to the dashboard, and which account labels of the logs are whose."""


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


def sign_in_link(home: "Home") -> str:
    """A link that signs the operator in once, within 15 minutes; makes the operator's account at the first use."""
    from pipelines.services import dashboard_address
    from warehouse import database
    from warehouse.control import member as members
    from warehouse.control import ticket
    from warehouse.control.vault import Vault

    with database.control(home) as control:
        now = _now()
        member = members.operator(control, Vault(control, now), now)
        return dashboard_address.link(home, "link", ticket.link(control, member, now))


@account.command()
@_home
def link(named: Path | None) -> None:
    """Print a link that signs the operator in: once, within 15 minutes."""
    from pipelines.commands.chosen_home import chosen_home

    click.echo(sign_in_link(chosen_home(named)))


@account.command("list")
@_home
def listed(named: Path | None) -> None:
    """List accounts with their owners' addresses, masked, and their labels."""
    from pipelines.alerts import mail
    from warehouse.control import claim, claim_rule
    from warehouse.control import member as members

    with _store(named) as (_, control, vault):
        for number, is_operator in members.accounts(control):
            there = members.of_account(control, number)
            emails = [members.email_of(control, vault, one) for one in there if one.is_owner]
            owner = next((mail.masked(email) for email in emails if email), "no address yet")
            held = (*claim.labels_of(control, number), *claim_rule.of_account(control, number))
            labels = ", ".join(held) or "no label"
            kind = " (operator)" if is_operator else ""
            click.echo(f"{number}{kind}  {owner}  {len(there)} members  {'the rest' if is_operator else labels}")


def number_of(control: "sqlite3.Connection", vault: "Vault", named: str) -> int:
    """The account of a number, or of a member's address; PipelineError where there is none."""
    from warehouse.control import member as members

    if re.fullmatch(r"\d{1,18}", named, re.ASCII):
        known = {number for number, _ in members.accounts(control)}
        if int(named) in known:
            return int(named)
    elif found := members.find(control, vault, named):
        return found[0].account_no
    raise PipelineError("there is no such account; `apiledger account list` shows them by number")


@account.command()
@click.argument("whose")
@click.argument("labels", nargs=-1, required=True)
@_home
def claim(whose: str, labels: tuple[str, ...], named: Path | None) -> None:
    """Give account LABELS of the logs to an account: its number, or a member's e-mail address.

    Its members see all rows of a label from now on, the operator sees their sum. In a label, * makes it a rule: what
    looks like `acme-*` is claimed in the pass in which it comes up.
    """
    from warehouse.control import claim as claims
    from warehouse.control import claim_rule

    with _store(named) as (_, control, vault):
        number = number_of(control, vault, whose)
        for label in labels:
            keep = claim_rule.put if claim_rule.is_rule(label) else claims.put
            keep(control, label, number, _now())
            click.echo(f"{label} belongs to account {number}")


@account.command()
@click.argument("labels", nargs=-1, required=True)
@_home
def unclaim(labels: tuple[str, ...], named: Path | None) -> None:
    """End the claim of LABELS: they are the operator's again. A rule ends for what comes up from now on."""
    from warehouse.control import claim as claims
    from warehouse.control import claim_rule

    with _store(named) as (_, control, _vault):
        for label in labels:
            ended = claim_rule.end if claim_rule.is_rule(label) else claims.end
            if not ended(control, label, _now()):
                raise PipelineError(f"nobody claims {label}")
            click.echo(f"{label} is the operator's")


@account.command()
@click.argument("label")
@click.option("--by", "part", type=click.Choice(["team", "key"]), help="Its parts: teams, or keys by their names.")
@click.option("--whole", is_flag=True, help="Take it as a whole again; its parts keep what they have.")
@_home
def split(label: str, part: "Part | None", whole: bool, named: Path | None) -> None:
    """Tell LABEL, an account of the logs, apart: its calls are in `LABEL/team` from the next pass on.

    Such a part is claimed as any label is, also by a rule: `apiledger account claim ada@team.example 'acme/red*'`. A
    new key follows its team; what nobody claims, and what came before, is where it was.
    """
    from warehouse.control import told_apart

    if (part is None) is not whole:
        raise click.UsageError("say --by team, --by key or --whole")
    with _store(named) as (_, control, _vault):
        if part is not None:
            told_apart.put(control, label, part, _now())
            click.echo(f"{label} is told apart by {part}: claim {label}/...")
        elif not told_apart.end(control, label):
            raise PipelineError(f"{label} is not told apart")
        else:
            click.echo(f"{label} is one account again")


@account.command()
@click.argument("label")
@click.argument("alias")
@click.argument("name", required=False)
@click.option("--from", "since", type=click.DateTime(["%Y-%m-%d"]), help="The UTC day; today where left out.")
@_home
def project(label: str, alias: str, name: str | None, since: datetime | None, named: Path | None) -> None:
    """Say which project keys of LABEL are for: those called ALIAS, such as web-*, for NAME; without it, for none.

    It counts for calls of that day and later that name no project themselves, from the next pass on.
    """
    from warehouse.control import key_rule

    first = since.date() if since else _now().date()
    with _store(named) as (_, control, _vault):
        if name is not None:
            key_rule.put(control, label, alias, name, first, _now())
            click.echo(f"Keys of {label} called {alias} are for {name} from {first} on")
        elif not key_rule.end(control, label, alias, first):
            raise PipelineError(f"no rule of {label} is for {alias}")
        else:
            click.echo(f"Keys of {label} called {alias} are for no project from {first} on")


@account.command()
@_home
def unclaimed(named: Path | None) -> None:
    """List the account labels of the logs that nobody claims: only you see their calls."""
    from warehouse.control import claim_rule

    with _store(named) as (_, control, _vault):
        found = claim_rule.unclaimed(control)
    for label in found:
        click.echo(label)
    if not found:
        click.echo("Every label of the logs is claimed")


@account.command()
@_EMAIL
@_home
def reset(email: str, named: Path | None) -> None:
    """Print a link by which a member sets a new password: once, within 10 minutes."""
    from pipelines.services import dashboard_address
    from warehouse.control import audit, ticket
    from warehouse.control import member as members

    with _store(named) as (home, control, vault):
        found = members.find(control, vault, email)
        if found is None:
            raise PipelineError("nobody has that address; `apiledger account list` shows the accounts")
        click.echo(dashboard_address.link(home, "reset", ticket.reset(control, found[0], _now())))
        audit.note(control, "support.reset", _now(), object_no=found[0].member_no)


@account.command()
@_EMAIL
@click.option("--role", type=click.Choice(["owner", "editor", "viewer"]), default="viewer", show_default=True)
@click.option("--project", "projects", multiple=True, help="Limit a viewer to projects; may be given again.")
@click.option("--account", "whose", help="Another account than the operator's: its number, or a member's address.")
@_home
def invite(email: str, role: str, projects: tuple[str, ...], whose: str | None, named: Path | None) -> None:
    """Print a link by which an address becomes a member: once, within 3 days."""
    from pipelines.alerts import mail
    from pipelines.services import dashboard_address
    from warehouse.control import audit, ticket
    from warehouse.control import member as members

    if projects and role != "viewer":
        raise PipelineError("only a viewer is limited to projects")
    address = mail.checked_address(email)
    with _store(named) as (home, control, vault):
        now = _now()
        number = number_of(control, vault, whose) if whose else members.operator(control, vault, now).account_no
        limited = projects or None
        made = ticket.invitation(
            control, vault, number, address, members.ROLES[members.ROLES.index(role)], limited, now
        )
        click.echo(dashboard_address.link(home, "invitation", made))
        audit.note(control, "support.invited", now, object_no=number)


@account.command()
@click.argument("whose")
@_home
def openings(whose: str, named: Path | None) -> None:
    """Show who of the operator's looked into an account, when and why."""
    from warehouse.control import claim as claims

    with _store(named) as (_, control, vault):
        for one in claims.openings(control, vault, number_of(control, vault, whose)):
            until = f"{one.closed_at:%H:%M}" if one.closed_at else "still"
            click.echo(f"{one.opened_at:%Y-%m-%d %H:%M} to {until} UTC  member {one.member_no}  {one.reason}")
