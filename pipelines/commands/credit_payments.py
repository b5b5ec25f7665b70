"""`apiledger credits claim|unclaim|unclaimed`: whose a paying customer is, and which payments are nobody's."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import click

from pipelines.commands.credits import SEEN, chosen, credit_ledger, day_of, home_option, utc_now


@credit_ledger.command()
@click.argument("customer")
@click.argument("account")
@click.option("--from", "first", help="From which UTC day on their payments are its. Left out: all of them.")
@home_option
def claim(customer: str, account: str, first: str | None, named: Path | None) -> None:
    """Say that a paying customer, by Stripe's id such as cus_..., is an account."""
    from warehouse import database
    from warehouse.control import audit, payment_claim
    from warehouse.control import prepaid as terms

    from_day = day_of(first) if first else date.min
    with database.control(chosen(named)) as control:
        number = terms.account(control, account)
        payment_claim.put(control, _customer(customer), number, from_day, utc_now())
        audit.note(control, "credits.claimed", utc_now(), object_no=number)
    click.echo(f"{customer}: {account}'s{f' from {from_day} on' if first else ''}")
    click.echo(SEEN)


@credit_ledger.command()
@click.argument("customer")
@click.option("--from", "first", help="The first UTC day they are nobody's. Left out: today.")
@home_option
def unclaim(customer: str, first: str | None, named: Path | None) -> None:
    """Say that a paying customer is nobody's from a day on; what was paid before stays where it is."""
    from warehouse import database
    from warehouse.control import audit, payment_claim

    with database.control(chosen(named)) as control:
        payment_claim.end(control, _customer(customer), day_of(first), utc_now())
        audit.note(control, "credits.claimed", utc_now(), detail="ended")
    click.echo(SEEN)


@credit_ledger.command()
@home_option
def unclaimed(named: Path | None) -> None:
    """Show payments that are in no account's credits: by day and customer, and why."""
    from warehouse import database
    from warehouse.control import payment_claim
    from warehouse.control.vault import Vault

    home = chosen(named)
    with database.published(home) as connection:
        rows = connection.execute("FROM model.unclaimed_payment ORDER BY ALL").fetchall()
    with database.control(home) as control:
        vault = Vault(control, utc_now())
        for day, kind, number, amount, currency, reason in rows:
            who = "no customer" if number is None else payment_claim.name(control, vault, number)
            click.echo(f"{day}  {kind}  {_minor(amount, currency)}  {who}  {reason}")
    if not rows:
        click.echo("Every payment is an account's")


def _customer(text: str) -> str:
    if not re.fullmatch(r"cus_[A-Za-z0-9]{2,60}", text.strip()):
        raise click.BadParameter("a customer is Stripe's id of them, such as cus_NffrFeUfNV2Hib")
    return text.strip()


def _minor(amount: int, currency: str) -> str:
    """An amount in a currency's smallest unit as it was told; dollars as dollars."""
    if currency != "USD":
        return f"{amount} {currency} (smallest unit)"
    return f"{Decimal(amount).scaleb(-2):.2f} USD"


# The whole group, once its last commands are in it.
credit = credit_ledger
