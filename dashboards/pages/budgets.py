"""mart.spend_daily, control.budget -> is the month going to hold: how far each budget is used, and where it ends."""

from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape

import streamlit as st

from dashboards import formats
from dashboards.figures import budget_figures, marts, viewer
from dashboards.figures.budget_figures import Asked, Told, Use
from warehouse.money import shown

_STATES = {
    "queued": "waits to be sent",
    "sending": "is being sent",
    "sent": "sent",
    "dead": "could not be sent",
    "withdrawn": "taken back",
}
_CHANGE = '<p><a href="/budget" target="_self">Set, change or remove a budget</a></p>'


def page() -> None:
    """Draw every budget that is there to see, those that need a look first."""
    today = datetime.now(UTC).date()
    looks = viewer.current()
    listed = budget_figures.visible(marts.home(), looks)
    st.html(
        f'<div class="al"><div class="al-head"><h1>Budgets</h1><span class="dim">{today:%B %Y} · UTC days</span></div>'
        f"{_CHANGE}</div>"
    )
    if not listed:
        st.info("No budget is set. One mails you once at each share of it that is reached, such as 50, 80 and 100 %.")
        return
    uses = marts.answer(budget_figures.uses, Asked(today, listed))
    st.html(
        f'<div class="al al-pair">{"".join(_card(use, today) for use in sorted(uses, key=_share, reverse=True))}</div>'
    )
    st.caption(
        "By the month's end: what is spent until yesterday, and each day left at the pace of the quietest and of the "
        "busiest of the last four weeks. Calls without a known price count from nothing up to what a call to the "
        "dearest model costs on average."
    )
    _alerts([(use, told) for use in uses for told in budget_figures.told(marts.home(), use.listed)])


def _share(use: Use) -> Decimal:
    return (use.high_usd or use.spent_usd) / use.listed.budget.monthly_usd


def _card(use: Use, today: date) -> str:
    budget, scope = use.listed.budget, use.listed.scope
    monthly = budget.monthly_usd
    of_account = "" if scope.project is None else f' <span class="dim">project of {escape(scope.account)}</span>'
    spent = f"{shown(use.spent_usd)}"
    if use.unpriced_requests:
        spent += f" to {shown(use.spent_usd + use.unpriced_high_usd)}"
    missing = (
        f"<p>{formats.counted(use.unpriced_requests, 'call')} without a known price "
        f"{'is' if use.unpriced_requests == 1 else 'are'} in the range, not in the sum.</p>"
        if use.unpriced_requests
        else ""
    )
    shares = ", ".join(f"{share} %" for share in budget.thresholds)
    return (
        f'<section class="al-card" aria-label="Budget of {escape(scope.name)}">'
        f"<h2>{escape(scope.name)}{of_account}</h2>"
        f'<div class="al-figure">{spent} <span class="dim">of {shown(monthly)}</span></div>'
        f"{_bar(use)}<p><strong>{formats.share(use.spent_usd, monthly)} used</strong> on day {today.day} · "
        f'{_verdict(use)}</p>{missing}<p class="dim">A mail at {shares}</p></section>'
    )


def _verdict(use: Use) -> str:
    monthly = use.listed.budget.monthly_usd
    if use.low_usd is None or use.high_usd is None:
        return "too early to say where it ends"
    ends = (
        f"ends at about {shown(use.low_usd)}"
        if shown(use.low_usd) == shown(use.high_usd)
        else f"ends between {shown(use.low_usd)} and {shown(use.high_usd)}"
    )
    if use.spent_usd > monthly:
        return f'<span class="al-chip up">over by {shown(use.spent_usd - monthly)}</span>, {ends}'
    if use.low_usd > monthly:
        return f'<span class="al-chip up">will not hold</span>, {ends}'
    if use.high_usd > monthly:
        return f'<span class="al-chip up">may not hold</span>, {ends}'
    return f'<span class="al-chip down">holds</span>, {ends}'


def _bar(use: Use) -> str:
    """What is used, and lighter up to where it may end; the line is the budget."""
    monthly = use.listed.budget.monthly_usd
    most = max(monthly, use.high_usd or Decimal(0), use.spent_usd) * Decimal("1.02")
    used, ends, line = (int(part * 100 / most) for part in (use.spent_usd, use.high_usd or use.spent_usd, monthly))
    over = " over" if use.spent_usd > monthly else ""
    percent = formats.share(use.spent_usd, monthly)
    return (
        f'<div class="al-gauge{over}" role="img" aria-label="{percent} of the budget is used">'
        f'<i class="ends" style="width:{max(ends, 0)}%"></i><i class="used" style="width:{max(used, 0)}%"></i>'
        f'<i class="line" style="left:{line}%"></i></div>'
    )


def _alerts(told: list[tuple[Use, Told]]) -> None:
    st.subheader("What was told")
    if not told:
        st.caption("No share of a budget that is in force was reached yet.")
        return
    rows = "".join(
        f"<tr><td>{formats.moment(one.crossed_at)}</td><td>{escape(use.listed.scope.name)}</td>"
        f'<td>{one.period_start:%B %Y}</td><td class="n">{one.threshold_percent} %</td>'
        f'<td class="n">{shown(one.spent_usd)}</td><td>{_STATES.get(one.state, one.state)}</td></tr>'
        for use, one in sorted(told, key=lambda each: each[1].crossed_at, reverse=True)
    )
    st.html(
        '<div class="al al-scroll"><table class="al-table" aria-label="What was told"><thead><tr><th>Reached at</th>'
        '<th>Budget of</th><th>Month</th><th class="n">Share</th><th class="n">Spent then</th><th>Mail</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )
