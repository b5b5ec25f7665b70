"""Invoices: what a provider asks to be paid for a stretch of days, entered by a person; numbers and dates, no name.

An amount is kept in the currency it is billed in; what it is worth in USD is said anew whenever a rate is put right.
"""

import csv
import io
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from warehouse import database, labels, money
from warehouse.control import budget
from warehouse.errors import WarehouseError
from warehouse.fx import FxRates

CSV_COLUMNS = ("provider", "number", "period", "amount", "tax", "credits", "account", "plan", "currency")
_NEEDED = CSV_COLUMNS[:4]
_COLUMNS = (
    "provider, account_no, number, period_start, period_end, plan, added_at, currency,"
    " amount_usd, tax_usd, credits_usd, billed_amount, billed_tax, billed_credits"
)
USD = "USD"
_CURRENCY = re.compile(r"[A-Z]{3}")
_MONTH = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True)
class Invoice:
    """An invoice: amounts in its currency, days both included. `amount` is what is to be paid, tax and credits in it.

    Tax and credits are None where the bill's own lines say them; `plan` None: it is for the provider's bill.
    """

    provider: str
    account_no: int
    number: str
    period_start: date
    period_end: date
    amount: Decimal
    tax: Decimal | None = None
    credits: Decimal | None = None
    plan: str | None = None
    currency: str = USD

    @property
    def amounts(self) -> tuple[Decimal | None, ...]:
        """To be paid, tax and credits, in its currency."""
        return self.amount, self.tax, self.credits

    def row(self, added_at: datetime, rates: FxRates) -> tuple[object, ...]:
        """The row of model.invoice: another currency in USD by the rate of its last day, NULL where none is known."""
        named = (self.provider, self.account_no, self.number, self.period_start, self.period_end)
        if self.currency == USD:
            return (*named, *self.amounts, self.plan, added_at, *[None] * 6)
        rate = rates.of(self.currency, self.period_end)
        usd = [None if amount is None or rate is None else rate.convert(amount) for amount in self.amounts]
        by = (rate.usd_per_unit, rate.day) if rate else (None, None)
        return (*named, *usd, self.plan, added_at, self.currency, *self.amounts, *by)


def period(text: str) -> tuple[date, date]:
    """The first and the last day of `2026-10` or `2026-10-05..2026-11-04`; WarehouseError for anything else."""
    try:
        if _MONTH.fullmatch(text.strip()):
            start, after = budget.month(date.fromisoformat(f"{text.strip()}-01"))
            return start, after - timedelta(days=1)
        start, end = (date.fromisoformat(part.strip()) for part in text.split(".."))
    except ValueError:
        raise WarehouseError("a period is a month such as 2026-10, or days such as 2026-10-05..2026-11-04") from None
    if end < start:
        raise WarehouseError("a period ends on the day it begins or later")
    return start, end


def amount(text: str, what: str = "amount") -> Decimal:
    """An amount of an invoice from text, below zero too; WarehouseError names what it is, never the text."""
    try:
        return money.usd(text.strip().replace("$", "").replace("_", ""))
    except WarehouseError:
        raise WarehouseError(f"the {what} is a decimal number, such as 1234.56, without thousands apart") from None


