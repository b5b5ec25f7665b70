"""Cells and lines of a bill -> the rows of model.reconciliation: what log, count and bill say, a class of tokens a row.

A month has a row for each key's class of each model's day: they are valued, added up and written in columns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from warehouse import tables
from warehouse.bill_tables import CLASSES
from warehouse.causes import CALLS, Bucket, Cell
from warehouse.reconciliation_tables import RECONCILIATION

# So many are gathered before they are written: what many connections tell need not fit into memory at once.
_MOST = 200_000
_LOG, _COUNT = 0, 1
_CLASS_NO = {name: number for number, name in enumerate(CLASSES)}
_EXACT = pl.Decimal(38, 12)
_Type = pl.DataType | type[pl.DataType]
_MILLION = 1_000_000
_ROWS = f"""
    INSERT INTO {RECONCILIATION.full_name} ({", ".join(RECONCILIATION.column_names)})
    WITH classed AS MATERIALIZED (
        SELECT cell_no, side, key_no, class_no, sum(tokens)::BIGINT AS tokens,
            {tables.from_pico("sum(pico)")} AS cost_usd
        FROM entry GROUP BY ALL
    ), priced AS (
        SELECT cell_no, sum(cost_usd) FILTER (side = {_LOG}) AS log_usd, sum(cost_usd) FILTER (side = {_COUNT}) AS usd
        FROM classed GROUP BY cell_no
    ), told AS (
        SELECT cell.day, cell.connection_no, cell.model, class.token_class,
            CASE WHEN side = {_LOG} THEN tokens END AS log_tokens,
            CASE WHEN side = {_COUNT} THEN tokens END AS usage_tokens,
            CASE WHEN side = {_LOG} THEN cost_usd END AS log_cost_usd,
            CASE WHEN side = {_COUNT} THEN cost_usd END AS usage_cost_usd,
            NULL::DECIMAL(38,12) AS bill_cost_usd
        FROM classed
        JOIN cell ON cell.cell_no = classed.cell_no
        JOIN class ON class.class_no = classed.class_no
        WHERE classed.key_no IS NULL
        UNION ALL
        -- What is beyond the lowest band, and beyond what twelve places hold of a price.
        SELECT day, connection_no, model, NULL, NULL, NULL, log_usd, usage_usd, NULL
        FROM (
            SELECT cell.day, cell.connection_no, cell.model,
                nullif(cell.logged_usd - coalesce(priced.log_usd, 0), 0) AS log_usd,
                nullif(cell.counted_usd - coalesce(priced.usd, 0), 0) AS usage_usd
            FROM cell LEFT JOIN priced ON priced.cell_no = cell.cell_no
        ) WHERE log_usd IS NOT NULL OR usage_usd IS NOT NULL
        UNION ALL
        SELECT day, connection_no, model, token_class, NULL, NULL, NULL, counted_usd, amount_usd FROM line
    )
    SELECT day, connection_no, model, NULL, token_class, sum(log_tokens)::BIGINT, sum(usage_tokens)::BIGINT,
        sum(log_cost_usd), sum(usage_cost_usd), sum(bill_cost_usd)
    FROM told GROUP BY ALL
    UNION ALL
    -- Of keys the provider alone tells: such a row is one already.
    SELECT cell.day, cell.connection_no, cell.model, classed.key_no, class.token_class, NULL, classed.tokens, NULL,
        classed.cost_usd, NULL
    FROM classed
    JOIN cell ON cell.cell_no = classed.cell_no
    JOIN class ON class.class_no = classed.class_no
    WHERE classed.key_no IS NOT NULL"""

# A line's model, class of tokens, amount, and what its counted uses cost; the last three may be unknown.
Line = tuple[str | None, str | None, Decimal, Decimal | None]


@dataclass
class SideRows:
    """Rows of model.reconciliation on their way into the build; the caller holds the transaction."""

    connection: duckdb.DuckDBPyConnection
    written: int = 0
    _cells: list[tuple[int, date, int, str, Decimal, Decimal | None]] = field(default_factory=list)
    _at: list[int] = field(default_factory=list)
    _sides: list[int] = field(default_factory=list)
    _keys: list[int | None] = field(default_factory=list)
    _classes: list[int] = field(default_factory=list)
    _tokens: list[int] = field(default_factory=list)
    _prices: list[int] = field(default_factory=list)
    _lines: list[tuple[date, int, str | None, str | None, Decimal, Decimal | None]] = field(default_factory=list)

    def add(self, number: int, cells: Iterable[Cell], lines: Mapping[date, Iterable[Line]]) -> None:
        """Take what a connection's cells and bills tell; written once there is enough of it."""
        for cell in cells:
            self._cells.append((len(self._cells), cell.day, number, cell.model, cell.logged_usd, cell.counted_usd))
            # What a price counts in, once a bucket and not once a key.
            prices: dict[Bucket, int] = {}
            self._tell(cell, _LOG, None, cell.logged, prices)
            for key_no, tokens in cell.counted.items():
                self._tell(cell, _COUNT, key_no, tokens, prices)
        for day, told in lines.items():
            for model, token_class, amount, counted in told:
                self._lines.append((day, number, model, token_class, amount, counted))
        if len(self._at) + len(self._lines) >= _MOST:
            self.write()

    def _tell(
        self, cell: Cell, side: int, key_no: int | None, tokens: Mapping[Bucket, int], prices: dict[Bucket, int]
    ) -> None:
        at = len(self._cells) - 1
        for bucket, n in tokens.items():
            if bucket[1] == CALLS:
                continue
            if bucket not in prices:
                prices[bucket] = int(cell.price(bucket).scaleb(18))
            self._at.append(at)
            self._sides.append(side)
            self._keys.append(key_no)
            self._classes.append(_CLASS_NO[bucket[1]])
            self._tokens.append(n)
            self._prices.append(prices[bucket])

    def write(self) -> None:
        """Write what was taken."""
        entry = pl.DataFrame(
            {
                "cell_no": pl.Series(self._at, dtype=pl.Int64),
                "side": pl.Series(self._sides, dtype=pl.Int8),
                "key_no": pl.Series(self._keys, dtype=pl.Int64),
                "class_no": pl.Series(self._classes, dtype=pl.Int8),
                "tokens": pl.Series(self._tokens, dtype=pl.Int64),
            }
        )
        named: dict[str, _Type] = {"day": pl.Date, "connection_no": pl.Int64, "model": pl.String}
        cell: dict[str, _Type] = {"cell_no": pl.Int64, **named, "logged_usd": _EXACT, "counted_usd": _EXACT}
        line: dict[str, _Type] = {**named, "token_class": pl.String, "amount_usd": _EXACT, "counted_usd": _EXACT}
        frames = {
            "entry": entry.with_columns(_worth(entry["tokens"], pl.Series(self._prices, dtype=pl.Int64))),
            "class": pl.DataFrame({"token_class": list(_CLASS_NO), "class_no": list(_CLASS_NO.values())}),
            "cell": pl.DataFrame(self._cells, schema=cell, orient="row"),
            "line": pl.DataFrame(self._lines, schema=line, orient="row"),
        }
        for name, frame in frames.items():
            self.connection.register(name, frame.to_arrow())
        ((rows,),) = self.connection.execute(_ROWS).fetchall()
        self.written += rows
        for name in frames:
            self.connection.unregister(name)
        for kept in (self._cells, self._at, self._sides, self._keys, self._classes, self._tokens, self._prices):
            kept.clear()
        self._lines.clear()


def _worth(tokens: pl.Series, pico_mtok: pl.Series) -> pl.Series:
    """Tokens at pico-dollars a million, in whole pico-dollars, half-even; 64 bits where they hold it exactly."""
    most: Any = (tokens.max() or 0, pico_mtok.max() or 0)
    if most[0] * most[1] // _MILLION < 2**63 and not (pico_mtok % _MILLION).max():
        return (tokens * (pico_mtok // _MILLION)).alias("pico")
    product = pl.lit(tokens.cast(pl.Int128) * pico_mtok.cast(pl.Int128))
    whole, rest = product // _MILLION, product % _MILLION
    up = (rest * 2 > _MILLION) | ((rest * 2 == _MILLION) & (whole % 2 == 1))
    return pl.select((whole + up.cast(pl.Int128)).cast(pl.Decimal(38, 0)).alias("pico")).to_series()
