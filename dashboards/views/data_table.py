"""A question's answer as a table: sorted by exact values, searched, and to take away as CSV, Parquet or DuckDB.

How a column looks is told by the unit in its name; money's cells are exact decimals, the eye sees text made from them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import streamlit as st

from dashboards import formats
from dashboards.figures import marts, viewer
from dashboards.figures.viewer import Viewer
from dashboards.views import download, spend_table

Asked = TypeVar("Asked")
_ROW_PX = 33
_MOST_ROWS_SEEN = 16


@dataclass(frozen=True)
class Sheet:
    """What a table is called: in the name of its file, aloud, and its columns' titles in order; others are hidden."""

    name: str
    said: str
    titles: Mapping[str, str]
    pinned: str


def draw(sheet: Sheet, found: pa.Table, question: marts.Question[Asked, pa.Table], asked: Asked) -> None:
    """Draw the table with its downloads; a file is asked for anew when its button is pressed, of who looks then."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"{formats.counted(found.num_rows, 'row')}. A heading sorts; the glass above the table searches.")
        with st.container(horizontal=True, width="content"):
            for title, kind, made in download.kinds(sheet.name):
                st.download_button(
                    f"Download {title}",
                    partial(_file, made, question, asked, viewer.again()),
                    file_name=f"{sheet.name}.{kind}",
                    key=f"{sheet.name}_{kind}",
                    on_click="ignore",
                )
    frame = spend_table.framed(found.select(list(sheet.titles)))
    texts = [field.name for field in found.schema if field.name in sheet.titles and pa.types.is_string(field.type)]
    frame[texts] = frame[texts].fillna("—")
    looks: dict[Any, Any] = {name: _look(name) for name in sheet.titles if name not in texts}
    st.dataframe(
        frame.style.format(looks, na_rep="—"),
        hide_index=True,
        height=min(_MOST_ROWS_SEEN, found.num_rows + 1) * _ROW_PX + 3,
        row_height=_ROW_PX,
        column_config={
            name: st.column_config.Column(title, pinned=name == sheet.pinned) for name, title in sheet.titles.items()
        },
        key=f"{sheet.name}_table",
        placeholder="—",
        alt=sheet.said,
    )


def _look(name: str) -> Callable[[Any], str] | str:
    if name.endswith("_usd"):
        return spend_table.money
    if name.endswith("_share"):
        return lambda part: formats.share(part, 1) if isinstance(part, Decimal) else "—"
    if name.endswith("_ms"):
        return lambda took: "—" if took != took else formats.duration(int(took))  # noqa: PLR0124 - NaN is not itself
    if name.endswith(("_day", "day")):
        return str
    return "{:,.0f}"


def _file(
    made: Callable[[pa.Table], bytes],
    question: marts.Question[Asked, pa.Table],
    asked: Asked,
    who: Callable[[], Viewer],
) -> bytes:
    return made(marts.once(question, asked, who))
