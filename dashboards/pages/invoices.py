"""mart.invoice_tie_out, mart.plan_value -> do the invoices agree with the bills, and what are the plans worth."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from html import escape

import pyarrow as pa
import streamlit as st

from dashboards import formats
from dashboards.figures import invoice_figures, marts, viewer
from dashboards.figures.invoice_figures import Invoice, PlanMonth
from dashboards.figures.viewer import Viewer
from dashboards.views import download
from warehouse.fx import plain
from warehouse.money import billed, shown

_ENTER = '<p><a href="/invoice" target="_self">Enter invoices, one or a CSV file of several, or take one out</a></p>'
_PLANS = """apiledger plan add "claude max" --provider anthropic --monthly 200 --from 2026-10-01 --covers claude_code
apiledger run            # takes in what was entered
apiledger close 2026-10  # freezes the month"""


def page() -> None:
    """Draw the page: invoices beside bills, plans beside what their use would have cost."""
    today = datetime.now(UTC).date()
    found = marts.answer(invoice_figures.invoices, None)
    plans = marts.answer(invoice_figures.plans, today)
    st.html(
        '<div class="al"><div class="al-head"><h1>Invoices and plans</h1>'
        '<span class="dim">USD · UTC days</span></div>'
        f"<p>{_verdict(found)}</p>{_ENTER}</div>"
    )
    if found:
        st.html(_tie_out(found))
        _take_away("Download tie-out", "invoices", invoice_figures.tie_out)
    if plans:
        st.html(_value(plans, today))
        _take_away("Download plans", "plans", invoice_figures.plan_value)
    st.html(
        '<div class="al"><h2>Plans, and closing a month</h2>'
        '<p class="dim">On the command line, where the home lies.</p></div>'
    )
    st.code(_PLANS, language=None, wrap_lines=True)


def _take_away(label: str, name: str, question: marts.Question[None, pa.Table]) -> None:
    st.download_button(
        f"{label} CSV",
        partial(_file, question, viewer.again()),
        file_name=f"{name}.csv",
        key=f"invoices_{name}",
        on_click="ignore",
    )


def _file(question: marts.Question[None, pa.Table], who: Callable[[], Viewer]) -> bytes:
    return download.csv_bytes(marts.once(question, None, who))


def _verdict(found: Sequence[Invoice]) -> str:
    if not found:
        return "No invoice is entered yet. Each one is held against the bills of its days, to the cent."
    differing = [one for one in found if one.status == "differs"]
    still_open = sum(one.status == "open" for one in found)
    apart = sum((abs(one.difference_usd or Decimal(0)) for one in differing), Decimal(0))
    parts = [f"{sum(one.status == 'tied' for one in found)} of {formats.counted(len(found), 'invoice')} tied"]
    if differing:
        verb = "differs" if len(differing) == 1 else "differ"
        parts.append(f"<strong>{len(differing)} {verb}, by {shown(apart)}</strong>")
    if still_open:
        parts.append(f"{still_open} open")
    return f"{', '.join(parts)}."


def _tie_out(found: Sequence[Invoice]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.number)}</td><td>{escape(one.provider)}"
        f"{f', {escape(one.plan)}' if one.plan else ''}</td>"
        f"<td>{formats.days(one.start, one.end)}, {one.end.year}</td>"
        f'<td class="n">{_asked(one)}</td><td class="n">{_said(one)}</td>'
        f'<td class="n">{"—" if one.status == "open" else shown(one.difference_usd)}</td><td>{_status(one)}</td></tr>'
        for one in found
    )
    return (
        '<div class="al al-scroll"><table class="al-table" aria-label="Invoices"><thead><tr><th>Invoice</th>'
        '<th>For</th><th>Days</th><th class="n">Invoiced</th><th class="n">Bills, tax, credits</th>'
        f'<th class="n">Difference</th><th>Status</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _asked(one: Invoice) -> str:
    if one.currency is None or one.billed_amount is None:
        return shown(one.amount_usd)
    own = escape(billed(one.billed_amount, one.currency))
    if one.fx_usd_per_unit is None or one.told_amount is not None:
        return own
    rate = f"{own} at {plain(one.fx_usd_per_unit)} of {one.fx_day:%d %b %Y}"
    return f'{shown(one.amount_usd)}<br><span class="dim">{rate}</span>'


def _said(one: Invoice) -> str:
    if one.currency is None or one.told_amount is None:
        return shown(one.told_usd)
    return escape(billed(one.told_amount, one.currency))


def _status(one: Invoice) -> str:
    if one.status == "tied":
        return "Tied"
    if one.status == "differs":
        return "<strong>Differs</strong>"
    if one.amount_usd is None and one.told_days == one.period_days:
        return f'Open <span class="dim">no rate of {escape(one.currency or "")} up to {one.end:%d %b %Y}</span>'
    why = f"{one.told_days} of {one.period_days} days told"
    return f'Open <span class="dim">{why}{f", {one.open_days} may change" if one.open_days else ""}</span>'


def _value(plans: Sequence[PlanMonth], today: date) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.plan)}</td><td>{escape(one.provider)}</td>"
        f"<td>{one.month:%b %Y}{' so far' if _runs(one, today) else ''}</td>"
        f'<td class="n">{one.seats}</td><td class="n">{shown(one.fee_usd)}</td>'
        f'<td class="n">{formats.count(one.requests)}</td>'
        f'<td class="n">{"at least " if one.unpriced_requests else ""}{shown(one.worth_usd)}</td>'
        f'<td class="n">{_ratio(one)}</td></tr>'
        for one in plans
    )
    return (
        '<div class="al"><h2>What plans are worth</h2><p class="dim">The fee is spend. What the calls it pays for '
        "would have cost at list price stands beside it, and is in no sum.</p>"
        '<div class="al-scroll"><table class="al-table" aria-label="Plans"><thead><tr><th>Plan</th><th>Provider</th>'
        '<th>Month</th><th class="n">Seats</th><th class="n">Fee</th><th class="n">Calls it paid for</th>'
        f'<th class="n">At list price</th><th class="n">For a dollar</th></tr></thead><tbody>{rows}</tbody></table>'
        "</div></div>"
    )


def _runs(one: PlanMonth, today: date) -> bool:
    return one.month == today.replace(day=1) and (one.ends_on is None or one.ends_on > today)


def _ratio(one: PlanMonth) -> str:
    if not one.covers:
        return '<span class="dim">covers no log</span>'
    return shown(one.ratio)
