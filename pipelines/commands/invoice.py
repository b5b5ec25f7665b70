"""`apiledger invoice`: enter what providers ask to be paid, and hold it against their bills."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.plan import SEEN, account_of

if TYPE_CHECKING:
    import sqlite3
    from datetime import date
    from decimal import Decimal

    from warehouse.control.invoice import Invoice
    from warehouse.home import Home

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


def _own(named: Path | None) -> "Home":
    """The home of real rows, unless another is named: what somebody enters is not made up."""
    from warehouse.home import Home

    return Home.own().make() if named is None else Home(named.absolute())


@click.group()
def invoice() -> None:
    """Invoices, each held against the bills, or the plan's fee, of its days."""


@invoice.command()
@click.option("--provider", help="Whose invoice, as calls name it: openai.")
@click.option("--number", help="Its number, as the provider writes it.")
@click.option("--period", help="The days it covers: 2026-10, or 2026-10-05..2026-11-04.")
@click.option("--amount", help="What is to be paid, tax and credits included.")
@click.option("--tax", help="The tax in it. Left out: what the bill's own lines say.")
@click.option("--credits", "less", help="The credits in it, such as -5. Left out: what the bill's own lines say.")
@click.option("--account", help="Who pays. Left out: whose connections the provider's are.")
@click.option("--plan", help="The plan it is for. Left out: the provider's bill.")
@click.option("--currency", help="What it is billed in, such as EUR. Left out: USD. `apiledger fx` keeps the rates.")
@click.option(
    "--file",
    "table",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Several at once, CSV: provider,number,period,amount and, where needed, tax,credits,account,plan,currency.",
)
@_home
def add(table: Path | None, named: Path | None, **fields: str | None) -> None:
    """Enter an invoice, or a CSV file of several: all of them, or none where one is wrong."""
    from warehouse import database
    from warehouse.control import invoice as invoices
    from warehouse.errors import WarehouseError

    row = {("credits" if name == "less" else name): value for name, value in fields.items() if value}
    if table is not None and row:
        raise click.UsageError("--file says it all by itself; leave the other options out")
    if table is None and (missing := [name for name in invoices.CSV_COLUMNS[:4] if name not in row]):
        raise click.UsageError(f"an invoice needs --{' and --'.join(missing)}, or --file")
    rows = [row]
    if table is not None:
        try:
            rows = invoices.told(table.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError:
            raise WarehouseError("the file is no UTF-8 text; save it as CSV UTF-8") from None
    with database.control(_own(named)) as control:
        count = invoices.add(control, list(_made(control, rows)), _now())
    click.echo(f"{count} {'invoice is' if count == 1 else 'invoices are'} entered")
    click.echo(SEEN)


def _made(control: "sqlite3.Connection", rows: list[dict[str, str]]) -> Iterator["Invoice"]:
    from warehouse.control import invoice as invoices
    from warehouse.errors import WarehouseError

    now = _now()
    for number, row in enumerate(rows, start=1):
        try:
            account = row.get("account") or None
            payer = account_of(control, account, now)
            yield invoices.of_row(row, payer if account else invoices.payer(control, row["provider"], payer))
        except WarehouseError as error:
            raise WarehouseError(f"invoice {number} of {len(rows)}: {error}" if len(rows) > 1 else str(error)) from None


@invoice.command("list")
@_home
def list_(named: Path | None) -> None:
    """Show every invoice that was entered."""
    from warehouse import database, money
    from warehouse.control import invoice as invoices

    with database.control(_chosen(named)) as control:
        found = invoices.listed(control)
    for one, _ in found:
        what = f" for {one.plan}" if one.plan else ""
        amount = money.shown(one.amount) if one.currency == invoices.USD else money.billed(one.amount, one.currency)
        click.echo(f"{one.number}  {one.provider}{what}, {one.period_start} to {one.period_end}, {amount}")
    if not found:
        click.echo("No invoice is entered; `apiledger invoice add` enters one")


@invoice.command()
@click.argument("number")
@click.option("--provider", help="Whose, where two providers gave the same number.")
@click.option("--account", help="Who pays it, where two accounts entered the same number.")
@_home
def remove(number: str, provider: str | None, account: str | None, named: Path | None) -> None:
    """Take out an invoice that was entered wrongly."""
    from warehouse import database
    from warehouse.control import invoice as invoices

    with database.control(_chosen(named)) as control:
        payer = None if account is None else account_of(control, account, _now())
        gone = invoices.remove(control, number, provider, payer)
    click.echo(f"{gone.number} of {gone.provider} is gone")
    click.echo(SEEN)


@invoice.command()
@_home
def tie(named: Path | None) -> None:
    """Hold each invoice against the newest version's bills; ends with 1 where one differs."""
    from warehouse import database, money

    with database.published(_chosen(named)) as connection:
        found = connection.execute(
            """SELECT provider, number, period_start, period_end, amount_usd,
                charges_usd + adjustments_usd + taxes_usd + credited_usd, difference_usd,
                status, told_days, period_days, open_days, currency, billed_amount, fx_usd_per_unit,
                fx_day, told_amount
               FROM mart.invoice_tie_out ORDER BY period_start, provider, number"""
        ).fetchall()
    for provider, number, first, last, amount, told, difference, status, days, of, still_open, *billed in found:
        asked, says = _amounts(amount, told, *billed)
        why = {"tied": "tied", "differs": f"differs by {money.shown(difference)}"}.get(
            status, f"open: {days} of {of} days are told, {still_open} may still change"
        )
        if amount is None and days == of:
            why = f"open: no rate of {billed[0]} up to {last}; `apiledger fx set {last} {billed[0]} RATE` gives one"
        click.echo(f"{provider} {number}, {first} to {last}: {asked}, bills say {says}; {why}")
    if not found:
        click.echo(
            "No invoice is in the newest version; `apiledger invoice add` enters one, `apiledger run` takes it in"
        )
    if any(row[7] == "differs" for row in found):
        raise click.exceptions.Exit(1)


def _amounts(
    amount: "Decimal | None",
    told: "Decimal | None",
    currency: str | None,
    billed: "Decimal | None",
    rate: "Decimal | None",
    rated_on: "date | None",
    told_amount: "Decimal | None",
) -> tuple[str, str]:
    """What an invoice asks and what bills say, in words: in its own currency as well, with the rate and its day."""
    from warehouse import fx, money

    if currency is None or billed is None:
        return money.shown(amount), money.shown(told)
    if told_amount is not None:
        return money.billed(billed, currency), money.billed(told_amount, currency)
    by = f" at {fx.plain(rate)} of {rated_on}" if rate else ""
    return f"{money.billed(billed, currency)}{f', {money.shown(amount)}{by}' if by else ''}", money.shown(told)
