"""FOCUS files of any cloud -> raw_focus.cost: what is billed for AI services, by day, sub-account and SKU.

SOURCES: the FinOps Open Cost and Usage Specification 1.0 to 1.4. Files lie in `inbox/focus/`, which empties, or where
APILEDGER_FOCUS says (a folder, or s3://bucket/prefix), where they are read in place. What counts is BilledCost, the
money that is owed; EffectiveCost, ListCost and ContractedCost stay beside it. Nothing counts outside the period that
bills it: a correction of a month that was invoiced before stands in the month that corrects it, so that a month's days
are its invoice. How long a month may be restated is the cloud's affair: a day settles a month after it.
"""

from datetime import datetime, timedelta
from typing import Any

from pipelines.bills import charge, delivery, sku
from pipelines.bills.ai_service import AiServices
from pipelines.bills.biller import Biller, Report
from pipelines.bills.charge import Charge, ChargeError, Whose
from warehouse.bill_tables import MODEL, PROJECT, PULL, TIER
from warehouse.tables import MONEY, Column, Table

RAW_COST = Table(
    "raw_focus",
    "cost",
    "FOCUS: one row per day, sub-account, SKU and category of a bill's AI services, per pull.",
    (
        *PULL,
        Column("billing_period", "VARCHAR", "The day on which the billing period begins that it is billed in."),
        PROJECT,
        Column("charge_category", "VARCHAR", "FOCUS ChargeCategory: Usage, Purchase, Tax, Credit, Adjustment."),
        Column("charge_class", "VARCHAR", "FOCUS ChargeClass: Correction, of a period that was invoiced before."),
        Column("service", "VARCHAR", "FOCUS ServiceName."),
        Column("sku", "VARCHAR", "FOCUS SkuId."),
        Column("line", "VARCHAR", "The usage type or meter, else the description."),
        MODEL,
        Column("token_type", "VARCHAR", "Which class of tokens, where the line says it without doubt."),
        TIER,
        Column("region", "VARCHAR", "FOCUS RegionId."),
        Column("invoice", "VARCHAR", "FOCUS InvoiceId."),
        Column("billing_currency", "VARCHAR", "FOCUS BillingCurrency, ISO 4217."),
        Column("billed_amount", MONEY, "FOCUS BilledCost, in the billing currency."),
        Column("effective_amount", MONEY, "FOCUS EffectiveCost: prepaid amounts spread over what used them."),
        Column("list_amount", MONEY, "FOCUS ListCost."),
        Column("contracted_amount", MONEY, "FOCUS ContractedCost."),
        Column("quantity", MONEY, "FOCUS ConsumedQuantity, else PricingQuantity."),
        Column("quantity_unit", "VARCHAR", "The unit of quantity."),
    ),
)
LOOKBACK_DAYS = 31
NEEDED = (
    ("BilledCost",),
    ("BillingCurrency",),
    ("ChargePeriodStart",),
    ("ChargePeriodEnd",),
    ("ServiceName",),
    # 1.3 calls the provider by what it does.
    ("ServiceProviderName", "ProviderName"),
)
WANTED = (
    ("BillingPeriodStart",),
    ("BillingPeriodEnd",),
    ("BillingAccountId",),
    ("ChargeCategory",),
    ("ChargeClass",),
    ("ChargeFrequency",),
    # What a cloud calls its usage types says more than a description for people.
    ("x_UsageType", "x_SkuDescription", "x_SkuMeterName", "SkuMeter", "ChargeDescription"),
    ("SkuId",),
    ("RegionId",),
    ("InvoiceId",),
    ("SubAccountId",),
    ("SubAccountName",),
    ("EffectiveCost",),
    ("ListCost",),
    ("ContractedCost",),
    ("ConsumedQuantity",),
    ("ConsumedUnit",),
    ("PricingQuantity",),
    ("PricingUnit",),
)
_ONCE = frozenset(("Purchase", "Tax", "Credit", "Adjustment"))


