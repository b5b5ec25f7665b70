"""mart.changes, mart.settlement_window -> what changed since: which past days moved, by how much, why."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from typing import Any

import pyarrow as pa
import streamlit as st

from dashboards import formats, theme
from dashboards.charts import time_chart
from dashboards.figures import change_figures, marts, viewer
from dashboards.figures.change_figures import Asked, Moved
from dashboards.figures.viewer import Viewer
from dashboards.views import download, spend_table
from warehouse.money import shown

_KEY = "changes_"
BASES = {"bill": "Bills", "usage": "Providers' counts", "log": "Logs"}
REASONS = {
    "late": ("Late", "calls that came after their day"),
    "restated": ("Restated", "the provider says otherwise"),
    "repriced": ("Repriced", "the same tokens at another price"),
    "first": ("First told", "nothing was told of the day before"),
}
_COLOURS = {"late": "#5186d8", "restated": "#d97757", "repriced": "#8d79c9", "first": "#9aa3a0"}
_TITLES = {
    "day": "Day (UTC)",
    "provider": "Provider",
    "source": "Source",
    "reason": "Why",
    "before_usd": "Before",
    "after_usd": "After",
    "moved_usd": "Moved",
    "moved_requests": "Requests",
    "moved_tokens": "Tokens",
    "changed_at": "Moved at (UTC)",
    "age_days": "Days old",
    "settlement": "Was",
}
_ROW_PX, _MOST_ROWS, _LEAST_DAYS = 33, 16, 14


def page() -> None:
    """Draw the page for the date and the figure in the URL."""
    today = datetime.now(UTC).date()
    asked = Asked.from_query({key: st.query_params.get_all(key) for key in st.query_params}, today)
    found = marts.answer(change_figures.moved, replace(asked, basis=None))
    chosen = next(
        (each for each in found if each.basis == asked.basis), found[0] if found and not asked.basis else None
    )
    shown_of = replace(asked, basis=chosen.basis if chosen else asked.basis or "bill")
    st.html(_head(asked, chosen))
    _controls(shown_of)
    if chosen is None:
        kind = f"No {BASES[asked.basis].lower()}" if asked.basis else "Nothing"
        hint = " Look at another figure, or further back." if found else ""
        st.info(f"{kind} of a day that was over moved since {asked.since}.{hint}")
    else:
        _chart(marts.answer(change_figures.by_day, shown_of))
        _table(shown_of)
    _windows(marts.answer(change_figures.windows, None))


def _controls(asked: Asked) -> None:
    for name, value in {"since": asked.since, "figure": asked.basis, "first": asked.with_first}.items():
        if st.session_state.get(_KEY + name) != value:
            st.session_state[_KEY + name] = value
    with st.container(horizontal=True, vertical_alignment="bottom"):
        today = datetime.now(UTC).date()
        st.date_input(
            "Since (UTC)", max_value=today, key=_KEY + "since", width=140, format="YYYY-MM-DD", on_change=_told
        )
        st.segmented_control("Figure", list(BASES), format_func=BASES.__getitem__, key=_KEY + "figure", on_change=_told)
        st.checkbox("With days told for the first time", key=_KEY + "first", on_change=_told)


def _told() -> None:
    state, today = st.session_state, datetime.now(UTC).date()
    asked = Asked(state[_KEY + "since"], state[_KEY + "figure"], state[_KEY + "first"])
    st.query_params.from_dict(asked.to_query(today))


def _head(asked: Asked, found: Moved | None) -> str:
    figure = (
        f"{BASES[found.basis]} of <strong>{formats.counted(found.days, 'past day')}</strong> moved: "
        f"{shown(found.up_usd)} up and {shown(abs(found.down_usd))} down, "
        f"<strong>{shown(abs(found.moved_usd))} {'more' if found.moved_usd >= 0 else 'less'}</strong> on the whole."
        if found
        else ""
    )
    return (
        '<div class="al"><div class="al-head"><h1>What changed since</h1>'
        f'<span class="dim">since {asked.since:%b} {asked.since.day}, {asked.since.year} · UTC days that were over'
        f"</span></div><p>{figure}</p></div>"
    )


def _chart(found: list[tuple[Any, ...]]) -> None:
    if not found:
        st.html('<div class="al"><p>Calls or tokens moved, and no amount with them.</p></div>')
        return
    reasons = [reason for reason in REASONS if any(row[1] == reason for row in found)]
    named = [(REASONS[reason][0], _COLOURS[reason]) for reason in reasons]
    # A few days would be bars as wide as the page.
    last = max(day for day, *_ in found)
    first = min(last - timedelta(days=_LEAST_DAYS - 1), *(day for day, *_ in found))
    st.html(theme.legend([(f"{REASONS[r][0]}: {REASONS[r][1]}", _COLOURS[r]) for r in reasons]))
    told = [(day, REASONS[reason][0], amount) for day, reason, amount in found]
    st.altair_chart(
        time_chart.moves(told, named, first, last),
        width="stretch",
        alt="By how much each day moved, up or down, and why",
    )


def _table(asked: Asked) -> None:
    found = marts.answer(change_figures.rows, asked)
    frame = spend_table.framed(found)
    frame["reason"] = frame["reason"].map(lambda reason: REASONS[reason][0])
    frame["settlement"] = frame["settlement"].fillna("—")
    looks: dict[Any, Any] = {name: spend_table.money for name in found.column_names if name.endswith("_usd")}
    looks |= {"moved_requests": "{:+,}", "moved_tokens": "{:+,}", "changed_at": "{:%Y-%m-%d %H:%M}"}
    st.dataframe(
        frame.style.format(looks),
        hide_index=True,
        height=min(_MOST_ROWS, found.num_rows + 1) * _ROW_PX + 3,
        row_height=_ROW_PX,
        column_config={
            name: st.column_config.Column(_TITLES[name], pinned=name == "day") for name in found.column_names
        },
        placeholder="—",
        alt="Every move as a table",
    )
    with st.container(horizontal=True):
        for label, kind, made in download.kinds("changes"):
            st.download_button(
                f"Download {label}",
                partial(_file, made, asked, viewer.again()),
                file_name=f"changes-{asked.basis}-since-{asked.since}.{kind}",
                key=f"{_KEY}{kind}",
                on_click="ignore",
            )


def _file(made: Any, asked: Asked, who: Callable[[], Viewer]) -> bytes:
    table: pa.Table = marts.once(change_figures.rows, asked, who)
    return bytes(made(table))


def _windows(found: list[tuple[Any, ...]]) -> None:
    if not found:
        return
    rows = "".join(
        f"<tr><td>{BASES[basis]}</td><td>{escape(source)}</td><td>{escape(provider or formats.NOT_NAMED)}</td>"
        + "".join(f'<td class="n">{"—" if days is None else days}</td>' for days in told)
        + f"<td>{since}</td><td>{escape(waited or '—')}</td></tr>"
        for basis, source, provider, *told, since, waited in found
    )
    st.html(
        '<div class="al"><h2>How long a day keeps moving</h2><p class="dim">Measured here: how old days were, in days, '
        "when a source moved them last. Half of them were no older than the first figure, 95% no older than the "
        "second. A bill's day settles once it was read, whole, after the last.</p>"
        '<div class="al-scroll"><table class="al-table" aria-label="Measured windows"><thead><tr><th>Figure</th>'
        '<th>Source</th><th>Provider</th><th class="n">Days seen</th><th class="n">Half</th><th class="n">95%</th>'
        '<th class="n">Longest</th><th>Watched from</th><th>Settles after</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></div>"
    )
