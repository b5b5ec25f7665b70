"""The controls of a period: two dates and a search, filled from the URL on every run, told back into it."""

from datetime import UTC, date, datetime

import streamlit as st

from dashboards import formats
from dashboards.figures.period import Period


def draw(key: str) -> Period:
    """Draw the controls of the page `key` and give what they ask for."""
    today = datetime.now(UTC).date()
    asked = Period.from_query({name: st.query_params.get_all(name) for name in st.query_params}, today)
    for name, value in {"from": asked.start, "to": asked.end, "q": asked.search}.items():
        if st.session_state.get(f"{key}_{name}") != value:
            st.session_state[f"{key}_{name}"] = value
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _date("From (UTC)", key, "from", today)
        _date("To (UTC)", key, "to", today)
        st.text_input(
            "Search", key=f"{key}_q", placeholder="any name", width=180, max_chars=80, on_change=_told, args=(key,)
        )
    return asked


def _date(title: str, key: str, name: str, today: date) -> None:
    st.date_input(
        title, max_value=today, key=f"{key}_{name}", width=140, format="YYYY-MM-DD", on_change=_told, args=(key,)
    )


def _told(key: str) -> None:
    state, today = st.session_state, datetime.now(UTC).date()
    start, end = sorted((state[f"{key}_from"], state[f"{key}_to"]))
    now = Period.from_query({name: st.query_params.get_all(name) for name in st.query_params}, today)
    _go(Period(start, end, state[f"{key}_q"].strip(), now.picked), today)


def pick(asked: Period, picked: str) -> None:
    """Look at one thing from now on, or at all with an empty text."""
    _go(Period(asked.start, asked.end, asked.search, picked), datetime.now(UTC).date())


def _go(asked: Period, today: date) -> None:
    """Write the period into the URL; what else the page asks for stays."""
    only = st.query_params.get_all("only")
    st.query_params.from_dict(asked.to_query(today) | ({"only": only} if only else {}))


def head(title: str, asked: Period, figure: str = "") -> str:
    """The page's heading with its days and those it compares with; `figure` is HTML of ours."""
    return (
        f'<div class="al"><div class="al-head"><h1>{title}</h1>'
        f'<span class="dim">{formats.days(asked.start, asked.end)}, {asked.end.year} · against '
        f"{formats.days(asked.before_start, asked.before_end)} · UTC days</span></div><p>{figure}</p></div>"
    )
