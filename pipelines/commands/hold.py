"""`apiledger hold`: keep the little that a law, a tax office or a dispute asks for, until a day."""

import csv
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sqlite3

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)
KINDS = ("legal", "tax", "dispute")
_COLUMNS = (
    "account_no",
    "day",
    "source",
    "provider",
    "invoice",
    "requests",
    "amount_usd",
    "currency",
    "billed_amount",
)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@click.group()
def hold() -> None:
    """Hold back from erasure and expiry the least that is asked for: sums, invoices, disputed calls; no name."""


@hold.command()
@click.option("--account", help="Whose: an outside id or a name.")
@click.option("--invoice", help="Or which invoice, as PROVIDER/NUMBER: its account and its days.")
@click.option("--days", help="Of an account: 2026-10 or 2026-10-05..2026-11-04. Left out: all.")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="A dispute holds the calls of its days, too.")
@click.option("--basis", required=True, help="The legal basis, such as 'GDPR 17(3)(b), HGB 257'.")
@click.option("--reason", required=True, help="What for, such as 'tax audit 2026'; no name of a person.")
@click.option("--until", required=True, help="The last day it holds, such as 2033-12-31; then it ends by itself.")
@_home
def add(
    account: str | None,
    invoice: str | None,
    days: str | None,
    kind: str,
    basis: str,
    reason: str,
    until: str,
    named: Path | None,
) -> None:
    """Begin a hold. It copies what it keeps only when the rows go; whatever is personal goes all the same."""
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database
    from warehouse.control import hold as holds
    from warehouse.control import invoice as invoices

    if (account is None) == (invoice is None) or (invoice is not None and days is not None):
        raise click.UsageError("name either --account, with --days where it is of some days, or --invoice")
    try:
        expires_on = date.fromisoformat(until)
    except ValueError:
        raise click.BadParameter("a day is written 2033-12-31", param_hint="--until") from None
    with database.control(chosen_home(named)) as control:
        if invoice is not None:
            provider, _, number = invoice.partition("/")
            found = [i for i, _ in invoices.listed(control) if (i.provider, i.number) == (provider, number)]
            if not found:
                raise click.BadParameter("no such invoice; `apiledger invoice list` shows those there are")
            scope, numbers = (found[0].period_start, found[0].period_end), [found[0].account_no]
            of = (provider, number)
        else:
            scope = invoices.period(days) if days else (date(1, 1, 1), expires_on)
            numbers, of = _accounts(control, account or ""), None
        made = holds.add(control, kind, numbers, scope, (basis, reason), expires_on, _now(), of)
    click.echo(
        f"Hold {made} keeps until {expires_on} what goes of {'its invoice' if of else 'the account'}; no name is in it"
    )


def _accounts(control: "sqlite3.Connection", named: str) -> list[int]:
    from retention import subjects
    from warehouse import database
    from warehouse.control.vault import Vault

    query = "SELECT no FROM outside_id JOIN label USING (no) WHERE kind = 'account' AND label = ? AND valid_to IS NULL"
    # By its name first: that is also how the account that owns the installation is called.
    if numbers := [number for (number,) in control.execute(query, (named,))]:
        return numbers
    with database.transaction(control):
        vault = Vault(control, _now())
    return subjects.find(control, vault, "account", named).numbers


@hold.command(name="list")
@_home
def list_(named: Path | None) -> None:
    """List the holds: on which basis, until when, and how much each has kept so far."""
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database

    with database.control(chosen_home(named)) as control:
        lines = told(control, _now().date())
    for line in lines or ["Nothing is held"]:
        click.echo(line)


@hold.command()
@click.argument("hold_no", type=int)
@_home
def show(hold_no: int, named: Path | None) -> None:
    """Write what a hold has kept as CSV: account number, day, source, provider, invoice, calls, USD."""
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database
    from warehouse.control import hold as holds

    with database.control(chosen_home(named)) as control:
        rows = holds.entries(control, hold_no)
    csv.writer(sys.stdout, lineterminator="\n").writerows([_COLUMNS, *rows])


@hold.command()
@click.argument("hold_no", type=int)
@_home
def end(hold_no: int, named: Path | None) -> None:
    """End a hold, as when a dispute is decided: what it kept goes in the next night."""
    from pipelines.commands.chosen_home import chosen_home
    from warehouse import database
    from warehouse.control import hold as holds

    with database.control(chosen_home(named)) as control:
        holds.end(control, hold_no, _now())
    click.echo(f"Hold {hold_no} has ended; what it kept goes in the next night")


def told(control: "sqlite3.Connection", today: date) -> list[str]:
    """A line for each hold, and one for what it has kept."""
    from warehouse.control import hold as holds

    lines = []
    names = dict(control.execute("SELECT no, label FROM label WHERE valid_to IS NULL").fetchall())
    for each in holds.listed(control):
        kept = holds.kept(control, each.hold_no)
        of = f"invoice {each.provider}/{each.invoice}" if each.invoice else f"{each.first_day} to {each.last_day}"
        # An account that was erased has no name any more.
        whose = ", ".join(sorted({names.get(number, f"account {number}") for number in each.accounts}))
        state = f"until {each.expires_on}" if each.is_active(today) else "ended; it goes in the next night"
        lines.append(f"hold {each.hold_no:<11} {each.kind}, {state}: {each.basis}; {each.reason}")
        lines.append(f"{'':<16} {whose}, {of}: {kept.entries:,} sums and {kept.requests:,} calls kept of what went")
    return lines
