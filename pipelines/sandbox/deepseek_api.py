"""DeepSeek's API as the sandbox serves it: a balance that falls by what the truth's bill says, and nothing else."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill

Query = dict[str, list[str]]


@dataclass
class Purse:
    """What is in an account: `granted` is spent first."""

    topped_up: Decimal = Decimal("100.00")
    granted: Decimal = Decimal("10.00")
    currency: str = "USD"

    def spend(self, amount: Decimal) -> None:
        """Take an amount out, of the grant as long as there is one."""
        from_grant = min(self.granted, amount)
        self.granted -= from_grant
        self.topped_up -= amount - from_grant


def serve(bill: Bill, key: str, port: int = 0) -> AdminApi:
    """DeepSeek's API for a company that paid in 100 dollars; a context manager. It takes `key` alone.

    A bill's days are taken out up to the bill's `billed_until`.
    """
    return AdminApi(bill, f"Bearer {key}", "Authorization", {"/user/balance": _balance}, port=port)


def purse(api: AdminApi) -> Purse:
    """What is left after the bill's days before `billed_until`."""
    left = Purse(topped_up=Decimal(10_000))
    left.spend(api.bill.amount(date(2000, 1, 1), api.billed_until or date(2100, 1, 1)))
    return left


def _balance(api: AdminApi, query: Query) -> dict[str, Any]:
    del query  # there is nothing to ask for
    left = purse(api)
    return {
        "is_available": left.topped_up + left.granted > 0,
        "balance_infos": [
            {
                "currency": left.currency,
                "total_balance": f"{left.topped_up + left.granted:f}",
                "granted_balance": f"{left.granted:f}",
                "topped_up_balance": f"{left.topped_up:f}",
            }
        ],
    }
