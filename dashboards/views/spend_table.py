"""spend as asked -> the table a person reads: figures as `warehouse.money.shown`, sorted by what they are."""

from datetime import date
from decimal import Decimal
from typing import Any, cast
from zlib import crc32

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from dashboards import formats
from dashboards.figures.spend_filter import DIMENSIONS, SpendFilter
from warehouse.money import shown

_TITLES = {
    "day": "Day",
    "hour": "Hour (UTC)",
    **{column: name.capitalize() for name, column in DIMENSIONS.items()},
    "cost_usd": "Cost",
    "requests": "Requests",
    "error_requests": "Errors",
    "input_tokens": "Input tokens",
    "output_tokens": "Output tokens",
    "cache_read_tokens": "From cache",
    "unpriced_requests": "Unpriced",
}
_ROW_PX = 33
_MOST_ROWS_SEEN = 16


def draw(found: pa.Table, asked: SpendFilter, visit: int) -> date | None:
    """Draw the table; the day that was ticked, where there are days to tick.

    `visit` counts the days that were opened: a table that is come back to has no tick of before, even where the way
    back was taken while the hours were still being drawn.

    The cells carry exact decimals and are sorted by them; what the eye sees is text made from them.
    """
    frame = framed(found)
    names = [column for column in found.column_names if column in DIMENSIONS.values()]
    frame[names] = frame[names].fillna(formats.NOT_NAMED)
    looks: dict[Any, Any] = {"cost_usd": money} | {
        column: "{:,}" for column in found.column_names if column not in {*names, "cost_usd", "day", "hour"}
    }
    if "hour" in found.column_names:
        looks["hour"] = "{:%Y-%m-%d %H:%M}"
    # What Streamlit hands back depends on on_select, which its types cannot tell.
    picked: Any = st.dataframe(
        frame.style.format(looks),
        hide_index=True,
        height=min(_MOST_ROWS_SEEN, found.num_rows + 1) * _ROW_PX + 3,
        row_height=_ROW_PX,
        column_config={
            column: st.column_config.Column(
                _TITLES[column],
                width=None if column in {*names, "hour"} else "small",
                pinned=column in {"day", "hour"},
            )
            for column in found.column_names
        },
        key=f"spend_table_{visit}_{crc32(repr(asked).encode())}",
        on_select="rerun" if asked.grain == "day" else "ignore",
        selection_mode="single-row",
        placeholder="—",
        alt="Spend as a table",
    )
    if asked.grain != "day":
        return None
    ticked = cast("list[int]", picked["selection"]["rows"])
    return cast("date", found["day"][ticked[0]].as_py()) if ticked and ticked[0] < found.num_rows else None


def money(amount: object) -> str:
    """A cell's amount for the eye."""
    return shown(amount if isinstance(amount, Decimal) else None)


def framed(found: pa.Table) -> pd.DataFrame:
    """A table for drawing: decimals stay exact, and where one is missing nothing lies in its place.

    DuckDB leaves in the place of a NULL what lay in memory before, which may be another account's, and a column of
    Arrow goes to the browser as it lies there.
    """
    columns = {name: _blanked(found[name]) for name in found.column_names}
    frame: pd.DataFrame = pa.table(columns).to_pandas(types_mapper=_exact)
    return frame


def _blanked(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_decimal(column.type) or not column.null_count:
        return column
    filled = pc.fill_null(column, pa.scalar(Decimal(0), column.type))
    return pc.if_else(pc.is_valid(column), filled, pa.scalar(None, column.type))


def _exact(kind: pa.DataType) -> pd.ArrowDtype | None:
    """Which of a table's types pandas has to keep as they are: decimals, which it would turn into floats."""
    return pd.ArrowDtype(kind) if pa.types.is_decimal(kind) else None
