"""`apiledger budget`: set, list and remove budgets, name the mail server, try it."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipelines.alerts.budget_mail import Telling
    from warehouse.home import Home


def _scoped(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which budget is meant."""
    account = click.option("--account", help="The account. Left out: the only one, or the only one with the project.")
    project = click.option("--project", help="The project. Left out: the whole account.")
    return project(account(command))


_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest, as in the other commands.",
)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


@click.group()
def budget() -> None:
    """Monthly budgets, and one mail each time a share of one is reached."""


@budget.command("set")
@_scoped
@click.option("--monthly", required=True, help="USD a month, from the 1st, UTC.")
@click.option("--thresholds", default="50,80,100", show_default=True, help="Percents at which a mail goes out.")
@click.option("--mail", "address", required=True, help="Where the mails go: one address.")
@_home
def set_(
    account: str | None, project: str | None, monthly: str, thresholds: str, address: str, named: Path | None
) -> None:
    """Set the budget of an account or a project, or change it; a changed one may tell again."""
    from pipelines.alerts import mail
    from warehouse import database, money
    from warehouse.control import budget as budgets
    from warehouse.control.vault import Vault

    monthly_usd, shares = budgets.amount(monthly), budgets.thresholds(thresholds)
    receiver = mail.checked_address(address)
    with database.control(_chosen(named)) as control:
        place = budgets.scope(control, account, project)
        kept = budgets.put(control, Vault(control, _now()), place, monthly_usd, shares, receiver, _now())
    told = ", ".join(f"{share} %" for share in kept.thresholds)
    click.echo(f"{place.name}: {money.shown(kept.monthly_usd)} a month, a mail to {mail.masked(receiver)} at {told}")


@budget.command("list")
@_home
def list_(named: Path | None) -> None:
    """Show each budget and how far it is used this month."""
    from pipelines.alerts import budget_state, mail, postman
    from warehouse import budget_use, database
    from warehouse.control import budget as budgets
    from warehouse.control.vault import Vault

    home = _chosen(named)
    start, _ = budgets.month(_now().date())
    with database.control(home) as control:
        listed = budgets.current(control)
        if not listed:
            click.echo("No budget is set; `apiledger budget set` sets one")
            return
        vault = Vault(control, _now())
        with database.published(home) as connection:
            used = budget_use.usages(connection, listed, start)
        for usage in used:
            one = usage.budget
            place = budgets.scope_of(control, one)
            owner = "" if place.project is None else f" of {place.account}"
            address = budgets.address_of(control, vault, one.budget_no)
            shares = ", ".join(f"{share} %" for share in one.thresholds)
            told = "" if address is None else f"; {shares} to {mail.masked(address)}"
            click.echo(f"{place.name}{owner}  {budget_state.told(usage)}{told}")
    for line in postman.told(home):
        click.echo(line)


@budget.command()
@_scoped
@_home
def remove(account: str | None, project: str | None, named: Path | None) -> None:
    """Remove the budget of an account or a project; what it had still to say is not sent."""
    from pipelines.errors import PipelineError
    from warehouse import database
    from warehouse.control import budget as budgets

    with database.control(_chosen(named)) as control:
        place = budgets.scope(control, account, project)
        if not budgets.remove(control, place, _now()):
            raise PipelineError(f"{place.name} has no budget; `apiledger budget list` shows those there are")
    click.echo(f"{place.name} has no budget any more")


@budget.command()
@click.option("--url", prompt="Address of the mail server", hide_input=True, help="Asked for where it is left out.")
@_home
def server(url: str, named: Path | None) -> None:
    """Name the mail server, smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS; it rests sealed in the home.

    STARTTLS is required unless the server is on this machine; smtps:// is TLS from the first byte. APILEDGER_SMTP in
    the environment comes before it.
    """
    from pipelines.alerts import postman
    from warehouse import database
    from warehouse.control.vault import Vault

    with database.control(_chosen(named)) as control:
        found = postman.keep_server(control, Vault(control, _now()), url)
    click.echo(f"Mails go through {found.host}:{found.port}; `apiledger budget test` sends one")


@budget.command()
@click.option("--mail", "address", help="Where to. Left out: the address of the first budget.")
@_home
def test(address: str | None, named: Path | None) -> None:
    """Send a test mail now, and say whether the mail server took it."""
    from pipelines.alerts import mail, postman
    from pipelines.errors import PipelineError
    from warehouse import database
    from warehouse.control import budget as budgets
    from warehouse.control.vault import Vault

    home = _chosen(named)
    with database.control(home) as control:
        vault = Vault(control, _now())
        found = postman.server(control, vault)
        listed = budgets.current(control)
        receiver = mail.checked_address(address) if address else None
        if receiver is None and listed:
            receiver = budgets.address_of(control, vault, listed[0].budget_no)
    if found is None:
        raise PipelineError(f"no mail server is named: set {postman.SETTING} or run `apiledger budget server`")
    if receiver is None:
        raise PipelineError("no budget is set, so say where to: `apiledger budget test --mail ADDRESS`")
    postman.send_test(home, found, _example(home), receiver, f"<test-{secrets.token_hex(16)}@apiledger.invalid>")
    click.echo(f"{found.host} took a mail to {mail.masked(receiver)}")


def _example(home: "Home") -> "Telling":
    """A budget that is not there, told of as those that are."""
    from decimal import Decimal

    from pipelines.alerts.budget_mail import Telling

    now = _now()
    return Telling(
        kind="project",
        name="example",
        account="example",
        monthly_usd=Decimal(500),
        spent_usd=Decimal("400.25"),
        unpriced_requests=0,
        thresholds=(80,),
        period_start=now.date().replace(day=1),
        crossed_at=now,
        sandbox=home.is_sandbox,
    )


@budget.command()
@_home
def retry(named: Path | None) -> None:
    """Queue again what waits and what was given up; the running services send it within a minute."""
    from warehouse import database
    from warehouse.control import outbox

    with database.control(_chosen(named)) as control:
        count = outbox.revive(control, _now())
    click.echo(f"{count} mails are tried again")
