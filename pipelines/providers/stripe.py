"""Stripe's balance transactions -> raw_stripe.transactions: what customers paid, what was given back, what is disputed.

SOURCES: Stripe's API reference, "List all balance transactions", "Reporting categories". A balance transaction is never
changed once it is there; a payment's refund, failure or dispute is a transaction of its own, so that nothing has to be
asked again but what was still under way. Of each, and of the charge it is of, the fields below are taken and no other:
no card, name, address, mail, description or free metadata.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.bills import odd_row
from pipelines.bills.billing_api import BillingApi
from pipelines.bills.odd_row import OddRow, OddRowError
from pipelines.errors import ProviderError, UnknownRequestError
from warehouse import labels
from warehouse.tables import Column, Table

TITLE = "Stripe"
ADDRESS = "https://api.stripe.com"
KEY_VARIABLE, ADDRESS_VARIABLE = "STRIPE_RESTRICTED_KEY", "APILEDGER_STRIPE_API"
# The one name among a payment's metadata that is read, where there is one: whose account it is for.
FIELD_VARIABLE = "APILEDGER_STRIPE_ACCOUNT_FIELD"
KEY_PREFIX = "rk_"
KEY_HELP = "make a restricted key that may read charges, refunds, disputes and balance transactions, and nothing else"
POLICY_URL = "https://stripe.com/privacy"
VERSION = "2024-06-20"

RAW_TRANSACTIONS = Table(
    "raw_stripe",
    "transactions",
    "Stripe: one row per balance transaction of a customer's payment.",
    (
        Column("transaction", "VARCHAR", "Stripe's id of the balance transaction."),
        Column("payment", "VARCHAR", "Stripe's id of the charge that it is of."),
        Column("kind", "VARCHAR", "top_up, refund (with a payment or refund that failed), dispute."),
        Column("created_at", "TIMESTAMP", "When Stripe made it, UTC."),
        Column("amount_minor", "BIGINT", "In the currency's smallest unit, before Stripe's fee; below 0 given back."),
        Column("currency", "VARCHAR", "The currency it was settled in, ISO 4217."),
        Column("payment_currency", "VARCHAR", "The currency the customer paid in."),
        Column("customer_no", "BIGINT", "Our number for Stripe's customer; NULL where there was none."),
        Column("account_no", "BIGINT", "The account that the named field of the payment says; NULL without one."),
        Column("observed_at", "TIMESTAMP", "When it was read, UTC."),
    ),
)
_LIST = "/v1/balance_transactions"
_PER_PAGE = 100
_MOST_PAGES = 100_000
# A billion, and the year 2100.
_MOST_MINOR, _MOST_SECONDS = 10**11, 4_102_444_800
# By reporting category, else, in older versions of the API, by type.
_KINDS = {
    "charge": "top_up",
    "payment": "top_up",
    "charge_failure": "refund",
    "payment_failure_refund": "refund",
    "refund": "refund",
    "payment_refund": "refund",
    "refund_failure": "refund",
    "partial_capture_reversal": "refund",
    "dispute": "dispute",
    "dispute_reversal": "dispute",
}
_ID = re.compile(r"[a-z]{2,10}_[A-Za-z0-9_]{3,64}")
_CURRENCY = re.compile(r"[a-z]{3}")
_DIGITS = re.compile(r"\d(?:[ -]?\d){12,18}")


@dataclass(frozen=True)
class Told:
    """A balance transaction as it is taken: `customer` and `account` are Stripe's id and the named field's text."""

    transaction: str
    payment: str
    kind: str
    created_at: datetime
    amount_minor: int
    currency: str
    payment_currency: str
    customer: str | None
    account: str | None


def headers(key: str) -> dict[str, str]:
    """What is sent with each question."""
    return {"Authorization": f"Bearer {key}", "Stripe-Version": VERSION}


def transactions(api: BillingApi, since: datetime | None, field: str | None) -> Iterator[Told | OddRow]:
    """Every transaction of a payment from a moment on (UTC, naive; None: all there is), the newest first.

    What is still under way is left out, and comes once it is through; one that cannot be read is an odd row.
    ProviderError where an answer is of another form.
    """
    asked = [("limit", str(_PER_PAGE)), ("expand[]", "data.source")]
    if since is not None:
        asked.append(("created[gte]", str(int(since.replace(tzinfo=UTC).timestamp()))))
    charges = _Charges(api)
    seen: set[str] = set()
    after: list[tuple[str, str]] = []
    # Those without an id at a page's end, which the next one begins with once more.
    again = 0
    for _ in range(_MOST_PAGES):
        data, has_more = charges.page([*asked, *after])
        if not isinstance(data, list):
            raise ProviderError(f"{TITLE} {_LIST}: an answer without its list; nothing was stored")
        numbers = [_number(one) for one in data]
        for one, number in list(zip(data, numbers, strict=True))[again:]:
            if number in seen:
                raise ProviderError(f"{TITLE} {_LIST}: its pages do not end; nothing was stored")
            if number is None:
                yield OddRow("an id that is none")
                continue
            seen.add(number)
            told = _taken(one, number, charges, field)
            if told is not None:
                yield told
        if not has_more or not data:
            return
        last = next((place for place in reversed(range(len(data))) if numbers[place]), None)
        if last is None:
            raise ProviderError(f"{TITLE} {_LIST}: none of a page has an id; nothing was stored")
        after, again = [("starting_after", str(numbers[last]))], len(data) - 1 - last
    raise ProviderError(f"{TITLE} {_LIST}: its pages do not end; nothing was stored")


class _Charges:
    """The charges that refunds and disputes are of: with the list, else each by itself, once."""

    def __init__(self, api: BillingApi) -> None:
        self._api = api
        self._with_list = [("expand[]", "data.source.charge")]
        self._asked: dict[str, dict[str, Any]] = {}

    def page(self, asked: list[tuple[str, str]]) -> tuple[Any, bool]:
        """A page of the list and whether there are more; an API that knows no such expansion is asked without it."""
        try:
            answer = self._api.get(_LIST, [*asked, *self._with_list])
        except UnknownRequestError:
            if not self._with_list:
                raise
            self._with_list = []
            answer = self._api.get(_LIST, asked)
        return answer.get("data"), bool(answer.get("has_more"))

    def of(self, source: dict[str, Any]) -> dict[str, Any]:
        """The charge of a source, or the source itself where it is one."""
        if source.get("object") == "charge":
            return source
        charge = source["charge"]
        if isinstance(charge, dict):
            return charge
        if charge not in self._asked:
            try:
                self._asked[charge] = self._api.get(f"/v1/charges/{_id(charge)}", [])
            except UnknownRequestError:
                raise OddRowError("a charge that is not there") from None
        return self._asked[charge]


def _number(one: Any) -> str | None:
    """The id of a transaction; None where it has none."""
    try:
        return _id(one["id"])
    except (KeyError, TypeError, ValueError):
        return None


def _taken(one: dict[str, Any], number: str, charges: _Charges, field: str | None) -> Told | OddRow | None:
    """A transaction; None for what is no customer's payment, or is not through yet."""
    try:
        source = one.get("source")
        kind = _KINDS.get(one.get("reporting_category") or one["type"])
        if kind is None and isinstance(source, dict) and source.get("object") == "dispute":
            kind = "dispute"
        if kind is None:
            return None
        if not isinstance(source, dict):
            raise OddRowError("a payment without its charge")
        if kind == "top_up" and source.get("status", "succeeded") != "succeeded":
            return None
        about = charges.of(source)
        customer = about.get("customer")
        return Told(
            number,
            _id(about["id"]),
            kind,
            _moment(one["created"]),
            _amount(one["amount"], kind),
            _currency(one["currency"]),
            _currency(source["currency"]),
            None if customer is None else _id(customer["id"] if isinstance(customer, dict) else customer),
            account_named((about.get("metadata") or {}).get(field)) if field else None,
        )
    except odd_row.NO_ROW as error:
        return OddRow(odd_row.why(error))


