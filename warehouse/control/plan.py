"""Plans: a subscription or a seat, which costs its fee whatever is used, from a day to a day.

A fee that changes is a plan that ends and another of the same name that begins.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from warehouse import database, labels, money
from warehouse.control import outside_id
from warehouse.errors import WarehouseError

NO_END = date.max
_COLUMNS = "plan_no, name, provider, account_no, covers_account, monthly_usd, seats, starts_on, ends_on, covers"


@dataclass(frozen=True)
class Plan:
    """A plan: its fee of a month and seat in USD, its days (both included), and whose calls of which gateways it pays.

    `covers_account` None: every account's calls.
    """

    plan_no: int
    name: str
    provider: str
    account_no: int
    covers_account: str | None
    monthly_usd: Decimal
    seats: int
    starts_on: date
    ends_on: date | None
    covers: tuple[str, ...]

    @property
    def fee_usd(self) -> Decimal:
        """What a month of it costs."""
        return money.CONTEXT.multiply(self.monthly_usd, Decimal(self.seats))

    def meets(self, other: "Plan") -> bool:
        """Whether two plans run on a day together."""
        return self.starts_on <= (other.ends_on or NO_END) and other.starts_on <= (self.ends_on or NO_END)

    def row(self) -> tuple[object, ...]:
        """The row of model.plan."""
        return (
            self.plan_no,
            self.name,
            self.provider,
            self.account_no,
            self.monthly_usd,
            self.seats,
            self.starts_on,
            self.ends_on,
            ",".join(self.covers),
        )


def monthly(text: str, currency: str = "USD") -> Decimal:
    """A fee from text; WarehouseError unless it is an amount above 0 in USD."""
    if currency.upper() != "USD":
        raise WarehouseError("fees and invoices are kept in USD: give the amount in USD that was debited")
    try:
        amount = money.usd(text.strip().removeprefix("$").replace("_", ""))
    except WarehouseError:
        amount = Decimal(0)
    if amount <= 0:
        raise WarehouseError("a fee is an amount above 0 in USD, such as 200 or 19.99")
    return amount


def listed(control: sqlite3.Connection) -> list[Plan]:
    """Every plan, those that have ended too, by its first day."""
    return [_plan(row) for row in control.execute(f"SELECT {_COLUMNS} FROM plan ORDER BY starts_on, plan_no")]


def add(control: sqlite3.Connection, plan: Plan, now: datetime) -> Plan:
    """Keep a plan, under a number of its own.

    WarehouseError where its name or dates make no sense, its name runs already on one of its days, or another plan pays
    for the same calls: their use would have two fees.
    """
    if not labels.is_label(plan.name):
        raise WarehouseError("a plan's name is up to 64 letters, digits, blanks and ./:-, such as 'claude max'")
    if not labels.is_provider(plan.provider) or not all(labels.is_provider(gateway) for gateway in plan.covers):
        raise WarehouseError("a provider and a gateway are one word each, such as anthropic and claude_code")
    if plan.seats < 1 or (plan.ends_on and plan.ends_on < plan.starts_on):
        raise WarehouseError("a plan has at least one seat, and ends on the day it begins or later")
    with database.transaction(control):
        for other in filter(plan.meets, listed(control)):
            if other.name == plan.name:
                raise WarehouseError(f"{plan.name} runs on those days already; end it with `apiledger plan end` first")
            shared = set(plan.covers) & set(other.covers)
            accounts = {plan.covers_account, other.covers_account}
            if shared and plan.provider == other.provider and (None in accounts or len(accounts) == 1):
                raise WarehouseError(f"{other.name} pays for the calls of {min(shared)} already on some of those days")
        cursor = control.execute(
            f"INSERT INTO plan ({_COLUMNS}, added_at) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                plan.name,
                plan.provider,
                plan.account_no,
                plan.covers_account,
                str(plan.monthly_usd),
                plan.seats,
                str(plan.starts_on),
                plan.ends_on and str(plan.ends_on),
                ",".join(plan.covers),
                database.stamp(now),
            ),
        )
        query = f"SELECT {_COLUMNS} FROM plan WHERE plan_no = ?"
        return _plan(control.execute(query, (cursor.lastrowid,)).fetchone())


def end(control: sqlite3.Connection, name: str, last_day: date) -> Plan:
    """End the newest plan of a name with a day, the last one it covers; WarehouseError where there is none."""
    with database.transaction(control):
        found = [plan for plan in listed(control) if plan.name == name]
        if not found:
            raise WarehouseError(f"no plan is called {name!r}; `apiledger plan list` shows those there are")
        newest = found[-1]
        if last_day < newest.starts_on:
            raise WarehouseError(f"{name} began on {newest.starts_on}; it cannot end before that")
        control.execute("UPDATE plan SET ends_on = ? WHERE plan_no = ?", (str(last_day), newest.plan_no))
        return next(plan for plan in listed(control) if plan.plan_no == newest.plan_no)


def remove(control: sqlite3.Connection, name: str) -> int:
    """Take back every plan of a name, as if it had never been; how many there were."""
    with database.transaction(control):
        return control.execute("DELETE FROM plan WHERE name = ?", (name,)).rowcount


def covered(plans: Sequence[Plan], names: Sequence[outside_id.Name]) -> list[tuple[object, ...]]:
    """The rows of model.plan_cover: an account's number under each name it has today."""
    accounts = sorted((name.number, name.label) for name in names if name.kind == "account" and name.valid_to is None)
    return [
        (plan.plan_no, gateway, plan.provider, number, plan.starts_on, plan.ends_on or NO_END)
        for plan in plans
        for gateway in plan.covers
        for number, label in accounts
        if plan.covers_account in {None, label}
    ]


def _plan(row: tuple[int, str, str, int, str | None, str, int, str, str | None, str]) -> Plan:
    number, name, provider, account_no, covers_account, fee, seats, starts_on, ends_on, covers = row
    return Plan(
        number,
        name,
        provider,
        account_no,
        covers_account,
        money.usd(fee),
        seats,
        date.fromisoformat(starts_on),
        date.fromisoformat(ends_on) if ends_on else None,
        tuple(filter(None, covers.split(","))),
    )
