"""`apiledger credits`: prepaid accounts, what they have left, what moved it, their tier."""

import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sqlite3

    from warehouse.home import Home

home_option = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest, as in the other commands.",
)
_COLUMNS = ("made_at", "day", "kind", "provider", "model", "amount_usd", "cause")
SEEN = "The page shows it from the next pass on; `apiledger run` makes one now"


def utc_now() -> datetime:
    """Return the moment, naive and UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def chosen(named: Path | None) -> "Home":
    """Return the home that is named, else as the other commands choose it."""
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


def day_of(text: str | None) -> date:
    """Return a UTC day from text; today where there is none."""
    try:
        return date.fromisoformat(text) if text else utc_now().date()
    except ValueError:
        raise click.BadParameter("a day is written 2026-10-01") from None


@click.group("credits")
def credit_ledger() -> None:
    """Prepaid credits: a ledger that adds up, deductions to the nano-dollar, tiers by what was paid in."""


@credit_ledger.command()
@click.argument("account")
@click.option("--from", "first", help="The first UTC day that is deducted. Left out: today.")
@click.option("--factor", default="1", show_default=True, help="What a dollar of list price costs: 1.2, or 20% on top.")
@click.option("--low", help="Tell once when the balance falls below this many USD.")
@click.option("--mail", "address", help="Where that mail goes. Left out: the account's owners, else the operator.")
@home_option
def prepaid(
    account: str, first: str | None, factor: str, low: str | None, address: str | None, named: Path | None
) -> None:
    """Deduct an account's calls from its credits from a day on; another factor holds from its day on."""
    from pipelines.alerts import mail
    from warehouse import database
    from warehouse.control import audit, balance_watch
    from warehouse.control import prepaid as terms
    from warehouse.control.vault import Vault

    wanted, receiver = terms.factor(factor), mail.checked_address(address) if address else None
    if receiver and not low:
        raise click.UsageError("say with --low below which balance the mail goes out")
    with database.control(chosen(named)) as control:
        number = terms.account(control, account)
        from_day = day_of(first)
        with database.transaction(control):
            terms.put(control, terms.Terms(number, from_day, is_prepaid=True, factor=wanted), utc_now())
            audit.note(control, "credits.prepaid", utc_now(), object_no=number, detail=f"from={from_day}")
        if low:
            balance_watch.put(control, Vault(control, utc_now()), number, _amount(low), receiver, utc_now())
    click.echo(f"{account}: prepaid from {from_day} on, {wanted.normalize():f} USD for a dollar of list price")
    click.echo(SEEN)


@credit_ledger.command()
@click.argument("account")
@click.option("--from", "first", help="The first UTC day that is not deducted any more. Left out: today.")
@home_option
def stop(account: str, first: str | None, named: Path | None) -> None:
    """Deduct an account's calls no more from a day on; what was deducted before stays."""
    from warehouse import database
    from warehouse.control import audit
    from warehouse.control import prepaid as terms

    with database.control(chosen(named)) as control:
        number, from_day = terms.account(control, account), day_of(first)
        with database.transaction(control):
            terms.put(control, terms.Terms(number, from_day, is_prepaid=False, factor=Decimal(1)), utc_now())
            audit.note(control, "credits.prepaid", utc_now(), object_no=number, detail=f"until={from_day}")
    click.echo(f"{account}: not deducted from {from_day} on")
    click.echo(SEEN)


@credit_ledger.command()
@click.argument("account")
@click.option("--low", help="Tell once when the balance falls below this many USD. Left out: tell no more.")
@click.option("--mail", "address", help="Where that mail goes. Left out: the account's owners, else the operator.")
@home_option
def watch(account: str, low: str | None, address: str | None, named: Path | None) -> None:
    """Tell by mail of a low balance, once a crossing, or tell no more."""
    from pipelines.alerts import mail
    from warehouse import database
    from warehouse.control import balance_watch
    from warehouse.control import prepaid as terms
    from warehouse.control.vault import Vault

    receiver = mail.checked_address(address) if address else None
    with database.control(chosen(named)) as control:
        number = terms.account(control, account)
        if low is None:
            balance_watch.remove(control, number)
            click.echo(f"{account}: nobody is told of a low balance")
            return
        balance_watch.put(control, Vault(control, utc_now()), number, _amount(low), receiver, utc_now())
    click.echo(f"{account}: a mail goes out below {low} USD")


