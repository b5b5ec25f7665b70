"""mart.reconciliation_daily, mart.difference_cause -> why the gateway's log and the bill differ, in money."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from html import escape
from typing import Any

import pyarrow as pa
import streamlit as st

from dashboards import download, formats, marts, reconciliation_figures, spend_table, waterfall
from dashboards.reconciliation_figures import Asked, Summary
from warehouse.causes import CAUSES, UNEXPLAINED
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
        parts = [(_named(cause), amount) for cause, amount in found.causes]
        st.altair_chart(
            waterfall.waterfall(("Gateway's log", found.log_usd), parts, ("Bill", found.bill_usd)),
            width="stretch",
            alt="From the gateway's log to the bill, cause by cause",
        )
        st.html(_causes(found))
        if found.stray_keys:
            st.html(_stray(found))
    _tables(asked)


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
    return (
        '<div class="al"><div class="al-head"><h1>Why log and bill differ</h1>'
        f'<span class="dim">{formats.days(asked.start, asked.end)}, {asked.end.year} · UTC days{without}</span></div>'
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


def _stray(found: Summary) -> str:
    rows = "".join(
        f"<tr><td>{escape(key or 'a key of the gateway, or unknown')}</td><td>{escape(model or formats.NOT_NAMED)}</td>"
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


def _tables(asked: Asked) -> None:
    by_day, by_part = st.tabs(["By day", "Every part"])
    for tab, question, name in (
        (by_day, reconciliation_figures.days, "days"),
        (by_part, reconciliation_figures.parts, "parts"),
    ):
        with tab:
            _table(marts.answer(question, asked))
            for label, made, kind in (
                ("CSV", download.csv_bytes, "csv"),
                ("Parquet", download.parquet_bytes, "parquet"),
            ):
                st.download_button(
                    f"Download {label}",
                    partial(_file, made, question, asked),
                    file_name=f"reconciliation-{name}.{kind}",
                    key=f"{_KEY}{name}_{kind}",
                    on_click="ignore",
                )


def _file(made: Callable[[pa.Table], bytes], question: Callable[..., pa.Table], asked: Asked) -> bytes:
    return made(marts.once(question, asked))


def _table(found: pa.Table) -> None:
    frame = found.to_pandas(types_mapper=spend_table.exact)
    texts = [name for name in found.column_names if name in {"model", "key_label", "token_class"}]
    frame[texts] = frame[texts].fillna("—")
    if "cause" in frame:
        frame["cause"] = frame["cause"].map(_named)
    looks: dict[Any, Any] = {name: spend_table.money for name in found.column_names if name.endswith("_usd")}
    st.dataframe(
        frame.style.format(looks),
        hide_index=True,
        height=min(_MOST_ROWS, found.num_rows + 1) * _ROW_PX + 3,
        row_height=_ROW_PX,
        column_config={name: st.column_config.Column(_TITLES[name]) for name in found.column_names},
        placeholder="—",
    )


def _named(cause: str) -> str:
    return "Unexplained" if cause == UNEXPLAINED else cause.replace("_", " ").capitalize()


def _no_bill() -> None:
    st.html(
        '<div class="al"><div class="al-head"><h1>Why log and bill differ</h1></div>'
        "<p>No bill is read yet. Give apiledger a provider's admin key, and this page sets the bill beside your "
        "gateway's log and says where the difference comes from.</p></div>"
    )
    st.code("OPENAI_ADMIN_KEY=… ANTHROPIC_ADMIN_KEY=… make up", language="bash")
