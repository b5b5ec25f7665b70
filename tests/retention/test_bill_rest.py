"""A bill's rest takes over what calls had of the bill when they go: each cost by what it was, by contract too."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from retention import bill_rest
from retention.bill_rest import Payers

_DAY = datetime(2026, 10, 3, tzinfo=UTC)
_PAYERS = Payers({}, {(date(2026, 10, 3), "openai"): {"payer": Decimal(8)}})


def _row(basis: str, account: str, billed: str, contracted: str, listed: str) -> dict[str, Any]:
    return {
        "ChargePeriodStart": _DAY,
        "BillingPeriodStart": _DAY.replace(day=1),
        "InvoiceIssuerName": "openai",
        "ChargeClass": None,
        "InvoiceId": "I-1",
        "BillingAccountId": account,
        "x_Basis": basis,
        "x_Model": None,
        "x_Settlement": "settled",
        "BilledCost": Decimal(billed),
        "EffectiveCost": Decimal(contracted),
        "ContractedCost": Decimal(contracted),
        "ListCost": Decimal(listed),
    }


def test_a_rest_grows_by_each_cost_of_what_goes() -> None:
    """Eight at list and six by contract go: the bill of 6.5 stays whole in each, the rest is all of it."""
    gone = _row("log", "anne", "8", "6", "8")
    (rest,) = bill_rest.moved([gone], [_row("bill", "payer", "-1.5", "0.5", "-1.5")], _PAYERS)
    assert [rest[name] for name in ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")] == [
        Decimal("6.5")
    ] * 4


def test_a_rest_that_holds_a_contracts_share_alone_stays() -> None:
    """Billed at list price: nothing is billed beyond it, and the contract's share is said all the same."""
    kept = [_row("bill", "payer", "0", "2", "0"), _row("bill", "payer", "0", "0", "0")]
    assert bill_rest.moved([], kept, _PAYERS) == kept[:1]


def test_a_rest_grows_on_the_invoice_of_what_goes() -> None:
    """Of a day that two invoices share, calls are on one: its rest takes them over, or comes to be."""
    other = _row("bill", "payer", "3", "3", "3") | {"InvoiceId": "I-2"}
    own = _row("bill", "payer", "-1.5", "-1.5", "-1.5")
    for rests in ([other, own], [other]):
        moved = bill_rest.moved([_row("log", "anne", "8", "8", "8")], [dict(row) for row in rests], _PAYERS)
        mine = own["BilledCost"] if own in rests else 0
        assert {row["InvoiceId"]: row["BilledCost"] for row in moved} == {"I-2": Decimal(3), "I-1": mine + 8}
