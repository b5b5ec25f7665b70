"""`apiledger plan`: subscriptions and seats, which cost a fee whatever is used."""

import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from warehouse.home import Home

_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest, as in the other commands.",
)
SEEN = "It shows from the next pass on; `apiledger run` makes one now"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


def _own(named: Path | None) -> "Home":
    """The home of real rows, unless another is named: what somebody enters is not made up."""
    from warehouse.home import Home

    return Home.own().make() if named is None else Home(named.absolute())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("a day is written 2026-10-01") from None


def account_of(control: sqlite3.Connection, named: str | None, now: datetime) -> int:
    """The number of the account that pays: the one of that name, else the operator's."""
    from warehouse import database
    from warehouse.control import budget
    from warehouse.control.connection import OPERATOR
    from warehouse.control.outside_id import UNNAMED_ACCOUNT, OutsideIds
    from warehouse.control.vault import Vault

    if named is not None:
        return budget.scope(control, named, None).account_no
    with database.transaction(control):
        return OutsideIds(control, Vault(control, now), now).accounts(OPERATOR, [UNNAMED_ACCOUNT])[UNNAMED_ACCOUNT]


@click.group()
def plan() -> None:
    """Fees with dates: Claude Max, ChatGPT Team. The fee is spend; what the use would cost is shown beside it."""


@plan.command()
@click.argument("name")
@click.option("--provider", required=True, help="Who sells it, as calls name it: anthropic, openai.")
@click.option("--monthly", required=True, help="USD a month and seat.")
@click.option("--seats", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--from", "starts", required=True, help="The first day, UTC; each month of the plan begins on its day.")
@click.option("--until", "ends", help="The last day that is paid. Left out: it runs.")
@click.option("--account", help="Who pays, and whose calls it covers. Left out: you, and everybody's.")
@click.option(
    "--covers", multiple=True, help="A gateway whose calls it pays for, such as claude_code; may be repeated."
)
@click.option("--currency", default="USD", show_default=True)
@_home
def add(
    name: str,
    provider: str,
    monthly: str,
    seats: int,
    starts: str,
    ends: str | None,
    account: str | None,
    covers: tuple[str, ...],
    currency: str,
    named: Path | None,
) -> None:
    """Add a plan. While it runs, calls that it covers count, and what they would have cost does not."""
    from warehouse import database, money
    from warehouse.control import plan as plans

    fee = plans.monthly(monthly, currency)
    with database.control(_own(named)) as control:
        account_no = account_of(control, account, _now())
        first, last = _day(starts), _day(ends) if ends else None
        wanted = plans.Plan(0, name, provider, account_no, account, fee, seats, first, last, covers)
        kept = plans.add(control, wanted, _now())
    click.echo(f"{kept.name}: {money.shown(kept.fee_usd)} a month from {kept.starts_on}")
    click.echo(SEEN)


@plan.command("list")
@_home
def list_(named: Path | None) -> None:
    """Show every plan with its dates."""
    from warehouse import database, money
    from warehouse.control import plan as plans

    with database.control(_chosen(named)) as control:
        found = plans.listed(control)
    for one in found:
        until = f" until {one.ends_on}" if one.ends_on else ""
        covers = f"; covers {', '.join(one.covers)}" if one.covers else ""
        seats = f" for {one.seats} seats" if one.seats > 1 else ""
        click.echo(
            f"{one.name}  {one.provider}, {money.shown(one.fee_usd)} a month{seats} from {one.starts_on}{until}{covers}"
        )
    if not found:
        click.echo("No plan is known; `apiledger plan add` adds one")


@plan.command()
@click.argument("name")
@click.option("--until", "ends", help="The last day that is paid. Left out: today.")
@_home
def end(name: str, ends: str | None, named: Path | None) -> None:
    """End a plan; its days stay what they were."""
    from warehouse import database
    from warehouse.control import plan as plans

    with database.control(_chosen(named)) as control:
        ended = plans.end(control, name, _day(ends) if ends else _now().date())
    click.echo(f"{ended.name} ends on {ended.ends_on}")
    click.echo(SEEN)


@plan.command()
@click.argument("name")
@_home
def remove(name: str, named: Path | None) -> None:
    """Take back a plan that was entered wrongly, as if it had never been."""
    from warehouse import database
    from warehouse.control import plan as plans
    from warehouse.errors import WarehouseError

    with database.control(_chosen(named)) as control:
        if not plans.remove(control, name):
            raise WarehouseError(f"no plan is called {name!r}; `apiledger plan list` shows those there are")
    click.echo(f"{name} is gone with its days")
    click.echo(SEEN)
