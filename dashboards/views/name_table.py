"""name_figures -> the page of keys and the page of projects: what each costs, whose it is, what nobody uses."""

from datetime import datetime
from decimal import Decimal
from html import escape

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from dashboards import formats, period_bar, theme
from dashboards.entry import naming_form
from dashboards.figures import marts, name_figures
from dashboards.figures.name_figures import Asked, Kind, Said
from dashboards.figures.period import Period
from dashboards.views import data_table
from warehouse.money import shown

_TITLES = {
    "label": "",
    "cost_usd": "Cost",
    "change_usd": "Change",
    "requests": "Requests",
    "last_day": "Last used",
    "idle_days": "Days idle",
    "owner": "Owner",
    "name": "Called here",
    "tags": "Tags",
    "account": "Account",
    "before_usd": "Before",
    "error_requests": "Errors",
    "first_day": "First used",
    "parts": "",
}
_OTHER: dict[Kind, str] = {"key": "Projects", "project": "Keys"}


def draw(kind: Kind) -> None:
    """Draw the whole page of one kind for what the URL asks."""
    period = period_bar.draw(f"{kind}s")
    unused = _unused(kind)
    asked = Asked(kind, Period(period.start, period.end, period.search), unused)
    found = marts.answer(name_figures.rows, asked)
    everything = marts.answer(name_figures.rows, Asked(kind, asked.period)) if unused else found
    st.html(period_bar.head(f"{kind.capitalize()}s", period))
    if not found.num_rows:
        st.info(f"No {kind} matches." if not unused else f"Every {kind} that matches was used on these days.")
        return
    st.html(_cards(kind, everything, period))
    titles = {**_TITLES, "label": kind.capitalize(), "parts": _OTHER[kind]}
    sheet = data_table.Sheet(f"{kind}s", f"{kind.capitalize()}s as a table", titles, "label")
    data_table.draw(sheet, found, name_figures.rows, asked)
    _history(kind, period, found)


def _unused(kind: Kind) -> bool:
    key = f"{kind}s_unused"
    asked = "unused" in st.query_params.get_all("only")
    if st.session_state.get(key) != asked:
        st.session_state[key] = asked

    def told() -> None:
        if st.session_state[key]:
            st.query_params["only"] = "unused"
        else:
            st.query_params.pop("only", None)

    st.checkbox(f"Only {kind}s that nobody used on these days", key=key, on_change=told)
    return asked


def _cards(kind: Kind, found: pa.Table, period: Period) -> str:
    cost, before = (Decimal(pc.sum(found[name]).as_py() or 0) for name in ("cost_usd", "before_usd"))
    days = found["last_day"].to_pylist()
    idle = sum(1 for day in days if day is None or day < period.start)
    unowned = found["owner"].null_count
    cards = [
        ("Cost", shown(cost), f"{formats.change(cost, before) or 'new'} against {shown(before)}"),
        (
            f"{kind.capitalize()}s used",
            formats.count(found.num_rows - idle),
            formats.days(period.start, period.end),
        ),
        (
            "Not used on these days",
            formats.count(idle),
            f"of {formats.count(found.num_rows)}, with their past",
        ),
        ("Without an owner", formats.count(unowned), "nobody is named who answers for them"),
    ]
    return f'<div class="al al-few">{"".join(theme.card(*card) for card in cards)}</div>'


def _history(kind: Kind, period: Period, found: pa.Table) -> None:
    labels = list(dict.fromkeys(found["label"].to_pylist()))
    key = f"{kind}s_one"
    picked = period.picked if period.picked in labels else None
    if st.session_state.get(key) != picked:
        st.session_state[key] = picked
    st.subheader("Names, owners and tags over time")
    st.selectbox(
        kind.capitalize(),
        labels,
        key=key,
        index=None,
        width=360,
        placeholder=f"Choose a {kind}",
        on_change=lambda: period_bar.pick(period, st.session_state[key] or ""),
    )
    if picked is not None:
        st.html(_said(picked, marts.answer(name_figures.history, (kind, picked))))
    st.caption("A renamed, rotated or deleted one keeps its past under each of its names.")
    st.html(naming_form.link(kind, picked))


def _said(label: str, told: list[Said]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.account or '—')}</td><td>{_day(one.since, 'the first call')}</td>"
        f"<td>{_day(one.until, 'now')}</td><td>{'the log' if one.told_by == 'log' else 'people'}</td>"
        f"<td>{escape(one.name or '—')}</td><td>{escape(one.owner or '—')}</td><td>{escape(one.tags or '—')}</td></tr>"
        for one in told
    )
    return (
        f'<div class="al al-scroll"><table class="al-table" aria-label="Names of {escape(label)}"><thead><tr>'
        "<th>Account</th><th>From</th><th>To</th><th>Said by</th><th>Name</th><th>Owner</th><th>Tags</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _day(at: datetime | None, usual: str) -> str:
    return usual if at is None else f"{at:%d %b %Y}"
