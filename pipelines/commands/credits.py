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

_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds everything at rest, as in the other commands.",
)
_COLUMNS = ("made_at", "day", "kind", "provider", "model", "amount_usd", "cause")
SEEN = "The page shows it from the next pass on; `apiledger run` makes one now"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat(text) if text else _now().date()
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
@_home
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
    with database.control(_chosen(named)) as control:
        number = terms.account(control, account)
        from_day = _day(first)
        with database.transaction(control):
            terms.put(control, terms.Terms(number, from_day, is_prepaid=True, factor=wanted), _now())
            audit.note(control, "credits.prepaid", _now(), object_no=number, detail=f"from={from_day}")
        if low:
            balance_watch.put(control, Vault(control, _now()), number, _amount(low), receiver, _now())
    click.echo(f"{account}: prepaid from {from_day} on, {wanted.normalize():f} USD for a dollar of list price")
    click.echo(SEEN)


@credit_ledger.command()
@click.argument("account")
@click.option("--from", "first", help="The first UTC day that is not deducted any more. Left out: today.")
@_home
def stop(account: str, first: str | None, named: Path | None) -> None:
    """Deduct an account's calls no more from a day on; what was deducted before stays."""
    from warehouse import database
    from warehouse.control import audit
    from warehouse.control import prepaid as terms

    with database.control(_chosen(named)) as control:
        number, from_day = terms.account(control, account), _day(first)
        with database.transaction(control):
            terms.put(control, terms.Terms(number, from_day, is_prepaid=False, factor=Decimal(1)), _now())
            audit.note(control, "credits.prepaid", _now(), object_no=number, detail=f"until={from_day}")
    click.echo(f"{account}: not deducted from {from_day} on")
    click.echo(SEEN)


@credit_ledger.command()
@click.argument("account")
@click.option("--low", help="Tell once when the balance falls below this many USD. Left out: tell no more.")
@click.option("--mail", "address", help="Where that mail goes. Left out: the account's owners, else the operator.")
@_home
def watch(account: str, low: str | None, address: str | None, named: Path | None) -> None:
    """Tell by mail of a low balance, once a crossing, or tell no more."""
    from pipelines.alerts import mail
    from warehouse import database
    from warehouse.control import balance_watch
    from warehouse.control import prepaid as terms
    from warehouse.control.vault import Vault

    receiver = mail.checked_address(address) if address else None
    with database.control(_chosen(named)) as control:
        number = terms.account(control, account)
        if low is None:
            balance_watch.remove(control, number)
            click.echo(f"{account}: nobody is told of a low balance")
            return
        balance_watch.put(control, Vault(control, _now()), number, _amount(low), receiver, _now())
    click.echo(f"{account}: a mail goes out below {low} USD")


@credit_ledger.command("list")
@_home
def list_(named: Path | None) -> None:
    """Show every account that has credits: its balance, its tier and what is missing to the next."""
    from warehouse import database
    from warehouse.control import credit
    from warehouse.control import prepaid as terms

    home = _chosen(named)
    with database.control(home) as control:
        numbers = sorted({*credit.accounts(control), *(each.account_no for each in terms.listed(control))})
        for number in numbers:
            click.echo(_told(home, control, number))
        if not numbers:
            click.echo("No account has credits; `apiledger credits prepaid ACCOUNT` switches one on")


@credit_ledger.command()
@click.argument("account")
@_home
def balance(account: str, named: Path | None) -> None:
    """Show what an account has left, to the nano-dollar."""
    from warehouse import database
    from warehouse.control import credit
    from warehouse.control import prepaid as terms

    with database.control(_chosen(named)) as control:
        left = credit.from_nano(credit.balance(control, terms.account(control, account)))
    click.echo(f"{left:.9f}")


@credit_ledger.command()
@click.argument("account")
@_home
def tier(account: str, named: Path | None) -> None:
    """Show an account's tier, what it is made of and what is missing to the next."""
    from warehouse import database
    from warehouse.control import prepaid as terms

    home = _chosen(named)
    with database.control(home) as control:
        click.echo(_told(home, control, terms.account(control, account)))


