"""model.spend_daily, model.bill_day, model.connection -> who pays for an account's calls, and their frozen bills.

A bill's rest is what it is more or less than its detail. Where calls of the detail go, it becomes more by as much.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

Row = dict[str, Any]
# What calls cost, by payer; None where no bill has them.
Shares = Mapping[str | None, Decimal]

_COSTS = ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")
# What a rest gets of each cost: its list price is what is billed, whatever the calls' was.
_MOVED = {name: "BilledCost" if name == "ListCost" else name for name in _COSTS}
_PLACES = Decimal("0.000000000001")
# As the marts have such a row.
_REST: Row = {
    "ChargeCategory": "Adjustment",
    "ChargeFrequency": "Usage-Based",
    "ConsumedQuantity": None,
    "ConsumedUnit": None,
    "PricingQuantity": None,
    "PricingUnit": None,
    "PricingCategory": None,
    "SubAccountId": None,
    "SubAccountName": None,
    "Tags": "{}",
    "x_Model": None,
    "x_Requests": 0,
    "x_InputTokens": 0,
    "x_CacheReadTokens": 0,
    "x_OutputTokens": 0,
    "x_Basis": "bill",
}
_MEANING = "What the bill is more or less than its detail"


@dataclass(frozen=True)
class Payers:
    """Who pays for the calls of some accounts: by day, provider and model, and by day and provider alone."""

    by_model: Mapping[tuple[date, str, str | None], Shares]
    by_day: Mapping[tuple[date, str], Shares]

    def split(self, row: Row, cost: Decimal) -> dict[str, Decimal]:
        """What of a cost is in whose bill, for a frozen row of calls; a day that is not known any more is in none."""
        day, provider = row["ChargePeriodStart"].date(), row["InvoiceIssuerName"]
        shares = self.by_model.get((day, provider, row["x_Model"])) or self.by_day.get((day, provider)) or {}
        whole = sum(shares.values(), Decimal(0))
        if len(shares) == 1 or not whole:
            return {payer: cost for payer in list(shares)[:1] if payer is not None}
        return {payer: (cost * share / whole).quantize(_PLACES) for payer, share in shares.items() if payer is not None}


def payers(build: duckdb.DuckDBPyConnection, accounts: list[int]) -> Payers:
    """Who else pays for these accounts' calls, as the build has it while they are in it."""
    by_model: dict[tuple[date, str, str | None], dict[str | None, Decimal]] = {}
    by_day: dict[tuple[date, str], dict[str | None, Decimal]] = {}
    query = """SELECT spend.day, spend.provider, spend.model, payer.label, sum(spend.cost_usd)
        FROM model.spend_daily AS spend
        LEFT JOIN model.bill_day AS bill ON bill.day = spend.day AND bill.connection_no = spend.connection_no
        LEFT JOIN model.connection AS connection
            ON connection.connection_no = bill.connection_no AND connection.account_no NOT IN (SELECT unnest($gone))
        LEFT JOIN model.account AS payer ON payer.account_no = connection.account_no AND payer.valid_to IS NULL
        WHERE spend.account_no IN (SELECT unnest($gone)) AND spend.basis = 'log' AND spend.cost_usd IS NOT NULL
        GROUP BY ALL"""
    for day, provider, model, payer, cost in build.execute(query, {"gone": accounts}).fetchall():
        by_model.setdefault((day, provider, model), {})[payer] = cost
        shares = by_day.setdefault((day, provider), {})
        shares[payer] = shares.get(payer, Decimal(0)) + cost
    return Payers(by_model, by_day)


def moved(removed: Iterable[Row], rests: list[Row], payers: Payers) -> list[Row]:
    """The rests of bills after these rows went: larger by what they had of each; what becomes nothing goes."""
    groups: dict[tuple[Any, ...], tuple[Row, dict[str, Decimal]]] = {}
    for row in removed:
        if row["x_Basis"] == "log" and any(row[name] for name in _MOVED.values()):
            by = tuple(row[name] for name in (*_DAY, "x_Model", "x_Settlement"))
            _, costs = groups.setdefault(by, (row, dict.fromkeys(_COSTS, Decimal(0))))
            for name, source in _MOVED.items():
                costs[name] += row[source]
    for row, costs in groups.values():
        for name, cost in costs.items():
            for payer, share in payers.split(row, cost).items():
                rest = next((each for each in rests if _is_rest(each, row, payer)), None)
                if rest is None:
                    rest = _made(row, payer)
                    rests.append(rest)
                rest[name] += share
    return [row for row in rests if any(row[name] for name in _COSTS)]


_DAY = ("ChargePeriodStart", "BillingPeriodStart", "InvoiceIssuerName", "ChargeClass")


def _is_rest(rest: Row, row: Row, payer: str) -> bool:
    # A day may have a rest on each of several invoices: the detail is on one of them.
    is_same_bill = rest["BillingAccountId"] == payer and rest["InvoiceId"] == _invoice(row, payer)
    return is_same_bill and all(rest[name] == row[name] for name in _DAY)


def _invoice(row: Row, payer: str) -> str:
    invoice: str = row["InvoiceId"]
    if not invoice.startswith("provisional-"):
        return invoice
    return f"provisional-{row['InvoiceIssuerName']}-{payer}-{row['BillingPeriodStart']:%Y-%m}"


def _made(row: Row, payer: str) -> Row:
    """A rest of nothing yet, in the bill of these calls."""
    named = {"BillingAccountId": payer, "BillingAccountName": payer, "InvoiceId": _invoice(row, payer)}
    meaning = row["ChargeDescription"] if row["ChargeClass"] else _MEANING
    return row | _REST | named | dict.fromkeys(_COSTS, Decimal(0)) | {"ChargeDescription": meaning}