@credit_ledger.command("list")
@home_option
def list_(named: Path | None) -> None:
    """Show every account that has credits: its balance, its tier and what is missing to the next."""
    from warehouse import database
    from warehouse.control import credit
    from warehouse.control import prepaid as terms

    home = chosen(named)
    with database.control(home) as control:
        numbers = sorted({*credit.accounts(control), *(each.account_no for each in terms.listed(control))})
        for number in numbers:
            click.echo(_told(home, control, number))
        if not numbers:
            click.echo("No account has credits; `apiledger credits prepaid ACCOUNT` switches one on")


@credit_ledger.command()
@click.argument("account")
@home_option
def balance(account: str, named: Path | None) -> None:
    """Show what an account has left, to the nano-dollar."""
    from warehouse import database
    from warehouse.control import credit
    from warehouse.control import prepaid as terms

    with database.control(chosen(named)) as control:
        left = credit.from_nano(credit.balance(control, terms.account(control, account)))
    click.echo(f"{left:.9f}")


@credit_ledger.command()
@click.argument("account")
@home_option
def tier(account: str, named: Path | None) -> None:
    """Show an account's tier, what it is made of and what is missing to the next."""
    from warehouse import database
    from warehouse.control import prepaid as terms

    home = chosen(named)
    with database.control(home) as control:
        click.echo(_told(home, control, terms.account(control, account)))


@credit_ledger.command()
@click.argument("account")
@click.option("--days", help="2026-10 or 2026-10-05..2026-11-04, UTC. Left out: all.")
@home_option
def statement(account: str, days: str | None, named: Path | None) -> None:
    """Write what moved an account's credits as CSV, in the order it was entered."""
    from warehouse import database
    from warehouse.control import credit, invoice
    from warehouse.control import prepaid as terms

    first, last = invoice.period(days) if days else (date.min, date.max)
    with database.control(chosen(named)) as control:
        rows = credit.statement(control, terms.account(control, account), first, last)
        _written(
            (
                f"{one.made_at:%Y-%m-%dT%H:%M:%SZ}",
                str(one.day),
                one.kind,
                one.provider or "",
                one.model or "",
                f"{credit.from_nano(one.amount_nano):.9f}",
                one.cause,
            )
            for one in rows
        )


@credit_ledger.command()
@click.argument("account")
@click.option("--usd", required=True, help="By how much: 5, or -2.50.")
@click.option("--reason", required=True, help="Why; it rests sealed, and the account can read it.")
@click.option("--day", help="The UTC day it counts on. Left out: today.")
@home_option
def adjust(account: str, usd: str, reason: str, day: str | None, named: Path | None) -> None:
    """Grant or take credits with a reason; an act in the audit chain says so. Tiers do not count it."""
    from warehouse import database
    from warehouse.control import audit, credit
    from warehouse.control import prepaid as terms
    from warehouse.control.vault import Vault
    from warehouse.errors import WarehouseError

    amount = _amount(usd)
    if len(reason.strip()) < 8:
        raise click.BadParameter("say why, in 8 characters at least", param_hint="--reason")
    with database.control(chosen(named)) as control:
        number, on = terms.account(control, account), day_of(day)
        with database.transaction(control):
            sealed = Vault(control, utc_now()).seal(number, "credit_tx.sealed_reason", reason.strip())
            made = credit.post(
                control, number, "adjustment", f"adjust:{on}", on, credit.nano(amount), utc_now(), sealed_reason=sealed
            )
            if made is None:
                raise WarehouseError("an adjustment of nothing is none")
            audit.note(control, "credits.adjusted", utc_now(), object_no=number, detail=f"transaction={made}")
        left = credit.from_nano(credit.balance(control, number))
    click.echo(f"{account}: {left:.9f} USD left")
    click.echo(SEEN)


def _amount(text: str) -> Decimal:
    from warehouse import money
    from warehouse.errors import WarehouseError

    try:
        amount = money.usd(text.strip().replace("$", "").replace("_", ""))
    except WarehouseError:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount != round(amount, 9):
        raise click.BadParameter("an amount is a decimal number of USD with nine places at most, such as 5 or -2.50")
    return amount


def _told(home: "Home", control: "sqlite3.Connection", number: int) -> str:
    from warehouse import credit_tier, money
    from warehouse.control import credit
    from warehouse.control import prepaid as terms

    lifetime = credit.from_nano(credit.lifetime(control, number))
    standing = credit_tier.standing(credit_tier.of_home(home.root), lifetime)
    left = money.shown(credit.from_nano(credit.balance(control, number)))
    following = ""
    if standing.following is not None:
        following = f"; {money.shown(standing.missing_usd)} more is {standing.following.name}"
    name = terms.name(control, number)
    return f"{name}  {left} left; {standing.tier.name}, {money.shown(lifetime)} paid in{following}"


def _written(rows: Iterable[tuple[str, ...]]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
