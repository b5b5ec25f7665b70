"""mart.spend_daily, mart.failures_daily, mart.latency_daily -> which model is worth its price: use, waste, speed."""

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from dashboards import formats, period_bar, theme
from dashboards.charts import histogram
from dashboards.entry import price_form
from dashboards.figures import marts, model_figures, viewer
from dashboards.figures.model_figures import Models
from dashboards.figures.period import Period
from dashboards.views import data_table
from warehouse.money import shown

_SHEET = data_table.Sheet(
    "models",
    "Models as a table",
    {
        "model": "Model",
        "provider": "Provider",
        "cost_usd": "Cost",
        "change_usd": "Change",
        "per_1k_tokens_usd": "Per 1k tokens",
        "per_request_usd": "Per request",
        "requests": "Requests",
        "input_tokens": "Input tokens",
        "output_tokens": "Output tokens",
        "cached_share": "From cache",
        "error_share": "Errors",
        "error_cost_usd": "Cost of errors",
        "retry_requests": "Made again",
        "retry_cost_usd": "Cost of those",
        "p50_ms": "Median",
        "p95_ms": "p95",
        "unpriced_requests": "Unpriced",
    },
    "model",
)
_EVERY = "Every model"


def page() -> None:
    """Draw the page for the period in the URL."""
    asked = period_bar.draw("models")
    found = marts.answer(model_figures.view, asked)
    st.html(period_bar.head("Models", asked, "" if asked.search else _figure(found)))
    if not found.table.num_rows:
        st.info("No call of these days matches. Widen the days, or clear the search.")
        return
    st.html(_cards(found.table))
    data_table.draw(_SHEET, found.table, model_figures.rows, Period(asked.start, asked.end, asked.search))
    st.caption(
        "Prices by use are of calls whose price is known. Errors and calls made again (the same, asked within a minute "
        "of a failure) are told apart as far back as single calls were known."
    )
    if missing := _unpriced(found.table):
        st.html(missing)
    _latency(asked, found)


def _unpriced(table: pa.Table) -> str:
    """Whoever looks after the prices is told where to give one."""
    looks, calls = viewer.current(), int(pc.sum(table["unpriced_requests"]).as_py() or 0)
    if not calls or not looks.is_operator or looks.projects is not None:
        return ""
    said = f"{formats.counted(calls, 'call')} without a known price, in no sum."
    return f'<div class="al"><p><strong>{said}</strong> {price_form.link()}.</p></div>'


def _figure(found: Models) -> str:
    if not found.unnamed_usd:
        return ""
    return f"Bills and plans name no model for another {shown(found.unnamed_usd)}."


def _total(table: pa.Table, name: str) -> Decimal:
    return Decimal(pc.sum(table[name]).as_py() or 0)


def _cards(table: pa.Table) -> str:
    cost, before = _total(table, "cost_usd"), _total(table, "before_usd")
    requests, tokens = int(_total(table, "requests")), int(_total(table, "input_tokens"))
    waste = _total(table, "error_cost_usd") + _total(table, "retry_cost_usd")
    shares = zip(table["cached_share"].to_pylist(), table["input_tokens"].to_pylist(), strict=True)
    cached = sum((share * count for share, count in shares if share is not None), Decimal(0))
    again = int(_total(table, "retry_requests"))
    cards = [
        ("Cost", shown(cost), f"{formats.change(cost, before) or 'new'} against {shown(before)}"),
        (
            "Input from cache",
            formats.share(cached, tokens),
            f"of {formats.tokens(tokens)} input tokens",
        ),
        (
            "Errors and what was made again",
            shown(waste),
            f"{formats.share(waste, cost)} of the cost, {formats.counted(again, 'call')} made again",
        ),
        (
            "Requests",
            formats.tokens(requests),
            f"{formats.share(int(_total(table, 'error_requests')), requests)} of them failed",
        ),
    ]
    return f'<div class="al al-few">{"".join(theme.card(*card) for card in cards)}</div>'


def _latency(asked: Period, found: Models) -> None:
    table, buckets = found.table, found.buckets
    names = [
        f"{provider}/{model}"
        for provider, model in zip(table["provider"].to_pylist(), table["model"].to_pylist(), strict=True)
    ]
    picked = asked.picked if asked.picked in names else ""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader("How long calls took", width="content")
        if st.session_state.get("models_one") != (picked or _EVERY):
            st.session_state["models_one"] = picked or _EVERY
        st.selectbox(
            "Model",
            [_EVERY, *names],
            key="models_one",
            width=320,
            on_change=lambda: _picked(asked),
            label_visibility="collapsed",
        )
    if not buckets:
        st.caption("No log of these days tells how long its calls took.")
        return
    st.html(theme.legend([(name, colour) for name, (_, colour) in histogram.LINES.items()]))
    median, p95 = (formats.duration(histogram.percentile(buckets, percent)) for percent in (50, 95))
    st.altair_chart(
        histogram.drawn(buckets),
        width="stretch",
        alt=f"How long calls of {picked or 'every model'} took: median {median}, 95th percentile {p95}",
    )
    calls = formats.counted(sum(bucket.requests for bucket in buckets), "call")
    st.caption(f"{calls} without an error; median {median}, p95 {p95}.")


def _picked(asked: Period) -> None:
    chosen = st.session_state["models_one"]
    period_bar.pick(asked, "" if chosen == _EVERY else chosen)
