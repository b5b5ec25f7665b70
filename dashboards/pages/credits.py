"""mart.credit_account, mart.credit_balance, mart.credit_daily -> what is left, what took it, which tier it is."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape

import streamlit as st

from dashboards import formats
from dashboards.charts import balance_chart, time_chart
from dashboards.figures import credit_figures, marts
from dashboards.figures.credit_figures import Asked, Standing
from dashboards.views import data_table
from warehouse.money import shown

_SHEET = data_table.Sheet(
    "credits",
    "What moved the credits",
    {
        "day": "Day (UTC)",
        "kind": "What",
        "provider": "Provider",
        "model": "Model",
        "amount_usd": "Credits",
        "entries": "Entries",
    },
    "day",
)
_KINDS = {"top_up": "Top-up", "refund": "Refund", "dispute": "Dispute"}
_REASONS = {"unclaimed": "nobody says whose it is", "currency": "not in USD: enter it by hand"}
_MOST_UNCLAIMED = 20
_NONE = """apiledger credits prepaid ACCOUNT --from 2026-11-01 --low 10   # its calls are deducted from then on
apiledger credits adjust ACCOUNT --usd 5 --reason "credits to start with"
apiledger run                                                  # takes in what was entered"""


def page() -> None:
    """Draw the account that the URL names, else the one that needs a look."""
    found = marts.answer(credit_figures.standings, None)
    st.html(
        '<div class="al"><div class="al-head"><h1>Credits</h1><span class="dim">USD · UTC days</span></div>'
        f"<p>{_verdict(found)}</p></div>"
    )
    _unclaimed()
    if not found:
        st.code(_NONE, language=None, wrap_lines=True)
        return
    chosen = _chosen(found)
    asked = Asked(chosen.account, datetime.now(UTC).date())
    st.html(f'<div class="al al-few">{_left(chosen)}{_tier(chosen)}{_terms(chosen)}</div>')
    _balance(asked, chosen)
    _deductions(asked)
    table = marts.answer(credit_figures.moved, chosen.account)
    if table.num_rows:
        st.html('<div class="al"><h2 class="al-title">What moved it</h2></div>')
        data_table.draw(_SHEET, table, credit_figures.moved, chosen.account)


def _unclaimed() -> None:
    """What the operator alone sees: money that came in and is nobody's yet."""
    found = marts.answer(credit_figures.unclaimed, None).to_pylist()
    if not found:
        return
    rows = "".join(
        f"<tr><td>{row['day']}</td><td>{_KINDS.get(row['kind'], row['kind'])}</td>"
        f'<td class="n">{_minor(row["amount_minor"], row["currency"])}</td>'
        f"<td>{escape(row['customer'] or 'no customer')}</td><td>{_REASONS.get(row['reason'], row['reason'])}</td></tr>"
        for row in found[:_MOST_UNCLAIMED]
    )
    more = len(found) - _MOST_UNCLAIMED
    rest = f'<p class="dim">and {formats.counted(more, "further one")}</p>' if more > 0 else ""
    st.html(
        f'<div class="al"><div class="al-note"><strong>{formats.counted(len(found), "payment")} '
        f"{'is' if len(found) == 1 else 'are'} in nobody's credits.</strong> <code>apiledger credits unclaimed</code> "
        "names the customers, <code>apiledger credits claim</code> says whose one is. Only you see this.</div>"
        '<div class="al-scroll"><table class="al-table" aria-label="Payments that are nobody\'s"><thead><tr>'
        '<th>Day</th><th>What</th><th class="n">Amount</th><th>Customer</th><th>Why</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{rest}</div>"
    )


def _minor(amount: int, currency: str) -> str:
    if currency != "USD":
        return f"{amount:,} {escape(currency)} (smallest unit)"
    return shown(Decimal(amount).scaleb(-2))


