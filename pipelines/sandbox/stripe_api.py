"""Stripe's API as the sandbox serves it: made-up customers who pay, get money back and dispute, newest first in pages.

Its answers hold what Stripe's hold and nobody here may keep: a card, a name, a mail, free metadata.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipelines.sandbox import bill_file
from pipelines.sandbox.admin_api import AdminApi, RequestError

Query = dict[str, list[str]]
# A made-up card that checks (Luhn), and a made-up person: what is looked for in every file.
CARD, NAME, MAIL = "4242 4242 4242 4242", "Ida Quellmann", "ida.quellmann@payer.example"
_MOST = 100


@dataclass
class Payments:
    """What customers did, oldest first; each act is a balance transaction of its own, as Stripe makes it."""

    transactions: list[dict[str, Any]] = field(default_factory=list)
    charges: dict[str, dict[str, Any]] = field(default_factory=dict)

    def pay(
        self,
        customer: str | None,
        cents: int,
        at: datetime,
        *,
        metadata: Mapping[str, str] | None = None,
        currency: str = "usd",
        status: str = "succeeded",
    ) -> str:
        """A payment of a customer at a moment (UTC); its charge's id. A `pending` one goes through with `pass_`."""
        number = f"ch_madeup{len(self.charges) + 1:04}"
        self.charges[number] = {
            "id": number,
            "object": "charge",
            "amount": cents,
            "currency": currency,
            "customer": customer,
            "status": status,
            "metadata": {"note": f"card {CARD}", **(metadata or {})},
            "description": f"top-up for {NAME}",
            "receipt_email": MAIL,
            "billing_details": {"name": NAME, "email": MAIL, "address": {"line1": "1 Made-up Street"}},
            "payment_method_details": {"card": {"brand": "visa", "last4": "4242", "number": CARD}},
        }
        self._made(cents, at, "charge", self.charges[number], currency)
        return number

    def give_back(self, charge: str, cents: int, at: datetime) -> None:
        """A refund of a part of a payment, or of all of it."""
        source = self._of(charge, "refund", "re", cents)
        self._made(-cents, at, "refund", source, source["currency"])

    def dispute(self, charge: str, at: datetime, *, won: bool = False) -> None:
        """A customer's bank takes a whole payment back; or, once it is won, gives it again."""
        cents = self.charges[charge]["amount"]
        source = self._of(charge, "dispute", "dp", cents)
        self._made(cents if won else -cents, at, "dispute_reversal" if won else "dispute", source, source["currency"])

    def pay_out(self, cents: int, at: datetime) -> None:
        """Stripe pays out to the bank: no customer's payment."""
        self._made(-cents, at, "payout", {"id": f"po_{len(self.transactions)}", "object": "payout"}, "usd")

    def pass_(self, charge: str) -> None:
        """A payment that was under way is through."""
        self.charges[charge]["status"] = "succeeded"

    def _of(self, charge: str, kind: str, prefix: str, cents: int) -> dict[str, Any]:
        return {
            "id": f"{prefix}_madeup{len(self.transactions):04}",
            "object": kind,
            "amount": cents,
            "currency": self.charges[charge]["currency"],
            "status": "succeeded",
            "charge": self.charges[charge],
            "metadata": {"reason": f"asked by {MAIL}"},
        }

    def _made(self, cents: int, at: datetime, category: str, source: dict[str, Any], currency: str) -> None:
        self.transactions.append(
            {
                "id": f"txn_madeup{len(self.transactions) + 1:04}",
                "object": "balance_transaction",
                "amount": cents,
                "fee": 59 if category == "charge" else 0,
                "currency": currency,
                "created": int(at.replace(tzinfo=UTC).timestamp()),
                "description": f"{category} for {NAME}",
                "reporting_category": category,
                "type": "adjustment" if category.startswith("dispute") else category,
                "status": "available",
                "source": source,
            }
        )

    def page(self, query: Query) -> dict[str, Any]:
        """A page of the list, newest first, as `limit`, `starting_after`, `created[gte]` and `expand[]` ask for it."""
        limit = int(query.get("limit", ["10"])[0])
        if not 1 <= limit <= _MOST:
            raise RequestError("limit")
        since = int(query.get("created[gte]", ["0"])[0])
        rows = sorted(
            (one for one in self.transactions if one["created"] >= since),
            key=lambda one: (one["created"], one["id"]),
            reverse=True,
        )
        if after := query.get("starting_after"):
            rows = rows[[one["id"] for one in rows].index(after[0]) + 1 :]
        expand = query.get("expand[]", [])
        return {
            "object": "list",
            "url": "/v1/balance_transactions",
            "has_more": len(rows) > limit,
            "data": [_expanded(one, expand) for one in rows[:limit]],
        }


def _expanded(one: dict[str, Any], expand: list[str]) -> dict[str, Any]:
    source = one["source"]
    if "data.source" not in expand:
        return {**one, "source": source["id"]}
    if isinstance(source.get("charge"), dict) and "data.source.charge" not in expand:
        source = {**source, "charge": source["charge"]["id"]}
    return {**one, "source": source}


def serve(payments: Payments, key: str, port: int = 0) -> AdminApi:
    """Stripe's API for these payments; a context manager. It takes `key` alone."""
    routes: dict[str, Callable[[AdminApi, Query], dict[str, Any]]] = {
        "/v1/balance_transactions": lambda _, query: payments.page(query)
    }
    return AdminApi(bill_file.nothing(), f"Bearer {key}", "Authorization", routes, port=port)
