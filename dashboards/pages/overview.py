"""mart.spend_daily, mart.spend_hourly, mart.latency_daily -> what does AI cost us, when, and what moved."""

from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape

import streamlit as st

from dashboards import formats, theme
from dashboards.charts import heat_map, time_chart
from dashboards.entry import price_form
from dashboards.figures import marts, overview_figures, rhythm_figures, viewer, zone_figures
from dashboards.figures.overview_figures import DailySpend, Month, ShareRow, UnpricedRow
from dashboards.figures.rhythm_figures import Mover
from warehouse.money import shown

_SPANS = {"30 days": 30, "60 days": 60, "90 days": 90}


def page() -> None:
    """Draw the overview as of today (UTC)."""
    today = datetime.now(UTC).date()
    month, latency, unpriced, shares, moved = marts.answer(overview_figures.at_a_glance, today)
    st.html(_head(month))
    st.html(_cards(month, next(iter(latency), None)))
    if unpriced:
        st.html(_unpriced(unpriced))
    asked = DailySpend(today, overview_figures.LATENCY_DAYS, "provider")
    _spend_over_time(asked)
    st.html(_shares(shares, month))
    _rhythm(today, moved if month.first_day is None else [])
    st.subheader("Latency per day")
    st.html(theme.legend(time_chart.LATENCY_LINES))
    if latency:
        st.altair_chart(
            time_chart.latency(latency, asked.start, asked.today),
            width="stretch",
            alt="Latency per UTC day: median, 95th and 99th percentile",
        )
    else:
        st.caption("No log of the last 30 days tells how long its calls took.")


def _head(month: Month) -> str:
    return (
        '<div class="al al-head"><h1>What AI costs</h1>'
        f'<span class="dim">{formats.days(month.start, month.today)}, {month.today.year} · UTC days, today still runs'
        "</span></div>"
    )


def _cards(month: Month, whole: overview_figures.LatencyRow | None) -> str:
    now, before = month.so_far, month.before
    compared = formats.days(month.before_start, month.before_today)
    requests = f"{_chip(Decimal(now.requests), Decimal(before.requests), judged=False)} against {compared}"
    errors_before = f"{_error_share(before)} on {compared}"
    if month.first_day:
        # Half a month against a whole one would read as a change.
        requests = errors_before = ""
    cards = [
        _card("This month so far", shown(now.cost_usd), *_compared(month, compared), hero=True),
        _card(
            "Requests",
            formats.count(now.requests),
            requests,
            f"{shown(_per_thousand(now))} per 1,000 requests",
        ),
        _card(
            "Tokens",
            formats.tokens(now.input_tokens + now.output_tokens),
            f"{formats.tokens(now.input_tokens)} in · {formats.tokens(now.output_tokens)} out",
            f"{formats.share(now.cache_read_tokens, now.input_tokens)} of input from cache",
        ),
        _card(
            "Errors",
            _error_share(now),
            f"{formats.count(now.error_requests)} of {formats.count(now.requests)}",
            errors_before,
        ),
        _card(
            "Latency, median",
            formats.duration(whole.p50_ms if whole else None),
            f"p95 {formats.duration(whole.p95_ms if whole else None)}",
            f"p99 {formats.duration(whole.p99_ms if whole else None)}, last 30 days",
        ),
    ]
    return f'<div class="al al-cards">{"".join(cards)}</div>'


def _compared(month: Month, compared: str) -> tuple[str, str]:
    """The change against the same days of the month before; where those are not covered, since when there are calls."""
    now, before, first = month.so_far, month.before, month.first_day
    if first is None:
        change = f"{_chip(now.cost_usd, before.cost_usd)} against {shown(before.cost_usd)} on {compared}"
        further = [f"{shown(month.before_whole_usd)} in all of {month.before_start:%B}"]
    else:
        change = f"First call on {formats.days(first, first)}: nothing to compare with yet"
        in_part = first <= month.before_end
        further = [f"{shown(month.before_whole_usd)} on {formats.days(first, month.before_end)}"] if in_part else []
    if now.provisional_usd:
        further.append(f"{shown(now.provisional_usd)} provisional")
    return change, " · ".join(further)


def _card(title: str, figure: str, *lines: str, hero: bool = False) -> str:
    said = "".join(f'<p class="dim">{line}</p>' for line in lines if line)
    return (
        f'<section class="al-card{" al-hero" if hero else ""}" aria-label="{title}">'
        f'<h2>{title}</h2><div class="al-figure">{figure}</div>{said}</section>'
    )


def _chip(now: Decimal, before: Decimal, *, judged: bool = True) -> str:
    said = formats.change(now, before)
    if said is None:
        return '<span class="al-chip">new</span>'
    tone = "" if not judged else " down" if now < before else " up"
    return f'<span class="al-chip{tone}">{said}</span>'


def _per_thousand(totals: overview_figures.Totals) -> Decimal | None:
    priced = totals.requests - totals.unpriced_requests
    return totals.cost_usd * 1000 / priced if priced else None


def _error_share(totals: overview_figures.Totals) -> str:
    return formats.share(totals.error_requests, totals.requests)