def charges(row: tuple[Any, ...], services: AiServices) -> list[Charge] | None:
    """A row as its charge; None where its service is not listed as AI, ChargeError where it is no charge."""
    billed, currency, starts_text, ends_text, service, cloud = row[:6]
    provider = services.provider(str(cloud or ""), str(service or ""))
    if provider is None:
        return None
    (
        period_start,
        period_end,
        account,
        category,
        class_,
        frequency,
        line,
        sku_id,
        region,
        invoice,
        sub_account,
        sub_name,
        effective,
        listed,
        contracted,
        consumed,
        consumed_unit,
        priced,
        priced_unit,
    ) = row[6:]
    starts, ends, billed_amount = charge.moment(starts_text), charge.moment(ends_text), charge.amount(billed)
    if ends <= starts:
        raise ChargeError("a charge period that ends before it begins")
    if billed_amount is None or not str(currency or "").isalpha() or len(str(currency)) != 3:
        raise ChargeError("no billed cost, or no currency")
    begins = charge.moment(period_start) if period_start else datetime(starts.year, starts.month, 1)  # noqa: DTZ001 (UTC at rest is naive)
    closes = charge.moment(period_end) if period_end else None
    is_usage = category not in _ONCE and frequency not in {"One-Time", "Recurring"}
    starts, ends = _within(starts, ends, begins, closes, spreads=is_usage)
    quantity, unit = (consumed, consumed_unit) if consumed is not None else (priced, priced_unit)
    known = sku.read(line)
    words = {
        "billing_period": begins.date().isoformat(),
        "project": sub_account,
        "project_name": sub_name,
        "charge_category": category,
        "charge_class": class_,
        "service": service,
        "sku": sku_id,
        "line": line,
        "model": known.model,
        "token_type": known.token_type,
        "service_tier": known.service_tier,
        "region": region,
        "invoice": invoice,
        "billing_currency": str(currency).upper(),
        "quantity_unit": unit,
    }
    amounts = {
        "billed_amount": billed_amount,
        "effective_amount": charge.amount(effective),
        "list_amount": charge.amount(listed),
        "contracted_amount": charge.amount(contracted),
        "quantity": charge.amount(quantity),
    }
    told = tuple((name, None if value is None else str(value)) for name, value in words.items())
    return [Charge(provider, str(account or ""), starts, ends, begins.date().isoformat(), told, amounts, is_usage)]


def whose(row: tuple[Any, ...], services: AiServices) -> Whose | None:
    """Whose bill lacks a row that is no charge; None where its service is not listed as AI."""
    provider = services.provider(str(row[5] or ""), str(row[4] or ""))
    return None if provider is None else (provider, str(row[8] or ""), row[2], row[3])


def _within(
    starts: datetime, ends: datetime, begins: datetime, closes: datetime | None, *, spreads: bool
) -> tuple[datetime, datetime]:
    """When a charge counts: in its own period, and never outside the one that bills it."""
    last = (closes - timedelta(microseconds=1)) if closes and closes > begins else None
    if begins <= starts and (last is None or ends <= last + timedelta(microseconds=1)):
        return starts, ends
    first = max(starts, begins) if last is None else min(max(starts, begins), last)
    until = ends if last is None else min(ends, last + timedelta(microseconds=1))
    return (first, until) if spreads and until > first else (first, first + timedelta(days=1))


BILLER = Biller(
    name="focus",
    title="FOCUS files",
    lookback_days=LOOKBACK_DAYS,
    reports=(
        Report(
            "costs",
            "costs",
            RAW_COST,
            meaning={
                "amount_usd": "CASE WHEN billing_currency = 'USD' THEN billed_amount END",
                "list_amount_usd": "CASE WHEN billing_currency = 'USD' THEN list_amount END",
                "billed_amount": "CASE WHEN billing_currency <> 'USD' THEN billed_amount END",
                "billing_currency": "nullif(billing_currency, 'USD')",
                # Where no invoice is named, the month that bills it; one that begins east of UTC says none.
                "invoice": "coalesce(invoice, CASE WHEN billing_period LIKE '____-__-01'"
                " THEN replace(left(billing_period, 7), '-', '') END)",
            },
            part="billing_period",
        ),
    ),
    files=delivery.Files(
        variable="APILEDGER_FOCUS", columns=(*NEEDED, *WANTED), needed=len(NEEDED), charges=charges, whose=whose
    ),
)
