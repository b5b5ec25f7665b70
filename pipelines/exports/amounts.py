"""FOCUS rows as DuckDB and files have them: which columns are amounts, their types, and moments in UTC."""

import pyarrow as pa

# Tokens by class, which months that were frozen before they were told lack.
CLASSES = (
    "x_UncachedInputTokens",
    "x_CacheWrite5mTokens",
    "x_CacheWrite1hTokens",
    "x_AudioInputTokens",
    "x_ImageInputTokens",
    "x_TextOutputTokens",
    "x_ReasoningOutputTokens",
    "x_AudioOutputTokens",
)
# A day's whole bill in its own currency, which no part of it has, and the contract that a row's amount is by.
OF_BILL = {
    "x_Contract": "NULL::VARCHAR",
    "x_BillCurrency": "NULL::VARCHAR",
    "x_BillAmount": "NULL::DECIMAL(38,12)",
    "x_BillUsdPerUnit": "NULL::DECIMAL(38,12)",
}
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
    *CLASSES,
)


def type_of(name: str) -> str:
    """The DuckDB type of an amount."""
    return "BIGINT" if name.startswith("x_") else "DECIMAL(38,12)"


def with_classes(table: pa.Table) -> pa.Table:
    """Frozen rows with every class, NULL where nothing was told of one."""
    for name in CLASSES:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.int64()))
    return table


def in_utc(table: pa.Table) -> pa.Table:
    """Moments in UTC, as FOCUS wants them."""
    return _moments(table, pa.timestamp("us", "UTC"))


def naive(table: pa.Table) -> pa.Table:
    """Moments without a zone, as the marts have them."""
    return _moments(table, pa.timestamp("us"))


def _moments(table: pa.Table, kind: pa.DataType) -> pa.Table:
    fields = [pa.field(field.name, kind) if pa.types.is_timestamp(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))
