"""FOCUS rows as DuckDB and files have them: which columns are amounts, their types, and moments in UTC."""

import pyarrow as pa

# A row's amounts; everything else of it is a name, or follows from one.
SUMS = (
    "BilledCost",
    "EffectiveCost",
    "ContractedCost",
    "ListCost",
    "ConsumedQuantity",
    "PricingQuantity",
    "x_Requests",
    "x_InputTokens",
    "x_CacheReadTokens",
    "x_OutputTokens",
)


def type_of(name: str) -> str:
    """The DuckDB type of an amount."""
    return "BIGINT" if name.startswith("x_") else "DECIMAL(38,12)"


def in_utc(table: pa.Table) -> pa.Table:
    """Moments in UTC, as FOCUS wants them."""
    return _moments(table, pa.timestamp("us", "UTC"))


def naive(table: pa.Table) -> pa.Table:
    """Moments without a zone, as the marts have them."""
    return _moments(table, pa.timestamp("us"))


def _moments(table: pa.Table, kind: pa.DataType) -> pa.Table:
    fields = [pa.field(field.name, kind) if pa.types.is_timestamp(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))
