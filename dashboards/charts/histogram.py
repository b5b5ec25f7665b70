"""A chart of how long calls took, a bar a quarter of a power of two, with lines at the median and the p95."""

from collections.abc import Sequence
from math import ceil, log2

import altair as alt

from dashboards import formats
from dashboards.figures.model_figures import Bucket

_MOST_TICKS = 40
_TICKS_MS = [mantissa * 10**power for power in range(8) for mantissa in (1, 2, 5)]
_LABEL = "datum.value >= 1000 ? datum.value / 1000 + ' s' : datum.value + ' ms'"
LINES = {"median": (50, "#2a9d8f"), "p95": (95, "#d9a441")}


def percentile(buckets: Sequence[Bucket], percent: int) -> int | None:
    """The first bucket whose cumulative count reaches so many per cent; None without a call."""
    whole, reached = sum(bucket.requests for bucket in buckets), 0
    for bucket in sorted(buckets):
        reached += bucket.requests
        if reached * 100 >= percent * whole:
            return bucket.bucket_ms
    return None


def bars(buckets: Sequence[Bucket]) -> list[tuple[int, int, int]]:
    """From, to (ms) and calls of each bar; a bucket stands in the bar that its upper bound lies in."""
    found: dict[int, int] = {}
    for bucket_ms, requests in buckets:
        # A bound is a rounded one: half a millisecond less lies in the same bar as the exact one.
        place = max(ceil(log2(bucket_ms - 0.5) * 4), 0)
        found[place] = found.get(place, 0) + requests
    return [(round(2 ** ((place - 1) / 4)), round(2 ** (place / 4)), found[place]) for place in sorted(found)]


def drawn(buckets: Sequence[Bucket]) -> alt.LayerChart | alt.FacetChart:
    """The chart; the caller has at least one call."""
    whole = sum(bucket.requests for bucket in buckets)
    edges = bars(buckets)
    values = [
        {
            "from": low,
            "to": max(high, low + 1),
            "requests": requests,
            "took": f"{formats.duration(low)} to {formats.duration(high)}",
            "said": f"{formats.count(requests)} ({formats.share(requests, whole)})",
        }
        for low, high, requests in edges
    ]
    lowest, highest = edges[0][0], max(edges[-1][1], edges[-1][0] + 1)
    axis = alt.Axis(
        values=[tick for tick in _TICKS_MS if lowest <= tick <= highest][:_MOST_TICKS],
        labelExpr=_LABEL,
        labelOverlap="greedy",
        grid=False,
        ticks=False,
    )
    scale = alt.Scale(type="log", nice=False, domain=[lowest, highest])
    shape = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(color="#5f9c8d", binSpacing=1)
        .encode(
            x=alt.X("from:Q", title=None, scale=scale, axis=axis),
            x2="to:Q",
            y2=alt.Y2Datum(0),
            y=alt.Y("requests:Q", title=None, axis=alt.Axis(format="~s", tickCount=4, domain=False, ticks=False)),
            tooltip=[alt.Tooltip("took:N", title="Took"), alt.Tooltip("said:N", title="Calls")],
        )
    )
    marks = [
        {"at": at, "name": f"{name} {formats.duration(at)}", "colour": colour}
        for name, (percent, colour) in LINES.items()
        if (at := percentile(buckets, percent)) is not None
    ]
    rules = (
        alt.Chart(alt.InlineData(values=marks))
        .mark_rule(strokeWidth=2)
        .encode(
            x=alt.X("at:Q", scale=scale),
            color=alt.Color("colour:N", scale=None),
            tooltip=[alt.Tooltip("name:N", title="Percentile")],
        )
    )
    return alt.layer(shape, rules).properties(height=220, usermeta={"embedOptions": {"actions": False}})
