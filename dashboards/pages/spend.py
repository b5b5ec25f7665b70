"""mart.spend_daily, mart.spend_local_daily, mart.spend_hourly -> where the money went: slice it, drill into a day."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from html import escape

import pyarrow as pa
import streamlit as st

from dashboards import formats
from dashboards.charts import time_chart
from dashboards.figures import marts, spend_figures, viewer, zone_figures
from dashboards.figures.spend_figures import SeriesRow, SpendTotals, View
from dashboards.figures.spend_filter import DIMENSIONS, GRAINS, SpendFilter
from dashboards.figures.viewer import Viewer
from dashboards.views import download, spend_table
from warehouse.money import shown

_GRAIN_NAMES = {"day": "By day", "hour": "By hour", "total": "In total"}
_KEY = "spend_"


def page() -> None:
    """Draw the spend page for the filter in the URL."""
    zones = marts.answer(zone_figures.in_use, None)
    today = zones.today(datetime.now(UTC))
    query = {key: st.query_params.get_all(key) for key in st.query_params}
    asked = replace(SpendFilter.from_query(query, today), zones=zones.names)
    if asked.chosen:
        asked = marts.answer(spend_figures.known, asked)
    _controls(asked, marts.answer(spend_figures.names, (asked.start, asked.end)), today, zones.label)
    found = marts.answer(spend_figures.view, asked)
    st.html(_summary(asked, found.totals, zones.label))
    if note := zones.note(today):
        st.caption(note)
    if not found.table.num_rows:
        st.info("Nothing matches this filter. Widen the days, or clear a filter.")
        return
    _chart(asked, found.series, zones.label)
    _table(asked, found, today)


def _controls(asked: SpendFilter, names: Mapping[str, list[str]], today: date, zone: str) -> None:
    """The widgets, filled from the URL on every run: the URL alone says what is asked."""
    _fill({"from": asked.start, "to": asked.end, "grain": asked.grain, "by": list(asked.group_by), "q": asked.search})
    _fill({dimension: list(asked.chosen.get(dimension, ())) for dimension in DIMENSIONS})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Slice", GRAINS, format_func=_GRAIN_NAMES.__getitem__, key=_KEY + "grain", required=True, on_change=_told
        )
        st.date_input(
            f"From ({zone})", max_value=today, key=_KEY + "from", width=140, format="YYYY-MM-DD", on_change=_told
        )
        st.date_input(f"To ({zone})", max_value=today, key=_KEY + "to", width=140, format="YYYY-MM-DD", on_change=_told)
        st.multiselect(
            "Group by", list(DIMENSIONS), format_func=str.capitalize, key=_KEY + "by", width=300, on_change=_told
        )
        st.text_input("Search", key=_KEY + "q", placeholder="any name", width=180, max_chars=80, on_change=_told)
    chosen = sum(len(values) for values in asked.chosen.values())
    with st.expander(f"Filters · {chosen} chosen" if chosen else "Filters", expanded=bool(chosen)):
        columns = st.columns(4)
        for index, dimension in enumerate(DIMENSIONS):
            columns[index % 4].multiselect(
                dimension.capitalize(),
                list(dict.fromkeys([*names[dimension], *asked.chosen.get(dimension, ())])),
                format_func=lambda name: name or formats.NOT_NAMED,
                key=_KEY + dimension,
                placeholder="All",
                on_change=_told,
            )


def _fill(values: Mapping[str, object]) -> None:
    """Set widgets that say something else; a widget that is set closes, even on what is half typed into it."""
    for name, value in values.items():
        if st.session_state.get(_KEY + name) != value:
            st.session_state[_KEY + name] = value


def _told() -> None:
    """Write what the widgets say into the URL."""
    state = st.session_state
    today = marts.answer(zone_figures.in_use, None).today(datetime.now(UTC))
    start, end = state[_KEY + "from"], state[_KEY + "to"]
    _go(
        SpendFilter(
            start=min(start, end),
            end=end,
            grain=state[_KEY + "grain"],
            group_by=tuple(state[_KEY + "by"]),
            chosen={name: tuple(state[_KEY + name]) for name in DIMENSIONS if state.get(_KEY + name)},
            search=state[_KEY + "q"].strip(),
        ).within_reach(),
        today,
    )


def _go(asked: SpendFilter, today: date) -> None:
    st.query_params.from_dict(asked.to_query(today))


def _summary(asked: SpendFilter, totals: SpendTotals, zone: str) -> str:
    groups = " and ".join(asked.group_by)
    said = [
        formats.counted(totals.requests, "request"),
        f"{formats.tokens(totals.input_tokens)} in · {formats.tokens(totals.output_tokens)} out",
        f"{formats.share(totals.error_requests, totals.requests)} errors",
    ]
    if totals.unpriced_requests:
        said.append(f"<strong>{formats.count(totals.unpriced_requests)} unpriced, left out</strong>")
    return (
        '<div class="al al-head"><h1 class="al-unseen">Spend</h1><div role="status" aria-label="Spend in this view">'
        f'<span class="al-figure">{shown(totals.cost_usd)}</span> '
        f'<span class="dim">{formats.days(asked.start, asked.end)}, {asked.end.year} ({zone})'
        f"{escape(f' · per {groups}') if groups else ''}</span></div>"
        f'<span class="dim">{" · ".join(said)}</span></div>'
    )


def _chart(asked: SpendFilter, rows: list[SeriesRow], zone: str) -> None:
    dimension = asked.group_by[0] if asked.group_by else "all"
    if not rows:
        st.caption("No price is known for any call in this view.")
        return
    if asked.when is not None and asked.group_by:
        st.html(time_chart.legend((row.name for row in rows), dimension))
    if asked.when is None:
        drawn = time_chart.ranking(((row.name, row.cost_usd) for row in rows), dimension)
    else:
        drawn = time_chart.spend(
            [(row.at, row.name, row.cost_usd) for row in rows if row.at is not None],
            dimension,
            *asked.drawn_days,
            hourly=asked.grain == "hour",
            zone=zone,
        )
    st.altair_chart(drawn, width="stretch", alt=f"Spend {_GRAIN_NAMES[asked.grain].lower()} ({zone}) by {dimension}")


def _table(asked: SpendFilter, found: View, today: date) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(_said(asked, found))
        with st.container(horizontal=True, width="content"):
            _back(asked, today)
            for name, ending, made in download.kinds("spend"):
                st.download_button(
                    f"Download {name}",
                    data=partial(_file, made, asked, viewer.again()),
                    file_name=f"spend_{asked.start}_{asked.end}_{asked.grain}.{ending}",
                    on_click="ignore",
                )
    visit = st.session_state.get(_KEY + "visit", 0)
    picked = spend_table.draw(found.table, asked, visit)
    if picked is not None:
        st.session_state[_KEY + "visit"] = visit + 1
        st.session_state[_KEY + "back"] = asked.to_query(today)
        _go(asked.hours_of(picked), today)
        st.rerun()


def _file(made: Callable[[pa.Table], bytes], asked: SpendFilter, who: Callable[[], Viewer]) -> bytes:
    """Every row of the view as a file, read when the button is pressed."""
    return made(marts.once(spend_figures.rows, asked, who))


def _said(asked: SpendFilter, found: View) -> str:
    drill = " Tick a day to see its hours." if asked.grain == "day" else ""
    if found.has_more:
        return f"The first {formats.counted(found.table.num_rows, 'row')}; a download has them all.{drill}"
    return f"{formats.counted(found.table.num_rows, 'row')}.{drill}"


def _back(asked: SpendFilter, today: date) -> None:
    """The way back from the hours of one day to the view the person came from."""
    if asked.grain != "hour" or asked.start != asked.end:
        return
    if st.button("Back to days"):
        query = st.session_state.pop(_KEY + "back", None)
        _go(
            SpendFilter.from_query(query, today) if query else replace(SpendFilter.default(today), chosen=asked.chosen),
            today,
        )
        st.rerun()
