"""mart.reconciliation_daily, mart.difference_cause, mart.unclaimed_daily -> why log and bill differ, in money."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape
from urllib.parse import urlencode

import streamlit as st

from dashboards import formats
from dashboards.access import session
from dashboards.charts import waterfall
from dashboards.figures import marts, reconciliation_figures
from dashboards.figures.reconciliation_figures import Asked, Summary, Unclaimed
from dashboards.views import drill_table
from warehouse import database
from warehouse.causes import CAUSES
from warehouse.control import upstream_claim
from warehouse.control.vault import Vault
from warehouse.money import shown

_KEY = "reconciliation_"


def page() -> None:
    """Draw the page for the days and providers in the URL."""
    today = datetime.now(UTC).date()
    asked = Asked.from_query({key: st.query_params.get_all(key) for key in st.query_params}, today)
    known = marts.answer(reconciliation_figures.providers, None)
    if not known:
        _no_bill()
        return
    _controls(asked, known)
    found = marts.answer(reconciliation_figures.summary, asked)
    st.html(_head(asked, found))
    if not found.billed_days:
        st.info("No day of this range has a bill yet. Providers bill a day hours after it ends.")
    else:
        _waterfall(found)
        st.html(_causes(found))
        if found.unclaimed:
            st.html(_unclaimed(found))
        if found.stray_keys:
            st.html(_stray(asked, found, today))
    drill_table.draw(asked)


def _waterfall(found: Summary) -> None:
    parts = [(drill_table.named(cause), amount) for cause, amount in found.causes]
    drawn = ("Gateway's log", found.log_usd), parts, ("Bill", found.bill_usd)
    st.altair_chart(
        waterfall.waterfall(*drawn, on_dark=st.context.theme.type == "dark"),
        width="stretch",
        alt="From the gateway's log to the bill, cause by cause",
    )
    cut_at = waterfall.cut_at(*drawn)
    if cut_at is not None:
        st.html(
            f'<div class="al"><p class="dim">The axis is cut: it begins at {shown(cut_at)}, not at zero, so that the '
            "parts can be seen.</p></div>"
        )


def _controls(asked: Asked, known: list[str]) -> None:
    for name, value in {"from": asked.start, "to": asked.end, "provider": list(asked.providers)}.items():
        if st.session_state.get(_KEY + name) != value:
            st.session_state[_KEY + name] = value
    with st.container(horizontal=True, vertical_alignment="bottom"):
        today = datetime.now(UTC).date()
        st.date_input("From (UTC)", max_value=today, key=_KEY + "from", width=140, format="YYYY-MM-DD", on_change=_told)
        st.date_input("To (UTC)", max_value=today, key=_KEY + "to", width=140, format="YYYY-MM-DD", on_change=_told)
        options = list(dict.fromkeys([*known, *asked.providers]))
        st.multiselect("Provider", options, key=_KEY + "provider", width=300, placeholder="All", on_change=_told)


def _told() -> None:
    state, today = st.session_state, datetime.now(UTC).date()
    start, end = sorted((state[_KEY + "from"], state[_KEY + "to"]))
    st.query_params.from_dict(Asked(start, end, tuple(state[_KEY + "provider"])).to_query(today))


def _head(asked: Asked, found: Summary) -> str:
    apart = found.bill_usd - found.log_usd
    without = (
        f" · {formats.counted(found.days_without_bill, 'day')} without a bill yet" if found.days_without_bill else ""
    )
    figure = (
        f"The bills are <strong>{shown(abs(apart))} {'more' if apart >= 0 else 'less'}</strong> than the log: "
        f"{shown(abs(apart - found.unexplained_usd))} explained, "
        f"<strong>{shown(found.unexplained_usd)} unexplained</strong>."
    )
    start, end = (asked.day, asked.day) if asked.day else (asked.start, asked.end)
    return (
        '<div class="al"><div class="al-head"><h1>Why log and bill differ</h1>'
        f'<span class="dim">{formats.days(start, end)}, {end.year} · UTC days{without}</span></div>'
        f"<p>{figure if found.billed_days else ''}</p></div>"
    )


def _causes(found: Summary) -> str:
    apart = sum((abs(amount) for _, amount in found.causes), Decimal(0))
    rows = "".join(
        f'<tr><td>{drill_table.named(cause)}</td><td class="n">{shown(amount)}</td>'
        f'<td class="n">{formats.share(abs(amount), apart)}</td><td class="dim">{escape(CAUSES[cause])}</td></tr>'
        for cause, amount in found.causes
    )
    if not rows:
        return '<div class="al"><p>To the cent: there is nothing to explain.</p></div>'
    return (
        '<div class="al al-scroll"><table class="al-table" aria-label="Causes"><thead><tr><th>Cause</th>'
        f'<th class="n">Amount</th><th class="n">Share</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _unclaimed(found: Summary) -> str:
    texts = _upstreams(found)
    rows = "".join(
        f"<tr><td>{escape(each.provider)}</td><td>{_account(each)}</td><td>{escape(each.gateway)}</td>"
        f'<td>{_upstream(each, texts)}</td><td class="n">{each.days}</td>'
        f'<td class="n">{shown(each.cost_usd)}</td></tr>'
        for each in found.unclaimed
    )
    return (
        '<div class="al"><h2>Calls that nobody claims</h2><p class="dim">Their payer has several connections at the '
        "provider, and none claims where these calls were sent. They are left out of the sums of spend, since a bill "
        "holds them. <code>apiledger connect claim UPSTREAM NUMBER</code>, with <code>--from DAY</code> where that "
        'changed, or the operator on <a href="/claims" target="_self">Whose is what</a>, says which connection pays; '
        "<code>apiledger connect claims</code> has the commands with their numbers. Where a log names no upstream, "
        "send each connection's calls under an account of its own.</p>"
        '<div class="al-scroll"><table class="al-table" aria-label="Unclaimed calls"><thead><tr><th>Provider</th>'
        '<th>Account</th><th>Log</th><th>Upstream</th><th class="n">Days</th><th class="n">Cost at list price</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div></div>"
    )


def _account(each: Unclaimed) -> str:
    return escape(each.account or formats.NOT_NAMED) if each.is_seen else "accounts of others"


def _upstream(each: Unclaimed, texts: dict[int, str]) -> str:
    text = texts.get(each.upstream_no) if each.upstream_no is not None else None
    return "—" if text is None else f"<code>{escape(upstream_claim.shown(text))}</code>"


def _upstreams(found: Summary) -> dict[int, str]:
    """What logs call the upstreams that the viewer may see; opened for this drawing alone, and kept nowhere."""
    numbers = {each.upstream_no for each in found.unclaimed if each.upstream_no is not None}
    if not numbers:
        return {}
    with database.control(marts.home()) as control:
        return upstream_claim.texts(control, Vault(control, session.now()), numbers)


def _stray(asked: Asked, found: Summary, today: date) -> str:
    rows = "".join(
        f"<tr><td>{_key_link(asked, key, today)}</td><td>{escape(model or formats.NOT_NAMED)}</td>"
        f'<td class="n">{days}</td><td class="n">{shown(amount)}</td></tr>'
        for key, model, days, amount in found.stray_keys
    )
    return (
        '<div class="al"><h2>Calls the gateway never saw</h2><p class="dim">A key that nobody knows may have leaked: '
        "revoke it at the provider. One that belongs to you should go through the gateway.</p>"
        '<div class="al-scroll"><table class="al-table" aria-label="Unlogged calls"><thead><tr><th>Key</th><th>Model'
        '</th><th class="n">Days</th><th class="n">Cost at list price</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></div>"
    )


def _key_link(asked: Asked, key: str | None, today: date) -> str:
    """A key's name with the way to its own parts, day by day."""
    if key is None:
        return "a key of the gateway, or unknown"
    query = urlencode(replace(asked.whole, key=key).to_query(today), doseq=True)
    return f'<a href="?{escape(query)}" target="_self" style="color:inherit">{escape(key)}</a>'


def _no_bill() -> None:
    st.html(
        '<div class="al"><div class="al-head"><h1>Why log and bill differ</h1></div>'
        "<p>No bill is read yet. Give apiledger a provider's admin key, and this page sets the bill beside your "
        "gateway's log and says where the difference comes from.</p></div>"
    )
    st.code("OPENAI_ADMIN_KEY=… ANTHROPIC_ADMIN_KEY=… make up", language=None)