def told(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file by column; WarehouseError names the line that cannot be read, or the columns it needs."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    header = [name.strip().lower() for name in next(reader, [])]
    if not set(_NEEDED) <= set(header) <= set(CSV_COLUMNS) or len(header) != len(set(header)):
        raise WarehouseError(
            f"the file's first line names its columns: {', '.join(CSV_COLUMNS)} (the last five may miss)"
        )
    rows = []
    for row in reader:
        if not any(field.strip() for field in row):
            continue
        if len(row) != len(header):
            raise WarehouseError(f"line {reader.line_num} has {len(row)} fields, its header {len(header)}")
        rows.append({name: field.strip() for name, field in zip(header, row, strict=True)})
    return rows


def of_row(row: Mapping[str, str], account_no: int) -> Invoice:
    """An invoice from the texts of a form, of options or of a line, by the names of CSV_COLUMNS, for whoever pays it.

    WarehouseError names the field that is none.
    """
    start, end = period(row.get("period", ""))
    return Invoice(
        row.get("provider", "").strip(),
        account_no,
        row.get("number", "").strip(),
        start,
        end,
        amount(row.get("amount", "")),
        amount(row["tax"], "tax") if row.get("tax", "").strip() else None,
        amount(row["credits"], "credit") if row.get("credits", "").strip() else None,
        row.get("plan", "").strip() or None,
        row.get("currency", "").strip().upper() or USD,
    )


def payer(control: sqlite3.Connection, provider: str, operator_no: int) -> int:
    """Whose invoice it is where nobody says: the account whose connections at the provider are all there are."""
    query = "SELECT DISTINCT account_no FROM connection WHERE provider = ?"
    accounts = [number for (number,) in control.execute(query, (provider,))]
    return accounts[0] if len(accounts) == 1 else operator_no


def add(control: sqlite3.Connection, invoices: Iterable[Invoice], now: datetime) -> int:
    """Keep invoices, all or none; how many. WarehouseError where one is there already or its days are another's.

    A day's bill is on one invoice, so that it can be said which one.
    """
    count = 0
    with database.transaction(control):
        for invoice in invoices:
            _check(control, invoice)
            texts = [None if amount is None else f"{amount:f}" for amount in invoice.amounts]
            is_usd = invoice.currency == USD
            control.execute(
                f"INSERT INTO invoice ({_COLUMNS}) VALUES ({', '.join('?' * 14)})",
                (
                    invoice.provider,
                    invoice.account_no,
                    invoice.number,
                    str(invoice.period_start),
                    str(invoice.period_end),
                    invoice.plan,
                    database.stamp(now),
                    None if is_usd else invoice.currency,
                    *([*texts, None, None, None] if is_usd else [None, None, None, *texts]),
                ),
            )
            count += 1
    return count


def _check(control: sqlite3.Connection, invoice: Invoice) -> None:
    if not labels.is_provider(invoice.provider):
        raise WarehouseError("a provider is one word, as the logs call it, such as openai")
    if not labels.is_label(invoice.number):
        raise WarehouseError("an invoice's number is up to 64 letters, digits, blanks and ./:-")
    if not _CURRENCY.fullmatch(invoice.currency):
        raise WarehouseError("a currency is three capital letters, such as EUR")
    if (
        invoice.plan is not None
        and not control.execute(
            "SELECT 1 FROM plan WHERE name = ? AND provider = ?", (invoice.plan, invoice.provider)
        ).fetchone()
    ):
        raise WarehouseError(
            f"no plan of {invoice.provider} has that name; `apiledger plan list` shows those there are"
        )
    for other, _ in listed(control):
        if other.account_no != invoice.account_no:
            # Another account's invoice may have the same number, and is nobody else's to learn of.
            continue
        if (other.provider, other.number) == (invoice.provider, invoice.number):
            raise WarehouseError(f"{invoice.number} of {invoice.provider} is there already; remove it to enter it anew")
        same = (other.provider, other.plan) == (invoice.provider, invoice.plan)
        if same and other.period_start <= invoice.period_end and invoice.period_start <= other.period_end:
            raise WarehouseError(
                f"{invoice.number}: {other.number} covers some of those days; each day's bill is on one invoice"
            )


def remove(
    control: sqlite3.Connection, number: str, provider: str | None = None, account_no: int | None = None
) -> Invoice:
    """Take an invoice out; WarehouseError where none, or one of several providers or accounts, has that number."""
    with database.transaction(control):
        found = [
            one
            for one, _ in listed(control)
            if one.number == number and provider in {None, one.provider} and account_no in {None, one.account_no}
        ]
        if not found:
            raise WarehouseError("no invoice has that number; `apiledger invoice list` shows those there are")
        if len(providers := sorted({one.provider for one in found})) > 1:
            raise WarehouseError(f"say whose with --provider: {', '.join(providers)}")
        if len(found) > 1:
            raise WarehouseError("several accounts have that invoice; say whose with --account")
        (gone,) = found
        query = "DELETE FROM invoice WHERE account_no = ? AND provider = ? AND number = ?"
        control.execute(query, (gone.account_no, gone.provider, number))
        return gone


def listed(control: sqlite3.Connection) -> list[tuple[Invoice, datetime]]:
    """Every invoice with the moment it was entered (UTC), by its first day."""
    query = f"SELECT {_COLUMNS} FROM invoice ORDER BY period_start, provider, number"
    return [
        (
            Invoice(
                provider,
                account_no,
                number,
                date.fromisoformat(start),
                date.fromisoformat(end),
                *((money.usd(total or billed), _known(tax or billed_tax), _known(less or billed_less))),
                plan,
                currency or USD,
            ),
            database.moment(added_at),
        )
        for (
            provider,
            account_no,
            number,
            start,
            end,
            plan,
            added_at,
            currency,
            total,
            tax,
            less,
            billed,
            billed_tax,
            billed_less,
        ) in control.execute(query)
    ]


def _known(text: str | None) -> Decimal | None:
    return None if text is None else money.usd(text)
