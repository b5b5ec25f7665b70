"""The report on a FOCUS file: what breaks a rule is named by it, in the record that does, and nothing else is."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from warehouse import focus_rules
from warehouse.table_file import csv_bytes

_DAY, _NEXT = datetime(2026, 10, 3, tzinfo=UTC), datetime(2026, 10, 4, tzinfo=UTC)
_MONTH, _AFTER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
_MONEY = pa.decimal128(38, 12)


def _row(**other: Any) -> dict[str, Any]:
    costs = dict.fromkeys(("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"), Decimal("1.000000000001"))
    return {
        "BillingAccountId": "acme",
        "BillingPeriodStart": _MONTH,
        "BillingPeriodEnd": _AFTER,
        "ChargePeriodStart": _DAY,
        "ChargePeriodEnd": _NEXT,
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeFrequency": "Usage-Based",
        "BillingCurrency": "USD",
        **costs,
        "ConsumedQuantity": Decimal(1234567),
        "ConsumedUnit": "Tokens",
        "PricingQuantity": Decimal("1.234567"),
        "PricingUnit": "1000000 Tokens",
        "PricingCategory": "Standard",
        "InvoiceId": "I-1",
        "InvoiceIssuerName": "openai",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": "openai",
        "SubAccountId": "p",
        "SubAccountName": "p",
        "Tags": '{"team": "t"}',
        **other,
    }


def _table(*rows: dict[str, Any]) -> pa.Table:
    kinds = {Decimal: _MONEY, datetime: pa.timestamp("us", "UTC")}
    schema = pa.schema([(name, kinds.get(type(value), pa.string())) for name, value in _row().items()])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _said(report: focus_rules.Report) -> dict[str, dict[str, str]]:
    return {one["rule"]: one for one in csv.DictReader(io.StringIO(report.body.decode()))}


def test_a_right_file_breaks_no_rule() -> None:
    """Each rule says how many rows it was about; what a file has no column for is not said to hold."""
    table = _table(_row(), _row(ChargeCategory="Adjustment", ConsumedQuantity=None, ConsumedUnit=None))
    found = focus_rules.report(csv_bytes(table), table, Decimal("2.000000000002"))
    assert found.broken == ()
    said = _said(found)
    assert len(said) == found.rules > 55
    assert (said["BilledCost-C-003-M"]["rows"], said["ConsumedQuantity-C-006-C"]["rows"]) == ("2", "1")
    assert "ServiceProviderName-C-003-M" not in said


def test_a_month_without_a_row_breaks_no_rule() -> None:
    """Nothing is spent, and nothing is said."""
    table = _table()
    assert focus_rules.report(csv_bytes(table), table, Decimal(0)).broken == ()


@pytest.mark.parametrize(
    ("wrong", "rules"),
    [
        ({"ChargePeriodEnd": _DAY}, {"x-ChargePeriod-length"}),
        ({"Tags": "team=t"}, {"Tags-C-001-M"}),
        ({"Tags": '{"team": ["t"]}'}, {"Tags-C-001-M"}),
        ({"Tags": '{"team": "t", "team": "u"}'}, {"Tags-C-001-M"}),
        ({"Tags": "[]"}, {"Tags-C-001-M"}),
        ({"PricingQuantity": Decimal("1.23")}, {"x-Rounding-PricingUnit"}),
        ({"BilledCost": None}, {"BilledCost-C-003-M", "x-Rounding-month"}),
        ({"BillingCurrency": "usd"}, {"BillingCurrency-C-003-M"}),
        ({"ChargeCategory": "Fee"}, {"ChargeCategory-C-003-M", "ConsumedQuantity-C-004-C"}),
        ({"ChargeClass": "Correction", "PricingQuantity": None, "PricingUnit": None}, {"x-Rounding-month"}),
        ({"PricingUnit": None}, {"PricingUnit-C-006-C"}),
        ({"ChargePeriodEnd": datetime(2026, 11, 3, tzinfo=UTC)}, {"x-ChargePeriod-within"}),
        ({"SubAccountName": None}, {"SubAccountName-C-005-C"}),
        ({"ServiceCategory": "Compute"}, {"ServiceSubcategory-C-004-M", "ServiceName-C-005-C"}),
        ({"InvoiceId": " "}, {"InvoiceId-StringHandling"}),
        (
            {"ChargeCategory": "Credit", "ConsumedQuantity": None, "ConsumedUnit": None, "ListCost": Decimal(2)},
            {"ListCost-C-008-C"},
        ),
    ],
)
def test_what_breaks_a_rule_is_named(wrong: dict[str, Any], rules: set[str]) -> None:
    """The rule, and the second record; a row of another category of its service is one of two that differ."""
    table = _table(_row(), _row(**wrong))
    found = focus_rules.report(csv_bytes(table), table, Decimal("2.000000000002"))
    assert {*found.broken} == rules
    said = _said(found)
    assert {said[rule]["first_records"] for rule in rules} <= {"2", "1 2", ""}


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (lambda text: text.replace("1.000000000001", "1.00", 1), {"x-Rounding-BilledCost", "x-Rounding-month"}),
        (lambda text: text.replace("1.000000000001", "+1.000000000001", 1), {"BilledCost-C-002-M"}),
        (lambda text: text.replace("2026-10-03T00:00:00Z", "2026-10-03 00:00:00"), {"ChargePeriodStart-C-002-M"}),
    ],
)
def test_the_file_is_held_against_what_it_was_made_of(change: Callable[[str], str], rules: set[str]) -> None:
    """An amount that was rounded on its way, a sign, a moment in another form."""
    table = _table(_row())
    body = change(csv_bytes(table).decode()).encode()
    assert {*focus_rules.report(body, table, Decimal("1.000000000001")).broken} >= rules
