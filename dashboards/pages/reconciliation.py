"""mart.reconciliation_daily, mart.difference_cause, mart.unclaimed_daily -> why log and bill differ, in money."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from html import escape
from typing import Any, cast
from urllib.parse import urlencode
from zlib import crc32

import pyarrow as pa
import streamlit as st

from dashboards import download, formats, marts, reconciliation_figures, session, spend_table, viewer, waterfall
from dashboards.reconciliation_figures import Asked, Summary, Unclaimed
from dashboards.viewer import Viewer
from warehouse import database
from warehouse.causes import CAUSES, UNEXPLAINED
from warehouse.control import upstream_claim
from warehouse.control.vault import Vault
from warehouse.money import shown

_KEY = "reconciliation_"
_TITLES = {
    "day": "Day (UTC)",
    "provider": "Provider",
    "log_cost_usd": "Gateway's log",
    "usage_cost_usd": "Provider's count",
    "bill_cost_usd": "Bill",
    "difference_usd": "Bill − log",  # noqa: RUF001 - a minus
    "unexplained_usd": "Unexplained",
    "settlement": "Settlement",
    "model": "Model",
    "key_label": "Key",
    "token_class": "Tokens",
    "cause": "Cause",
    "amount_usd": "Amount",
}
_ROW_PX, _MOST_ROWS = 33, 16


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
    _tables(asked, today)


def _waterfall(found: Summary) -> None:
    parts = [(_named(cause), amount) for cause, amount in found.causes]
    drawn = ("Gateway's log", found.log_usd), parts, ("Bill", found.bill_usd)
    st.altair_chart(
        waterfall.waterfall(*drawn), width="stretch", alt="From the gateway's log to the bill, cause by cause"
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


def _go(asked: Asked, today: date) -> None:
    """Another view of the page: its address, and everything drawn anew."""
    st.query_params.from_dict(asked.to_query(today))
    st.rerun()


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
        f'<tr><td>{_named(cause)}</td><td class="n">{shown(amount)}</td>'
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
        "changed, says which connection pays; <code>apiledger connect claims</code> has the commands with their "
        "numbers. Where a log names no upstream, send each connection's calls under an account of its own.</p>"
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
    query = urlencode(replace(asked, day=None, key=key).to_query(today), doseq=True)
    return f'<a href="?{escape(query)}" target="_self" style="color:inherit">{escape(key)}</a>'


def _tables(asked: Asked, today: date) -> None:
    if asked.day or asked.key:
        told = f"Parts of {asked.day:%b} {asked.day.day}, {asked.day.year}" if asked.day else "Parts"
        st.html(f'<div class="al"><h2>{told}{f" of key {escape(asked.key)}" if asked.key else ""}</h2></div>')
        if st.button("Back to all days"):
            _go(asked.whole, today)
        _table(marts.answer(reconciliation_figures.parts, asked))
        _downloads(reconciliation_figures.parts, "parts", asked)
        return
    by_day, by_part = st.tabs(["By day", "Every part"])
    with by_day:
        st.html(
            '<div class="al"><p class="dim">Tick a day to see its parts by model, key and class of tokens.</p></div>'
        )
        picked = _table(marts.answer(reconciliation_figures.days, asked), f"{_KEY}days_{crc32(repr(asked).encode())}")
        _downloads(reconciliation_figures.days, "days", asked)
    with by_part:
        _table(marts.answer(reconciliation_figures.parts, asked))
        _downloads(reconciliation_figures.parts, "parts", asked)
    if picked is not None:
        _go(replace(asked, day=picked), today)


def _downloads(question: Callable[..., pa.Table], name: str, asked: Asked) -> None:
    with st.container(horizontal=True):
        for label, kind, made in download.kinds(name):
            st.download_button(
                f"Download {label}",
                partial(_file, made, question, asked, viewer.again()),
                file_name=f"reconciliation-{name}.{kind}",
                key=f"{_KEY}{name}_{kind}",
                on_click="ignore",
            )


def _file(
    made: Callable[[pa.Table], bytes], question: Callable[..., pa.Table], asked: Asked, who: Callable[[], Viewer]
) -> bytes:
    return made(marts.once(question, asked, who))


def _table(found: pa.Table, pick: str | None = None) -> date | None:
    """Draw a table; with `pick`, its key on the page, a day can be ticked, which is given back."""
    frame = spend_table.framed(found)
    texts = [name for name in found.column_names if name in {"model", "key_label", "token_class"}]
    frame[texts] = frame[texts].fillna("—")
    if "cause" in frame:
        frame["cause"] = frame["cause"].map(_named)
    looks: dict[Any, Any] = {name: spend_table.money for name in found.column_names if name.endswith("_usd")}
    # What Streamlit hands back depends on on_select, which its types cannot tell.
    picked: Any = st.dataframe(
        frame.style.format(looks),
        hide_index=True,
        height=min(_MOST_ROWS, found.num_rows + 1) * _ROW_PX + 3,
        row_height=_ROW_PX,
        column_config={name: st.column_config.Column(_TITLES[name]) for name in found.column_names},
        key=pick,
        on_select="rerun" if pick else "ignore",
        selection_mode="single-row",
        placeholder="—",
        alt="Days with log, count and bill" if pick else "Parts of the difference",
    )
    ticked = cast("list[int]", picked["selection"]["rows"]) if pick else []
    return cast("date", found["day"][ticked[0]].as_py()) if ticked and ticked[0] < found.num_rows else None


def _named(cause: str) -> str:
    return "Unexplained" if cause == UNEXPLAINED else cause.replace("_", " ").capitalize()


def _no_bill() -> None:
    st.html(
        '<div class="al"><div class="al-head"><h1>Why log and bill differ</h1></div>'
        "<p>No bill is read yet. Give apiledger a provider's admin key, and this page sets the bill beside your "
        "gateway's log and says where the difference comes from.</p></div>"
    )
    st.code("OPENAI_ADMIN_KEY=… ANTHROPIC_ADMIN_KEY=… make up", language="bash")
