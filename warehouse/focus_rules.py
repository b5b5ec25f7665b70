"""A FOCUS file -> the report on it: which rules were looked at in how many rows, and which rows break them.

The file is read as somebody else reads it: cells of text. A rule has FOCUS 1.2's own id; the ones that begin with `x-`
are ours, of what FOCUS's validator passes: a period without length, tags that are no JSON, amounts rounded row by row.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import polars as pl
import pyarrow as pa

from warehouse.table_file import csv_bytes

# A report names so many records of each rule; the head is none.
_NAMED = 5
_FORM = "%Y-%m-%dT%H:%M:%SZ"
_COSTS = ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")
_AMOUNTS = (*_COSTS, "ConsumedQuantity", "PricingQuantity")
_MOMENTS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
_NEVER_NULL = {
    **dict.fromkeys((*_COSTS, *_MOMENTS, "InvoiceIssuerName", "ServiceName"), "C-003-M"),
    **dict.fromkeys(("ProviderName", "PublisherName", "ServiceProviderName", "HostProviderName"), "C-003-M"),
    **dict.fromkeys(("ChargeCategory", "ChargeFrequency", "ServiceCategory", "ServiceSubcategory"), "C-002-M"),
    "BillingAccountId": "C-001-M",
    "BillingCurrency": "C-004-M",
    "InvoiceId": "C-005-C",
}
_ALLOWED = {
    "ChargeCategory": ("C-003-M", ("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    "ChargeFrequency": ("C-003-M", ("One-Time", "Recurring", "Usage-Based")),
    "PricingCategory": ("C-007-M", ("Standard", "Committed", "Dynamic", "Other")),
    "ChargeClass": ("C-005-C", ("Correction",)),
}
_AI = ("AI Platforms", "Bots", "Generative AI", "Machine Learning", "Natural Language Processing")
_TEXTS = ("BillingAccountId", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceName", "InvoiceId")


@dataclass(frozen=True)
class Rule:
    """One rule: which rows it is about, and which of those break it."""

    name: str
    says: str
    about: pl.Expr
    broken: pl.Expr

    @property
    def columns(self) -> set[str]:
        """What a file has to have for it."""
        return {*self.about.meta.root_names(), *self.broken.meta.root_names()}


@dataclass(frozen=True)
class Report:
    """What was found: the file that says it, how many rules were looked at, and the names of the broken ones."""

    body: bytes
    rules: int
    broken: tuple[str, ...]


def report(csv: bytes, table: pa.Table, spend_usd: Decimal | None = None) -> Report:
    """Hold a CSV against the rules, and against the `table` it was made of.

    `spend_usd` is what spend says of the month, where that is known: the rows that correct no other month add up to it.
    """
    cells = pl.read_csv(io.BytesIO(csv), infer_schema=False)
    frame = cells.with_columns(*_typed(cells), *_exact(table))
    found = []
    for rule in _RULES:
        if rule.columns <= {*frame.columns}:
            held = frame.with_columns(
                about=rule.about.fill_null(value=False), broken=rule.broken.fill_null(value=False)
            )
            about, broken = held["about"], held["about"] & held["broken"]
            records = [str(at + 1) for at in broken.arg_true().head(_NAMED)]
            found.append((rule.name, rule.says, int(about.sum()), int(broken.sum()), " ".join(records)))
    if spend_usd is not None:
        own = frame.filter(pl.col("ChargeClass").is_null())
        said = sum(own["BilledCost:number"].drop_nulls().to_list(), Decimal(0))
        says = "The rows that correct no other month add up to spend, to the last place"
        found.append(("x-Rounding-month", says, own.height, 0 if said == spend_usd else own.height or 1, ""))
    columns = ("rule", "says", "rows", "broken_rows", "first_records")
    made = {name: list(values) for name, values in zip(columns, zip(*found, strict=True), strict=True)}
    return Report(csv_bytes(pa.table(made)), len(found), tuple(one[0] for one in found if one[3]))


def _typed(cells: pl.DataFrame) -> Iterator[pl.Expr]:
    """Each amount and moment as what it stands for, beside its text."""
    for name in (name for name in _AMOUNTS if name in cells.columns):
        yield pl.col(name).cast(pl.Decimal(38, 12), strict=False).alias(f"{name}:number")
    for name in (name for name in _MOMENTS if name in cells.columns):
        yield pl.col(name).str.to_datetime(_FORM, strict=False).alias(f"{name}:moment")


def _exact(table: pa.Table) -> Iterator[pl.Series]:
    for name in (name for name in _AMOUNTS if name in table.column_names):
        yield pl.Series(f"{name}:exact", pl.from_arrow(table[name])).cast(pl.Decimal(38, 12))


def _is_no_object(tags: str) -> bool:
    """Whether tags are no JSON object of plain values, each key once."""
    try:
        told = json.loads(tags, object_pairs_hook=lambda pairs: pairs, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return True
    if not isinstance(told, list) or not tags.lstrip().startswith("{"):
        return True
    return len({key for key, _ in told}) < len(told) or any(isinstance(value, list) for _, value in told)


def _no_number(_: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")


def _rules() -> Iterator[Rule]:
    every, text, number, moment = pl.lit(value=True), pl.col, _number, _moment
    for name, id_ in _NEVER_NULL.items():
        yield Rule(f"{name}-{id_}", f"{name} is not null", every, text(name).is_null())
    for name in _TEXTS:
        yield Rule(f"{name}-StringHandling", f"{name} is more than spaces", every, text(name).str.strip_chars() == "")
    for name in _MOMENTS:
        wrong = moment(name).is_null() | (text(name).str.len_chars() != 20)
        yield Rule(f"{name}-C-002-M", f"{name} is written 2026-10-31T00:00:00Z", text(name).is_not_null(), wrong)
    for name in _AMOUNTS:
        written = text(name).str.contains(r"^-?\d+(\.\d{1,12})?$")
        says = f"{name} is a number with at most twelve places, without a sign for what is above zero"
        yield Rule(f"{name}-C-002-M", says, text(name).is_not_null(), ~written | number(name).is_null())
        apart = text(name).is_null() != pl.col(f"{name}:exact").is_null()
        apart |= (number(name) != pl.col(f"{name}:exact")).fill_null(value=False)
        yield Rule(f"x-Rounding-{name}", f"{name} is not rounded on its way into the file", every, apart)
    for name, (id_, allowed) in _ALLOWED.items():
        says = f"{name} is one of {', '.join(allowed)}"
        yield Rule(f"{name}-{id_}", says, text(name).is_not_null(), ~text(name).is_in(allowed))
    yield Rule("BillingCurrency-C-003-M", "BillingCurrency is three capitals, as in ISO 4217", every,
               ~text("BillingCurrency").str.contains(r"^[A-Z]{3}$"))  # fmt: skip
    yield Rule("ServiceSubcategory-C-004-M", "A subcategory of AI is of the category AI and Machine Learning",
               text("ServiceSubcategory").is_in(_AI),
               text("ServiceCategory") != "AI and Machine Learning")  # fmt: skip
    yield from _conditional()
    yield from _of_periods()
    yield Rule("Tags-C-001-M", "Tags are a JSON object of plain values, each key once", text("Tags").is_not_null(),
               text("Tags").map_elements(_is_no_object, return_dtype=pl.Boolean))  # fmt: skip
    yield Rule("x-Rounding-PricingUnit", "ConsumedQuantity is a million times PricingQuantity, exactly",
               (text("PricingUnit") == "1000000 Tokens") & (text("ConsumedUnit") == "Tokens"),
               number("PricingQuantity") * pl.lit(1_000_000) != number("ConsumedQuantity"))  # fmt: skip


def _conditional() -> Iterator[Rule]:
    text, number = pl.col, _number
    category, is_correction = text("ChargeCategory"), text("ChargeClass").is_not_null()
    priced = category.is_in(["Usage", "Purchase"])
    for name in ("PricingQuantity", "PricingCategory"):
        yield Rule(f"{name}-{'C-005-C' if name == 'PricingQuantity' else 'C-004-C'}",
                   f"{name} is not null in usage and purchases that are no correction", priced & ~is_correction,
                   text(name).is_null())  # fmt: skip
    for kind in ("Pricing", "Consumed"):
        quantity, unit = text(f"{kind}Quantity"), text(f"{kind}Unit")
        yield Rule(
            f"{kind}Unit-C-005-C", f"{kind}Unit is null without a quantity", quantity.is_null(), unit.is_not_null()
        )
        yield Rule(
            f"{kind}Unit-C-006-C", f"{kind}Unit stands beside a quantity", quantity.is_not_null(), unit.is_null()
        )
    yield Rule("ConsumedQuantity-C-004-C", "ConsumedQuantity is null in what is no usage", category != "Usage",
               text("ConsumedQuantity").is_not_null())  # fmt: skip
    yield Rule("ConsumedQuantity-C-006-C", "ConsumedQuantity is not null in usage that is no correction",
               (category == "Usage") & ~is_correction, text("ConsumedQuantity").is_null())  # fmt: skip
    yield Rule("ChargeFrequency-C-004-C", "A purchase is not billed by use", category == "Purchase",
               text("ChargeFrequency") == "Usage-Based")  # fmt: skip
    # An adjustment that is calculated from other charges follows their costs; a credit does not.
    for name, id_, about in (
        ("EffectiveCost", "C-010-C", category == "Credit"),
        ("ContractedCost", "C-008-C", category == "Credit"),
        ("ListCost", "C-008-C", ~priced),
    ):
        says = f"{name} is the billed cost of what is no part of other charges"
        yield Rule(f"{name}-{id_}", says, about, number(name) != number("BilledCost"))
    sub_account = text("SubAccountId")
    yield Rule("SubAccountName-C-004-C", "SubAccountName is null without a sub-account", sub_account.is_null(),
               text("SubAccountName").is_not_null())  # fmt: skip
    yield Rule("SubAccountName-C-005-C", "SubAccountName stands beside a sub-account", sub_account.is_not_null(),
               text("SubAccountName").is_null())  # fmt: skip
    yield Rule("ServiceName-C-005-C", "A service has one category", text("ServiceName").is_not_null(),
               text("ServiceCategory").n_unique().over("ServiceName") > 1)  # fmt: skip


def _of_periods() -> Iterator[Rule]:
    every, moment = pl.lit(value=True), _moment
    for kind in ("Charge", "Billing"):
        yield Rule(f"x-{kind}Period-length", f"A {kind.lower()} period ends after it begins", every,
                   moment(f"{kind}PeriodEnd") <= moment(f"{kind}PeriodStart"))  # fmt: skip
    outside = moment("ChargePeriodStart") < moment("BillingPeriodStart")
    outside |= moment("ChargePeriodEnd") > moment("BillingPeriodEnd")
    yield Rule("x-ChargePeriod-within", "What is no correction is charged within the period that bills it",
               pl.col("ChargeClass").is_null(), outside)  # fmt: skip
    yield Rule("x-BillingPeriod-one", "A month's file bills one period", every,
               pl.col("BillingPeriodStart") != pl.col("BillingPeriodStart").first())  # fmt: skip


def _number(name: str) -> pl.Expr:
    return pl.col(f"{name}:number")


def _moment(name: str) -> pl.Expr:
    return pl.col(f"{name}:moment")


_RULES = tuple(_rules())
