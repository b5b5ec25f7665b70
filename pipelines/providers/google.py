"""Google's Cloud Billing export -> raw_google.cost: what is billed for Vertex AI and Gemini, by day, project and SKU.

SOURCES: the export's documented schema (standard, detailed, FOCUS). It comes from BigQuery, where
APILEDGER_GOOGLE_TABLE names the table and, where its name does not, APILEDGER_GOOGLE_FORM says its form (standard or
focus), or as files of the standard form in `inbox/google/` or where APILEDGER_GOOGLE says; `focus` reads FOCUS files.
A row is never changed: a correction takes it back and says it anew, so rows add up, and what an `export_time` brought
is one part of a day. A day is a UTC day of `usage_start_time`; Google's invoice month, in Pacific time, is the invoice.
Late usage has no bound: a day settles a month after it.
"""

import ast
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pipelines.bills import bigquery, charge, delivery, sku
from pipelines.bills.ai_service import AiServices
from pipelines.bills.biller import Biller, Report
from pipelines.bills.charge import Charge, ChargeError, Whose
from pipelines.bills.json_number import exact, whole
from pipelines.providers import focus
from warehouse.bill_tables import MODEL, PROJECT, PULL, TIER
from warehouse.tables import MONEY, Column, Table

RAW_COST = Table(
    "raw_google",
    "cost",
    "Google: one row per day, project, SKU, kind of cost and export of a billing export's AI services, per pull.",
    (
        *PULL,
        Column("exported_at", "VARCHAR", "Google's export_time, UTC; before it a table's form and turn (focus, t1)."),
        PROJECT,
        Column("charge_category", "VARCHAR", "FOCUS: Usage, Tax, Adjustment or Credit."),
        Column("cost_type", "VARCHAR", "Google's regular, tax, adjustment, rounding_error; a credit's type."),
        Column("service", "VARCHAR", "Google's service."),
        Column("sku", "VARCHAR", "Google's SKU id."),
        Column("line", "VARCHAR", "Google's SKU in words; a credit's name."),
        MODEL,
        Column("token_type", "VARCHAR", "Which class of tokens, where the SKU says it without doubt."),
        TIER,
        Column("region", "VARCHAR", "Google's region."),
        Column("invoice", "VARCHAR", "Google's invoice month, as 202610."),
        Column("billing_currency", "VARCHAR", "ISO 4217."),
        Column("billed_amount", MONEY, "What it costs before credits, which are rows of their own."),
        Column("list_amount", MONEY, "The same at list price, where the export says it."),
        Column("quantity", MONEY, "How much was used."),
        Column("quantity_unit", "VARCHAR", "The unit of quantity."),
    ),
)
LOOKBACK_DAYS = 31
NEEDED = (("cost",), ("currency",), ("usage_start_time",), ("service.description",), ("export_time",))
WANTED = (
    ("usage_end_time",),
    ("billing_account_id",),
    ("sku.description",),
    ("sku.id",),
    ("project.id",),
    ("project.name",),
    ("location.region",),
    ("usage.amount",),
    ("usage.unit",),
    ("credits",),
    ("invoice.month",),
    ("cost_type",),
    ("cost_at_list",),
)
_CATEGORIES = {"regular": "Usage", "tax": "Tax", "adjustment": "Adjustment", "rounding_error": "Adjustment"}


def charges(row: tuple[Any, ...], services: AiServices) -> list[Charge] | None:
    """A row's charge and its credits; None where its service is not listed as AI, ChargeError where it is no charge."""
    cost, currency, starts_text, service, exported = row[:5]
    provider = services.provider("Google", str(service or ""))
    if provider is None:
        return None
    ends_text, account, line, sku_id, project, name, region, used, unit, credits_, month, cost_type, listed = row[5:]
    starts, billed = charge.moment(starts_text), charge.amount(cost)
    ends = charge.moment(ends_text) if ends_text else starts + timedelta(hours=1)
    if billed is None or ends < starts or not str(currency or "").isalpha() or len(str(currency)) != 3:
        raise ChargeError("no cost, no currency, or a time that ends before it begins")
    kind, known = str(cost_type or "regular"), sku.read(line)
    part = charge.moment(exported).isoformat()
    words: dict[str, Any] = {
        "exported_at": part,
        "project": project,
        "project_name": name,
        "charge_category": _CATEGORIES.get(kind, "Adjustment"),
        "cost_type": kind,
        "service": service,
        "sku": sku_id,
        "line": line,
        "model": known.model,
        "token_type": known.token_type,
        "service_tier": known.service_tier,
        "region": region,
        "invoice": month,
        "billing_currency": str(currency).upper(),
        "quantity_unit": unit,
    }

    def charged(words: dict[str, Any], amounts: dict[str, Decimal | None]) -> Charge:
        told = tuple((name, None if value is None else str(value)) for name, value in words.items())
        is_usage = words["charge_category"] == "Usage"
        return Charge(provider, str(account or ""), starts, ends, part, told, amounts, is_usage)

    amounts = {"billed_amount": billed, "list_amount": charge.amount(listed), "quantity": charge.amount(used)}
    return [
        charged(words, amounts),
        *(
            charged(
                {**words, "charge_category": "Credit", "cost_type": kind, "line": credit_line, "quantity_unit": None},
                {"billed_amount": credit, "list_amount": None, "quantity": None},
            )
            for credit, kind, credit_line in _credits(credits_)
        ),
    ]


