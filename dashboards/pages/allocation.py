"""model.allocated_summary_daily, mart.allocated_daily -> who pays: spend by cost centre over time."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from html import escape

import pyarrow as pa
import streamlit as st

from dashboards import formats
from dashboards.charts import time_chart
from dashboards.entry import centre_form
from dashboards.figures import allocation_figures, marts, viewer
from dashboards.figures.allocation_figures import Asked, CentreRow, View
from dashboards.figures.viewer import Viewer
from dashboards.views import download, spend_table
from warehouse.allocation_tables import UNALLOCATED
from warehouse.money import shown

_KEY = "allocation_"
_TITLES = {
    "cost_centre": "Cost centre",
    "rule": "Rule",
    "split": "How",
    "account": "Account",
    "project": "Project",
    "team": "Team",
    "cost_usd": "Cost",
    "requests": "Requests",
    "unpriced_requests": "Unpriced",
}
_HOW = {"direct": "directly", "day": "by use of the day", "month": "by use of the month", "fixed": "fixed share"}
_ROW_PX, _MOST_ROWS = 33, 16
_HOW_TO = """apiledger allocate add web --project web --to storefront
apiledger allocate add rest --basis bill --by-use month
apiledger run"""


def page() -> None:
    """Draw the page for the days and cost centres in the URL."""
    today = datetime.now(UTC).date()
    asked = Asked.from_query({key: st.query_params.get_all(key) for key in st.query_params}, today)
    _controls(asked, marts.answer(allocation_figures.names, None))
    found = marts.answer(allocation_figures.view, asked)
    looks = viewer.current()
    st.html(_head(asked, found, centre_form.link() if looks.is_operator and looks.projects is None else ""))
    if not found.has_rules:
        st.info("No rule is set, so all spend is unallocated. Rules rest in allocation.toml of the home:")
        st.code(_HOW_TO, language=None)
    if not found.centres:
        st.caption("Nothing was spent on these days.")
        return
    if found.series:
        st.html(time_chart.legend((name for _, name, _ in found.series), "cost centre"))
        st.altair_chart(
            time_chart.spend(found.series, "cost centre", asked.start, asked.end, hourly=False),
            width="stretch",
            alt="Spend per UTC day by cost centre",
        )
    st.html(_centres(found.centres))
    _table(asked, found.table)


def _controls(asked: Asked, known: list[str]) -> None:
    for name, value in {"from": asked.start, "to": asked.end, "centre": list(asked.cost_centres)}.items():
        if st.session_state.get(_KEY + name) != value:
            st.session_state[_KEY + name] = value
    with st.container(horizontal=True, vertical_alignment="bottom"):
        today = datetime.now(UTC).date()
        st.date_input("From (UTC)", max_value=today, key=_KEY + "from", width=140, format="YYYY-MM-DD", on_change=_told)
        st.date_input("To (UTC)", max_value=today, key=_KEY + "to", width=140, format="YYYY-MM-DD", on_change=_told)
        options = list(dict.fromkeys([*known, *asked.cost_centres]))
        st.multiselect("Cost centre", options, key=_KEY + "centre", width=400, placeholder="All", on_change=_told)


def _told() -> None:
    state, today = st.session_state, datetime.now(UTC).date()
    start, end = sorted((state[_KEY + "from"], state[_KEY + "to"]))
    st.query_params.from_dict(Asked(start, end, tuple(state[_KEY + "centre"])).to_query(today))


def _head(asked: Asked, found: View, link: str) -> str:
    whole = sum((row.cost_usd or Decimal(0) for row in found.centres), Decimal(0))
    left = sum((row.cost_usd or Decimal(0) for row in found.centres if row.cost_centre == UNALLOCATED), Decimal(0))
    figure = (
        f"<strong>{shown(left)}</strong> of {shown(whole)} are unallocated ({formats.share(left, whole)})."
        if found.centres and (not asked.cost_centres or UNALLOCATED in asked.cost_centres)
        else ""
    )
    return (
        '<div class="al"><div class="al-head"><h1>Who pays</h1>'
        f'<span class="dim">{formats.days(asked.start, asked.end)}, {asked.end.year} · UTC days</span></div>'
        f"<p>{' '.join(filter(None, (figure, link)))}</p></div>"
    )


def _centres(centres: list[CentreRow]) -> str:
    whole = sum((row.cost_usd or Decimal(0) for row in centres), Decimal(0))
    rows = "".join(
        f'<tr><td>{escape(row.cost_centre)}</td><td class="n">{shown(row.cost_usd)}</td>'
        f'<td class="n">{formats.share(row.cost_usd or Decimal(0), whole)}</td>'
        f'<td class="n">{shown(row.shared_usd)}</td>'
        f'<td class="n">{formats.count(row.unpriced_requests)}</td></tr>'
        for row in centres
    )
    return (
        '<div class="al al-scroll"><table class="al-table" aria-label="Cost centres"><thead><tr><th>Cost centre</th>'
        '<th class="n">Cost</th><th class="n">Share</th><th class="n">of it split</th>'
        f'<th class="n">Unpriced requests</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _table(asked: Asked, found: pa.Table) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        first = "The first " if found.num_rows == allocation_figures.SHOWN_ROWS else ""
        st.caption(f"{first}{formats.counted(found.num_rows, 'row')}; a download has them all, by day, key and model.")
        with st.container(horizontal=True, width="content"):
            for name, ending, made in download.kinds("cost_centres"):
                st.download_button(
                    f"Download {name}",
                    data=partial(_file, made, asked, viewer.again()),
                    file_name=f"cost_centres_{asked.start}_{asked.end}.{ending}",
                    on_click="ignore",
                )
    frame = spend_table.framed(found)
    frame["split"] = frame["split"].map(_HOW)
    texts = [name for name in _TITLES if name not in {"cost_usd", "requests", "unpriced_requests"}]
    frame[texts] = frame[texts].fillna("—")
    st.dataframe(
        frame.style.format({"cost_usd": spend_table.money, "requests": "{:,}", "unpriced_requests": "{:,}"}),
        hide_index=True,
        height=min(_MOST_ROWS, found.num_rows + 1) * _ROW_PX + 3,
        row_height=_ROW_PX,
        column_config={name: st.column_config.Column(title) for name, title in _TITLES.items()},
        placeholder="—",
        alt="What each rule put where",
    )


def _file(made: Callable[[pa.Table], bytes], asked: Asked, who: Callable[[], Viewer]) -> bytes:
    """Every row by day as a file, read when the button is pressed."""
    return made(marts.once(allocation_figures.rows, asked, who))
