"""mart.freshness, mart.spend_daily, mart.coverage -> can these figures be trusted now, and what to do if not."""

from datetime import UTC, date, datetime
from html import escape

import streamlit as st

from dashboards import formats, states
from dashboards.figures import frame_figures, freshness_figures, marts, viewer
from dashboards.figures.frame_figures import SourceRow
from dashboards.figures.freshness_figures import HeldBack, Reach

_BASES = {
    "log": "Calls of a log",
    "usage": "Provider's count",
    "bill": "Bill",
    "estimate": "Estimate",
    "plan": "Plan's fee",
}
# A bill of yesterday comes today; one that is three days behind is late.
_BILL_LATE_DAYS = 3


def page() -> None:
    """Draw what needs a look first, then how far everything is read."""
    now = datetime.now(UTC).replace(tzinfo=None)
    looks = viewer.current()
    sources = marts.answer(frame_figures.frame, now.date()).sources
    held = freshness_figures.held_back(marts.home(), looks)
    reach = marts.answer(freshness_figures.reach, now.date())
    st.html(
        '<div class="al"><div class="al-head"><h1>Freshness</h1>'
        f'<span class="dim">as of {formats.moment(now)}</span></div></div>'
    )
    st.html(_to_do([*_stale(sources, now), *_held(held), *_behind(reach, now.date())]))
    if reach:
        st.html(_reach(reach))
    if held:
        st.html(_quarantine(held))
    if untold := marts.answer(freshness_figures.untold, None):
        lines = "".join(
            f"<tr><td><strong>{escape(source)}</strong></td><td class='said'>{escape(note)}</td></tr>"
            for source, note in untold
        )
        st.html(_table("What bills do not tell", "<th>Source</th><th>What</th>", lines))


def _stale(sources: list[SourceRow], now: datetime) -> list[tuple[str, str]]:
    found = []
    for row in sources:
        if row.kind == "log" and row.last_landed_at and now - row.last_landed_at >= states.STALE_AFTER:
            said = f"{row.source}: nothing new for {formats.age(row.last_landed_at, now).removesuffix(' ago')}"
            found.append((said, "Look whether the gateway still writes into its inbox, then at `apiledger doctor`."))
        if row.skipped:
            step = "Set another key in the environment and run `apiledger run`; `apiledger doctor` says which."
            found.append((f"{row.source}: not read since {_day(row.last_read_on)}: {row.skipped}", step))
        elif row.kind == "bill" and row.quarantined_rows:
            said = f"{row.source}: {formats.counted(row.quarantined_rows, 'row')} of its bill cannot be read"
            step = "What bills do not tell, below, says of which days. They are asked for again each day and stay open."
            found.append((said, step))
        elif row.kind == "bill" and row.last_day and (now.date() - row.last_day).days > _BILL_LATE_DAYS:
            said = f"{row.source}: its bill ends on {_day(row.last_day)}"
            found.append((said, "Run `apiledger run`; it says why it reads no further."))
    return found


def _held(held: list[HeldBack]) -> list[tuple[str, str]]:
    lines = sum(row.lines for row in held)
    if not lines:
        return []
    said = f"{formats.counted(lines, 'line')} held back, the most of them of {held[0].gateway}: {held[0].reason}"
    return [(said, "Correct the gateway's log format and send those lines again.")]


def _behind(reach: list[Reach], today: date) -> list[tuple[str, str]]:
    """Unpriced calls: they are fresh, and still missing from every sum."""
    calls = sum(row.unpriced_requests for row in reach)
    if not calls:
        return []
    names = ", ".join(sorted({row.provider or formats.NOT_NAMED for row in reach if row.unpriced_requests}))
    said = f"{formats.counted(calls, 'call')} of the 90 days up to {_day(today)} without a known price: {names}"
    return [(said, "`apiledger prices unpriced` lists them, `apiledger prices set` gives one a price.")]


def _to_do(found: list[tuple[str, str]]) -> str:
    if not found:
        return (
            '<div class="al al-note calm" role="status" aria-label="What needs a look"><strong>Everything is fresh.'
            "</strong> Nothing waits, nothing was held back, every call has a price.</div>"
        )
    items = "".join(f"<li><strong>{escape(said)}</strong><br>{_code(step)}</li>" for said, step in found)
    return (
        '<section class="al al-note" role="status" aria-label="What needs a look"><strong>'
        f"{formats.counted(len(found), 'thing')} to look at</strong><ul>{items}</ul></section>"
    )


def _code(step: str) -> str:
    parts = escape(step).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _reach(reach: list[Reach]) -> str:
    rows = "".join(
        f"<tr><td><strong>{escape(row.provider or formats.NOT_NAMED)}</strong></td>"
        f"<td>{_BASES.get(row.basis, row.basis)}</td><td>{_day(row.last_day)}</td>"
        f'<td class="n">{row.provisional_days}</td><td class="n">{formats.count(row.unpriced_requests)}</td></tr>'
        for row in reach
    )
    head = (
        "<th>Provider</th><th>Told by</th><th>Up to</th>"
        '<th class="n">Days that may change</th><th class="n">Unpriced calls</th>'
    )
    return _table("How far figures go, last 90 days", head, rows)


def _quarantine(held: list[HeldBack]) -> str:
    rows = "".join(
        f"<tr><td><strong>{escape(row.gateway)}</strong></td><td>{escape(row.reason)}</td>"
        f'<td class="n">{formats.count(row.lines)}</td><td>{escape(row.last_seen)}</td></tr>'
        for row in held
    )
    head = '<th>Gateway</th><th>Why</th><th class="n">Lines</th><th>Last seen</th>'
    return _table("Lines held back", head, rows)


def _table(title: str, head: str, rows: str) -> str:
    return (
        f'<section class="al al-card" aria-label="{title}"><h2>{title}</h2><div class="al-scroll">'
        f'<table class="al-table" aria-label="{title}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div></section>"
    )


def _day(day: date | None) -> str:
    return "the beginning" if day is None else f"{day:%d %b %Y}"