def _verdict(found: Sequence[Standing]) -> str:
    if not found:
        return "No account is prepaid. An operator switches one on at the command line."
    low = [one for one in found if one.balance_usd < (one.low_usd or Decimal(0))]
    if len(found) == 1:
        return ""
    said = formats.counted(len(found), "account")
    if not low:
        return f"{said}, no balance is low."
    return f"{said}; <strong>{formats.counted(len(low), 'balance')} {'is' if len(low) == 1 else 'are'} low</strong>."


def _chosen(found: Sequence[Standing]) -> Standing:
    names = [one.account for one in found]
    asked = st.query_params.get("account")
    place = names.index(asked) if asked in names else 0
    if len(found) > 1:
        st.session_state["credits_account"] = names[place]
        st.selectbox("Account", names, key="credits_account", width=320, on_change=_picked)
    return found[place]


def _picked() -> None:
    st.query_params["account"] = st.session_state["credits_account"]


def _left(one: Standing) -> str:
    line = Decimal(0) if one.low_usd is None else one.low_usd
    state = ""
    if one.balance_usd < 0:
        state = '<p><span class="al-chip up">overdrawn</span></p>'
    elif one.balance_usd < line:
        state = f'<p><span class="al-chip up">below {shown(line)}</span></p>'
    elif one.low_usd is not None:
        state = f'<p class="dim">a mail goes out below {shown(line)}</p>'
    missing = (
        f'<p class="dim">{formats.counted(one.unpriced_requests, "call")} without a known price '
        f"{'is' if one.unpriced_requests == 1 else 'are'} not deducted yet</p>"
        if one.unpriced_requests
        else ""
    )
    return (
        f'<section class="al-card" aria-label="What is left"><h2>Left</h2>'
        f'<div class="al-figure">{shown(one.balance_usd)}</div>{state}{missing}</section>'
    )


def _tier(one: Standing) -> str:
    if one.next_tier is None:
        following = '<p class="dim">the highest there is</p>'
    else:
        following = f'<p class="dim">{shown(one.missing_usd)} more paid in is {escape(one.next_tier)}</p>'
    return (
        f'<section class="al-card" aria-label="Tier"><h2>Tier</h2><div class="al-figure words">{escape(one.tier)}</div>'
        f"{following}</section>"
    )


def _terms(one: Standing) -> str:
    if one.is_prepaid and one.factor is not None:
        said = f"prepaid since {one.prepaid_from}"
        if one.factor != 1:
            said += f", {one.factor.normalize():f} for a dollar of list price"
    elif one.prepaid_from is not None:
        said = f"not deducted at present; the first day was {one.prepaid_from}"
    else:
        said = "its calls are not deducted"
    return (
        f'<section class="al-card" aria-label="Paid in"><h2>Paid in over all time</h2>'
        f'<div class="al-figure">{shown(one.lifetime_usd)}</div>'
        f'<p class="dim">top-ups less refunds and disputes; {said}</p></section>'
    )


def _balance(asked: Asked, chosen: Standing) -> None:
    days = marts.answer(credit_figures.balances, asked)
    if len(days) < 2:
        return
    st.html('<div class="al"><h2 class="al-title">Left at the end of each day</h2></div>')
    st.altair_chart(
        balance_chart.drawn(days, chosen.low_usd), width="stretch", alt="What was left at the end of each UTC day"
    )


def _deductions(asked: Asked) -> None:
    taken = marts.answer(credit_figures.deductions, asked)
    if not taken or max(cost for *_, cost in taken) <= 0:
        return
    st.html('<div class="al"><h2 class="al-title">Deducted, by model</h2></div>')
    st.html(time_chart.legend([name for _, name, _ in taken], "model"))
    first = min(day for day, *_ in taken)
    st.altair_chart(
        time_chart.spend(taken, "model", max(asked.first, first), asked.today, hourly=False),
        width="stretch",
        alt="What was deducted on each UTC day, by model",
    )