@credit_ledger.command()
@click.argument("account")
@click.option("--days", help="2026-10 or 2026-10-05..2026-11-04, UTC. Left out: all.")
@_home
def statement(account: str, days: str | None, named: Path | None) -> None:
    """Write what moved an account's credits as CSV, in the order it was entered."""
    from warehouse import database
    from warehouse.control import credit, invoice
    from warehouse.control import prepaid as terms

    first, last = invoice.period(days) if days else (date.min, date.max)
    with database.control(_chosen(named)) as control:
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
@_home
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
    with database.control(_chosen(named)) as control:
        number, on = terms.account(control, account), _day(day)
        with database.transaction(control):
            sealed = Vault(control, _now()).seal(number, "credit_tx.sealed_reason", reason.strip())
            made = credit.post(
                control, number, "adjustment", f"adjust:{on}", on, credit.nano(amount), _now(), sealed_reason=sealed
            )
            if made is None:
                raise WarehouseError("an adjustment of nothing is none")
            audit.note(control, "credits.adjusted", _now(), object_no=number, detail=f"transaction={made}")
        left = credit.from_nano(credit.balance(control, number))
    click.echo(f"{account}: {left:.9f} USD left")
    click.echo(SEEN)


@credit_ledger.command()
@click.argument("customer")
@click.argument("account")
@click.option("--from", "first", help="From which UTC day on their payments are its. Left out: all of them.")
@_home
def claim(customer: str, account: str, first: str | None, named: Path | None) -> None:
    """Say that a paying customer, by Stripe's id such as cus_..., is an account."""
    from warehouse import database
    from warehouse.control import audit, payment_claim
    from warehouse.control import prepaid as terms

    from_day = _day(first) if first else date.min
    with database.control(_chosen(named)) as control:
        number = terms.account(control, account)
        payment_claim.put(control, _customer(customer), number, from_day, _now())
        audit.note(control, "credits.claimed", _now(), object_no=number)
    click.echo(f"{customer}: {account}'s{f' from {from_day} on' if first else ''}")
    click.echo(SEEN)


@credit_ledger.command()
@click.argument("customer")
@click.option("--from", "first", help="The first UTC day they are nobody's. Left out: today.")
@_home
def unclaim(customer: str, first: str | None, named: Path | None) -> None:
    """Say that a paying customer is nobody's from a day on; what was paid before stays where it is."""
    from warehouse import database
    from warehouse.control import audit, payment_claim

    with database.control(_chosen(named)) as control:
        payment_claim.end(control, _customer(customer), _day(first), _now())
        audit.note(control, "credits.claimed", _now(), detail="ended")
    click.echo(SEEN)


@credit_ledger.command()
@_home
def unclaimed(named: Path | None) -> None:
    """Show payments that are in no account's credits: by day and customer, and why."""
    from warehouse import database
    from warehouse.control import payment_claim
    from warehouse.control.vault import Vault

    home = _chosen(named)
    with database.published(home) as connection:
        rows = connection.execute("FROM model.unclaimed_payment ORDER BY ALL").fetchall()
    with database.control(home) as control:
        vault = Vault(control, _now())
        for day, kind, number, amount, currency, reason in rows:
            who = "no customer" if number is None else payment_claim.name(control, vault, number)
            click.echo(f"{day}  {kind}  {_minor(amount, currency)}  {who}  {reason}")
    if not rows:
        click.echo("Every payment is an account's")


def _customer(text: str) -> str:
    import re

    if not re.fullmatch(r"cus_[A-Za-z0-9]{2,60}", text.strip()):
        raise click.BadParameter("a customer is Stripe's id of them, such as cus_NffrFeUfNV2Hib")
    return text.strip()


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


def _minor(amount: int, currency: str) -> str:
    """An amount in a currency's smallest unit as it was told; dollars as dollars."""
    if currency != "USD":
        return f"{amount} {currency} (smallest unit)"
    return f"{Decimal(amount).scaleb(-2):.2f} USD"