# Which form each table is in: Google names its FOCUS table so.
_MARKS = {"billing_export_focus": "focus", "": "standard"}
_FOCUS = (*focus.NEEDED, ("x_ExportTime",), *focus.WANTED, ("x_CostType",))


def _of_focus(row: tuple[Any, ...], services: AiServices) -> list[Charge] | None:
    """A row of the FOCUS table as a FOCUS file's: net of its credits, and nothing outside the period that bills it."""
    needed = len(focus.NEEDED)
    exported, *wanted, cost_type = row[needed:]
    found = focus.charges((*row[:needed], *wanted), services)
    if found is None:
        return None
    part = f"focus {charge.moment(exported).isoformat()}"
    return [_reworded(one, part, cost_type) for one in found]


def _reworded(told: Charge, part: str, cost_type: str | None) -> Charge:
    words = dict(told.words)
    period = words.pop("billing_period")
    del words["charge_class"]
    words |= {"exported_at": part, "cost_type": cost_type, "invoice": words["invoice"] or period[:7].replace("-", "")}
    amounts = {name: told.amounts[name] for name in ("billed_amount", "list_amount", "quantity")}
    return replace(told, part=part, words=tuple(words.items()), amounts=amounts)


def _whose(row: tuple[Any, ...], services: AiServices) -> Whose | None:
    provider = services.provider("Google", str(row[3] or ""))
    return None if provider is None else (provider, str(row[6] or ""), row[2], None)


def _whose_of_focus(row: tuple[Any, ...], services: AiServices) -> Whose | None:
    needed = len(focus.NEEDED)
    return focus.whose((*row[:needed], *row[needed + 1 : -1]), services)


def _credits(told: Any) -> list[tuple[Decimal, str | None, str | None]]:
    """A row's credits: amount (below zero), type and name; a CSV file has them as text."""
    listed = told
    if isinstance(told, str):
        try:
            listed = json.loads(told, parse_float=exact, parse_int=whole, parse_constant=exact)
        except ValueError:
            try:
                # How Python writes them, with the amounts as it prints them.
                listed = ast.literal_eval(told)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                listed = 0
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and one.get("amount") is not None for one in listed
    ):
        raise ChargeError("credits that are none")
    return [(_exact(one["amount"]), one.get("type"), one.get("name")) for one in listed]


def _exact(value: Any) -> Decimal:
    found = charge.amount(repr(value) if isinstance(value, float) else value)
    if found is None:
        raise ChargeError("credits that are none")
    return found


BILLING_EXPORT = bigquery.BillingExport(
    variable="APILEDGER_GOOGLE_TABLE",
    endpoint_variable="APILEDGER_BIGQUERY_API",
    form_variable="APILEDGER_GOOGLE_FORM",
    forms={
        "standard": bigquery.Form(
            columns=(*NEEDED, *WANTED),
            needed=len(NEEDED),
            charges=charges,
            whose=_whose,
            exported="export_time",
            counts_from="usage_start_time",
            service="service.description",
        ),
        # What is billed in a later month counts there.
        "focus": bigquery.Form(
            columns=_FOCUS,
            # When it was exported, and the beginning of the period that bills it.
            needed=len(focus.NEEDED) + 2,
            charges=_of_focus,
            whose=_whose_of_focus,
            exported="x_ExportTime",
            counts_from="GREATEST(ChargePeriodStart, BillingPeriodStart)",
            service="ServiceName",
        ),
    },
    marks=_MARKS,
    part="exported_at",
)
BILLER = Biller(
    name="google",
    title="Google Cloud Billing",
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
            },
            part="exported_at",
        ),
    ),
    files=delivery.Files(
        variable="APILEDGER_GOOGLE",
        columns=(*NEEDED, *WANTED),
        needed=len(NEEDED),
        charges=charges,
        whose=_whose,
        gaps=False,
        table=BILLING_EXPORT,
    ),
)