def _id(text: Any) -> str:
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise OddRowError("an id that is none")
    return text


def _moment(seconds: Any) -> datetime:
    if type(seconds) is not int or not 0 < seconds < _MOST_SECONDS:
        raise OddRowError("a time that is none")
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _amount(minor: Any, kind: str) -> int:
    # A bool is an int to Python, and none is an amount; what was paid is above 0, and no payment is of a billion.
    if type(minor) is not int or abs(minor) > _MOST_MINOR or (kind == "top_up" and minor <= 0):
        raise OddRowError("an amount that is none")
    return minor


def _currency(text: Any) -> str:
    if not isinstance(text, str) or not _CURRENCY.fullmatch(text.lower()):
        raise OddRowError("a currency that is none")
    return text.upper()


def account_named(text: Any) -> str | None:
    """The account that a field names; None for what is no name, a card's number among it."""
    if not isinstance(text, str) or not labels.is_label(text) or has_card_number(text):
        return None
    return text.strip()


def has_card_number(text: str) -> bool:
    """Whether a text holds 13 to 19 digits whose last one checks the others, as a card's number does (Luhn)."""
    for found in _DIGITS.finditer(text):
        digits = [int(digit) for digit in found.group() if digit.isdigit()]
        doubled = [2 * digit if place % 2 else digit for place, digit in enumerate(reversed(digits))]
        if sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0:
            return True
    return False