def _unpriced(models: list[UnpricedRow]) -> str:
    count = sum(row.requests for row in models)
    missing = (
        "request has no known price</strong> and is" if count == 1 else "requests have no known price</strong> and are"
    )
    named = ", ".join(
        f"<strong>{escape(row.provider)}/{escape(row.model)}</strong> ({formats.count(row.requests)})"
        for row in models[:4]
    )
    more = f" and {len(models) - 4} more" if len(models) > 4 else ""
    priced = f" {price_form.link()}." if viewer.current().is_operator else ""
    return (
        '<div class="al al-note" role="status" aria-label="Unpriced requests">'
        f"<strong>{formats.count(count)} {missing} missing from the spend above: "
        f"{named}{more}. An unknown price is never counted as $0.{priced}</div>"
    )


def _spend_over_time(usual: DailySpend) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader("Spend per day", width="content")
        controls = st.container(horizontal=True, width="content")
        dimension = controls.segmented_control(
            "Spend by",
            overview_figures.DIMENSIONS,
            default=usual.dimension,
            required=True,
            format_func=str.capitalize,
            label_visibility="collapsed",
            key="by",
            bind="query-params",
        )
        span = controls.segmented_control(
            "Days shown",
            list(_SPANS),
            default="30 days",
            required=True,
            label_visibility="collapsed",
            key="span",
            bind="query-params",
        )
    zones = marts.answer(zone_figures.in_use, None)
    today = zones.today(datetime.now(UTC))
    asked = DailySpend(today, _SPANS[span or "30 days"], dimension or usual.dimension, local=bool(zones.names))
    rows = marts.answer(overview_figures.spend_by_day, asked)
    if rows:
        st.html(time_chart.legend((row.name for row in rows), asked.dimension))
        st.altair_chart(
            time_chart.spend(rows, asked.dimension, asked.start, asked.today, hourly=False, zone=zones.label),
            width="stretch",
            alt=f"Spend per day ({zones.label}) by {asked.dimension}, last {asked.days} days",
        )
        if note := zones.note(today):
            st.caption(note)
    else:
        st.caption(f"Nothing was spent in the last {asked.days} days.")


def _shares(rows: list[ShareRow], month: Month) -> str:
    lists = (
        _share_list(title, dimension, [row for row in rows if row.dimension == dimension], month.so_far.cost_usd)
        for dimension, title in (("provider", "Providers"), ("model", "Models"), ("project", "Projects"))
    )
    return f'<div class="al-three">{"".join(lists)}</div>'


def _share_list(title: str, dimension: str, rows: list[ShareRow], whole: Decimal) -> str:
    names = [formats.NOT_NAMED if row.name is None else row.name for row in rows]
    dearest = max((row.cost_usd for row in rows), default=Decimal(1))
    items = "".join(
        f'<li><div class="row"><span class="name" title="{escape(name)}">{escape(name)}</span>'
        f'<span class="cost">{shown(row.cost_usd)} <span class="dim">{formats.share(row.cost_usd, whole)}</span></span>'
        f'</div><div class="bar"><i style="width:{_width(row.cost_usd, dearest)}%;background:{colour}"></i></div></li>'
        for name, row, colour in zip(names, rows, _colours(dimension, names), strict=True)
    )
    return (
        f'<section class="al al-card" aria-label="{title} this month"><h2>{title} this month</h2>'
        f'<ul class="al-shares">{items or "<li>Nothing yet.</li>"}</ul></section>'
    )


def _rhythm(today: date, moved: list[Mover]) -> None:
    """When a week costs most, beside what takes more or less than before."""
    hours = marts.answer(rhythm_figures.week, today)
    week, movers = st.columns([3, 2], gap="medium")
    with week:
        st.subheader("A week, hour by hour")
        if hours:
            st.altair_chart(heat_map.drawn(hours), width="stretch", alt=heat_map.told(hours))
            st.caption(heat_map.told(hours))
        else:
            st.caption("No log tells the hours of the four weeks up to yesterday.")
    if moved:
        # Half a month against a whole one would read as a change.
        movers.html(_movers(moved))


def _movers(moved: list[Mover]) -> str:
    rows = "".join(
        f"<tr><td>{escape(formats.NOT_NAMED if one.name is None else one.name)} "
        f'<span class="dim">{one.dimension}</span></td><td class="n">{shown(one.cost_usd)}</td>'
        f'<td class="n">{_chip(one.cost_usd, one.before_usd)}</td></tr>'
        for one in sorted(moved, key=lambda one: abs(one.change_usd), reverse=True)
    )
    return (
        '<section class="al" aria-label="What moved"><h2 class="al-title">What moved</h2><p class="dim">Last 30 whole '
        'days against the 30 before</p><div class="al-scroll"><table class="al-table" aria-label="What moved">'
        f'<thead><tr><th>Name</th><th class="n">Cost</th><th class="n">Change</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _colours(dimension: str, names: list[str]) -> list[str]:
    """Providers keep their colours; models and projects, which have none of their own, share a calm one."""
    return theme.colours(dimension, names) if dimension == "provider" else [theme.CALM] * len(names)


def _width(part: Decimal, dearest: Decimal) -> int:
    return 0 if dearest <= 0 else max(0, int(part * 100 / dearest))
