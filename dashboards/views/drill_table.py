"""What log, count and bill say as a table that is drilled: a ticked row opens what is below it; each step has files."""

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from html import escape
from typing import Any, cast
from zlib import crc32

import pyarrow as pa
import streamlit as st

from dashboards import formats
from dashboards.figures import drill_figures, marts, viewer
from dashboards.figures.reconciliation_figures import Asked
from dashboards.views import download, spend_table
from warehouse.causes import UNEXPLAINED

_KEY = "reconciliation_step"
STEPS = {
    "day": "By day",
    "model": "By model",
    "key": "By key",
    "class": "By class of tokens",
    "price": "Billed and listed",
    "line": "Lines of the bill",
    "part": "Every part",
}
_SAID = {
    "day": "Tick a day for its models.",
    "model": "Tick a model for its keys.",
    "key": "Tick a key for its parts. A gateway and a provider each have keys of their own.",
    "class": "Of single keys the provider alone tells here.",
    "price": "As deep as the bill tells; of what a price or a bill is not known, nothing stands there.",
    "line": "In the provider's own words, which may name what it tells of no model.",
    "part": "The parts of all rows add up to bill − log.",  # noqa: RUF001 - a minus
}
_TITLES = {
    "day": "Day (UTC)",
    "provider": "Provider",
    "log_tokens": "Tokens logged",
    "usage_tokens": "Tokens counted",
    "log_cost_usd": "Gateway's log",
    "usage_cost_usd": "Provider's count",
    "bill_cost_usd": "Bill",
    "difference_usd": "Difference",
    "unexplained_usd": "Unexplained",
    "settlement": "Settlement",
    "model": "Model",
    "key_label": "Key",
    "token_class": "Tokens",
    "cause": "Cause",
    "causes": "Causes",
    "amount_usd": "Amount",
    "list_amount_usd": "At list",
    "billed_cost_usd": "As billed",
    "logged_cost_usd": "As logged",
    "list_cost_usd": "As listed then",
    "list_cost_now_usd": "As listed now",
    "contracted_cost_usd": "By contract",
    "contract": "Contract",
    "unpriced_requests": "Unpriced",
    "service": "Service",
    "line": "Line",
    "charge_category": "Kind",
}
# What a ticked row of a step chooses.
_OPENS = {"day": "day", "model": "model", "key": "key_label"}
_ROW_PX, _MOST_ROWS = 33, 16


def draw(asked: Asked) -> None:
    """Draw the heading, the steps, the table of the one that is asked for, and its files."""
    st.html(f'<div class="al"><h2>{_heading(asked)}</h2></div>')
    if replace(asked, by=None) != asked.whole and st.button("Back to all days"):
        go(asked.whole)
    if st.session_state.get(_KEY) != asked.step:
        st.session_state[_KEY] = asked.step
    st.segmented_control(
        "What a row is of",
        asked.steps,
        format_func=STEPS.__getitem__,
        key=_KEY,
        label_visibility="collapsed",
        on_change=_stepped,
        args=(asked,),
    )
    found = marts.answer(drill_figures.rows, asked)
    without = "" if asked.day or asked.step == "day" else " Days with a bill alone."
    apart = (
        " A difference is what causes tell of its row; the rows add up to bill − log."  # noqa: RUF001 - a minus
        if "causes" in found.column_names
        else ""
    )
    st.caption(f"{formats.counted(found.num_rows, 'row')}. {_SAID[asked.step]}{apart}{without}")
    picked = _table(found, asked)
    _downloads(asked)
    if picked is not None:
        go(replace(asked, by=None, **picked))


def go(asked: Asked) -> None:
    """Another view of the page: its address, and everything drawn anew."""
    st.query_params.from_dict(asked.to_query(_today()))
    st.rerun()


def named(cause: str) -> str:
    """A cause for the eye."""
    return "Unexplained" if cause == UNEXPLAINED else cause.replace("_", " ").capitalize()


def _today() -> date:
    return datetime.now(UTC).date()


def _stepped(asked: Asked) -> None:
    # Where the chosen one is pressed again, it stays.
    by = st.session_state[_KEY] or asked.step
    st.query_params.from_dict(replace(asked, by=by).to_query(_today()))


def _heading(asked: Asked) -> str:
    day = f"{asked.day:%b} {asked.day.day}, {asked.day.year}" if asked.day else ""
    names = [day, asked.model or "", f"key {asked.key}" if asked.key else ""]
    whole = escape(" · ".join(filter(None, names)))
    if asked.step == "part":
        return f"Parts{' of ' if whole else ''}{whole}"
    return whole or "Log, count and bill"


def _downloads(asked: Asked) -> None:
    with st.container(horizontal=True):
        for label, kind, made in download.kinds(asked.step):
            st.download_button(
                f"Download {label}",
                partial(_file, made, asked, viewer.again()),
                file_name=f"reconciliation-{asked.step}.{kind}",
                key=f"{_KEY}_{asked.step}_{kind}",
                on_click="ignore",
            )


def _file(made: Any, asked: Asked, who: Any) -> bytes:
    return cast("bytes", made(marts.once(drill_figures.rows, asked, who)))


def _table(found: pa.Table, asked: Asked) -> dict[str, Any] | None:
    """Draw a table; what the ticked row chooses, where it has a name."""
    frame = spend_table.framed(found)
    texts = [field.name for field in found.schema if pa.types.is_string(field.type)]
    frame[texts] = frame[texts].fillna("—")
    if "cause" in frame:
        frame["cause"] = frame["cause"].map(named)
    if "causes" in frame:
        frame["causes"] = frame["causes"].map(lambda told: told.replace("_", " "))
    looks: dict[Any, Any] = {name: spend_table.money for name in found.column_names if name.endswith("_usd")}
    looks |= {name: "{:,.0f}" for name in found.column_names if name.endswith(("_tokens", "_requests"))}
    opens = _OPENS.get(asked.step)
    # What Streamlit hands back depends on on_select, which its types cannot tell.
    picked: Any = st.dataframe(
        frame.style.format(looks, na_rep="—"),
        hide_index=True,
        height=min(_MOST_ROWS, found.num_rows + 1) * _ROW_PX + 3,
        row_height=_ROW_PX,
        column_config={name: st.column_config.Column(_TITLES[name]) for name in found.column_names},
        key=f"{_KEY}_table_{crc32(repr(asked).encode())}",
        on_select="rerun" if opens else "ignore",
        selection_mode="single-row",
        placeholder="—",
        alt=f"Log, count and bill, {STEPS[asked.step].lower()}",
    )
    ticked = cast("list[int]", picked["selection"]["rows"]) if opens else []
    if opens is None or not ticked or ticked[0] >= found.num_rows:
        return None
    row = {name: found[name][ticked[0]].as_py() for name in found.column_names}
    if row[opens] is None or row[opens] == drill_figures.OF_ANOTHER:
        return None
    chosen = {"day": row.get("day"), "model": row.get("model"), "key": row.get("key_label")}
    return {name: value for name, value in chosen.items() if value is not None}
