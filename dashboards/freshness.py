"""mart.freshness, mart.published -> how new the figures are, and the watch that redraws a page for a new version."""

from datetime import UTC, date, datetime
from html import escape

import streamlit as st

from dashboards import formats, states
from dashboards.access import session
from dashboards.figures import frame_figures, marts
from dashboards.figures.frame_figures import Published, SourceRow
from warehouse.errors import WithheldError

_LOOK_EVERY_S = 3
# Set when a page is drawn anew without its person: it keeps no session alive.
BY_ITSELF = "drawn_by_itself"


@st.fragment(run_every=60)
def notice() -> None:
    """Say so where nothing has landed for a day."""
    now = datetime.now(UTC).replace(tzinfo=None)
    sources = marts.answer(frame_figures.frame, now.date()).sources
    # A bill comes once a day; a log that stands still is not excused by it.
    told = [row for row in sources if row.kind == "log"] or sources
    states.stale(max((row.last_landed_at for row in told if row.last_landed_at), default=None), now)


@st.fragment(run_every=_LOOK_EVERY_S)
def watch(drawn: int | None, *, is_withheld: bool = False) -> None:
    """Redraw the page once a version newer than `drawn` is published; until then show how new its sources are.

    A page that shows figures is redrawn, too, where they are withheld since, and one without where they are not any
    more.
    """
    if session.find_by(session.of_page()) is None or marts.version() != drawn:
        redraw()
    if drawn is None:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    try:
        found = marts.answer(frame_figures.frame, now.date())
    except WithheldError:
        if not is_withheld:
            redraw()
        return
    if is_withheld:
        redraw()
    st.html(table(found.sources, found.version, now))


def redraw() -> None:
    """Draw the page anew; nobody asked for it, so that it keeps no session alive."""
    st.session_state[BY_ITSELF] = True
    st.rerun(scope="app")


def table(sources: list[SourceRow], version: Published | None, now: datetime) -> str:
    """The sources and the version as HTML; moments and `now` are UTC."""
    logs = "".join(
        f"<tr><td><strong>{escape(row.source)}</strong></td>"
        f"<td>{_ago(row.last_request_at, now)}</td><td>{_ago(row.last_landed_at, now)}</td>"
        f'<td class="n">{formats.count(row.files)}</td><td class="n">{formats.count(row.rows)}</td>'
        f'<td class="n">{formats.count(row.quarantined_rows)}</td></tr>'
        for row in sources
        if row.kind == "log"
    )
    bills = "".join(
        f"<tr><td><strong>{escape(row.source)}</strong></td>"
        f"<td>{_day(row.last_day)}</td><td>{_day(row.last_read_on)}</td><td>{_ago(row.last_landed_at, now)}</td>"
        f'<td class="n">{formats.count(row.rows)}</td><td class="n">{formats.count(row.quarantined_rows)}</td>'
        f"<td>{escape(row.skipped or '')}</td></tr>"
        for row in sources
        if row.kind == "bill"
    )
    said = f"Published version {version.version}, as of {formats.moment(version.as_of)}" if version else ""
    if not logs and not bills:
        return f'<p class="al dim">{said}</p>'
    return (
        '<section class="al al-card" aria-label="Freshness"><h2>How fresh this is</h2>'
        + _listed(_LOGS, logs)
        + _listed(_BILLS, bills)
        + f'<p class="dim">{said}</p></section>'
    )


def _listed(head: str, rows: str) -> str:
    if not rows:
        return ""
    return (
        f'<div class="al-scroll"><table class="al-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


_LOGS = (
    '<th>Source</th><th>Last call</th><th>Last landed</th><th class="n">Files</th><th class="n">Rows</th>'
    '<th class="n">Quarantined</th>'
)
_BILLS = (
    '<th>Bill</th><th>Last day</th><th>Last read</th><th>Last change</th><th class="n">Rows</th>'
    '<th class="n">Held back</th><th>Why it is skipped</th>'
)


def _day(day: date | None) -> str:
    return "—" if day is None else f"{day:%d %b %Y}"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "—"
    return f'<span title="{formats.moment(moment)}">{formats.age(moment, now)}</span>'
