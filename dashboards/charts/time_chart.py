"""Charts of spend and latency over time; every axis of time is UTC and says so.

A bar's height is a float because a pixel is one; every figure in a tooltip is text made from the Decimal.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import altair as alt

from dashboards import formats, theme
from dashboards.figures.overview_figures import LatencyRow
from warehouse.money import shown

# Vega's own menu would offer to open the data in an editor on another host.
_NO_MENU = {"embedOptions": {"actions": False}}
_MOST_LABELS = 10
# Where bars are thin, the gap between them would wash out their colours: at most so many bars, and their gap in pixels.
_GAPS = ((45, 3), (120, 1))
_LATENCY_LABEL = "datum.value >= 1000 ? datum.value / 1000 + ' s' : datum.value + ' ms'"
# How an axis of amounts is written, by the largest of them.
_DOLLARS = ((10_000, "$,.2~s"), (10, "$,.0f"), (Decimal("0.1"), "$.2f"), (Decimal("0.001"), "$.4f"))
LATENCY_LINES = [("p50", "#2a9d8f"), ("p95", "#d9a441"), ("p99", "#d97757")]
_LATENCY_TICKS_MS = [mantissa * 10**power for power in range(7) for mantissa in (1, 2, 5)]


def spend(
    rows: Sequence[tuple[date | datetime, str | None, Decimal]],
    dimension: str,
    first: date,
    last: date,
    *,
    hourly: bool,
    zone: str = "UTC",
) -> alt.Chart:
    """Stacked bars of spend per day of `zone` or UTC hour from `first` to `last`; `rows` come dearest series first.

    A tooltip gives the exact cost of the series, of the whole bar, and the share of one in the other.
    """
    named = [(at, formats.NOT_NAMED if name is None else name, cost) for at, name, cost in rows]
    order = list(dict.fromkeys(name for _, name, _ in named))
    whole: dict[date | datetime, Decimal] = {}
    for at, _, cost in named:
        whole[at] = whole.get(at, Decimal(0)) + cost
    values = [
        {
            "at": _moment(at),
            "when": f"{at:%a %b} {at.day}, {at:%Y %H:%M} UTC" if hourly else f"{at:%a %b} {at.day}, {at:%Y} ({zone})",
            "name": name,
            "place": order.index(name),
            "height": float(cost),  # not money: the height of a bar
            "cost": shown(cost),
            "share": formats.share(cost, whole[at]),
            "total": shown(whole[at]),
        }
        for at, name, cost in named
    ]
    steps = ((last - first).days + 1) * (24 if hourly else 1)
    gap = next((pixels for most, pixels in _GAPS if steps <= most), 0)
    corner = 1.5 if gap else 0
    bars: alt.Chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(binSpacing=gap, cornerRadiusTopLeft=corner, cornerRadiusTopRight=corner)
        .encode(
            x=_time_axis(first, last, hourly=hourly, zone=zone),
            y=alt.Y("height:Q", title=None, stack=True, axis=_dollars(max(whole.values()))),
            color=alt.Color(
                "name:N",
                sort=order,
                scale=alt.Scale(domain=order, range=theme.colours(dimension, order)),
                legend=None,
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("when:N", title="Hour" if hourly else "Day"),
                alt.Tooltip("name:N", title=dimension.capitalize()),
                alt.Tooltip("cost:N", title="Cost"),
                alt.Tooltip("share:N", title="Share"),
                alt.Tooltip("total:N", title="All together"),
            ],
        )
    )
    return bars.properties(height=290, usermeta=_NO_MENU)


def legend(names: Iterable[str | None], dimension: str) -> str:
    """The series and their colours as HTML, which wraps where a chart's own legend is cut off."""
    order = list(dict.fromkeys(formats.NOT_NAMED if name is None else name for name in names))
    return theme.legend(list(zip(order, theme.colours(dimension, order), strict=True)))


def ranking(rows: Iterable[tuple[str | None, Decimal]], dimension: str) -> alt.Chart:
    """One bar a name for the whole range, dearest on top."""
    named = [(formats.NOT_NAMED if name is None else name, cost) for name, cost in rows]
    order = [name for name, _ in named]
    values = [
        {
            "name": name,
            "height": float(cost),  # not money: the length of a bar
            "cost": shown(cost),
        }
        for name, cost in named
    ]
    bars: alt.Chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(cornerRadiusEnd=2, height={"band": 0.62})
        .encode(
            # A rounded end of the axis would stand past the chart's edge, cut off.
            x=alt.X("height:Q", title=None, scale=alt.Scale(nice=False), axis=_dollars(max(cost for _, cost in named))),
            y=alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labelLimit=200, ticks=False, domain=False)),
            color=alt.Color(
                "name:N", scale=alt.Scale(domain=order, range=theme.colours(dimension, order)), legend=None
            ),
            tooltip=[alt.Tooltip("name:N", title=dimension.capitalize()), alt.Tooltip("cost:N", title="Cost")],
        )
    )
    return bars.properties(height=max(120, 34 * len(values)), usermeta=_NO_MENU)


def latency(days: Sequence[LatencyRow], first: date, last: date) -> alt.Chart:
    """Lines of the median, the 95th and the 99th percentile per UTC day, in milliseconds on a logarithmic axis."""
    values = [
        {
            "at": _moment(row.day),
            "when": f"{row.day:%a %b} {row.day.day} (UTC)",
            "name": name,
            "latency_ms": latency_ms,
            "latency": formats.duration(latency_ms),
        }
        for row in days
        if row.day is not None
        for name, latency_ms in zip(("p50", "p95", "p99"), row[1:], strict=True)
        if latency_ms
    ]
    found = [latency_ms for row in days for latency_ms in row[1:] if latency_ms]
    low = max((tick for tick in _LATENCY_TICKS_MS if tick < min(found, default=100)), default=1)
    high = min(
        (tick for tick in _LATENCY_TICKS_MS if tick > max(found, default=1000)), default=2 * max(found, default=1000)
    )
    drawn: alt.Chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_line(strokeWidth=2, point={"size": 18})
        .encode(
            x=_time_axis(first, last, bars=False),
            y=alt.Y(
                "latency_ms:Q",
                title=None,
                scale=alt.Scale(type="log", nice=False, domain=[low, high]),
                axis=alt.Axis(
                    values=[tick for tick in _LATENCY_TICKS_MS if low <= tick <= high],
                    labelExpr=_LATENCY_LABEL,
                    domain=False,
                    ticks=False,
                ),
            ),
            color=alt.Color(
                "name:N",
                scale=alt.Scale(
                    domain=[name for name, _ in LATENCY_LINES], range=[colour for _, colour in LATENCY_LINES]
                ),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("when:N", title="Day"),
                alt.Tooltip("name:N", title="Percentile"),
                alt.Tooltip("latency:N", title="Latency"),
            ],
        )
    )
    return drawn.properties(height=215, usermeta=_NO_MENU)


def moves(
    rows: Sequence[tuple[date, str, Decimal]], series: Sequence[tuple[str, str]], first: date, last: date
) -> alt.Chart:
    """Bars up and down from zero per UTC day: by how much it moved, one colour a reason (`series`: name, colour)."""
    values = [
        {
            "at": _moment(day),
            "when": f"{day:%a %b} {day.day}, {day:%Y} (UTC)",
            "name": name,
            "height": float(amount),  # not money: the height of a bar
            "amount": shown(amount),
        }
        for day, name, amount in rows
    ]
    names, colours = [name for name, _ in series], [colour for _, colour in series]
    bars: alt.Chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(binSpacing=3)
        .encode(
            x=_time_axis(first, last, hourly=False),
            y=alt.Y("height:Q", title=None, stack=True, axis=_dollars(max(abs(amount) for *_, amount in rows))),
            color=alt.Color("name:N", scale=alt.Scale(domain=names, range=colours), legend=None),
            tooltip=[
                alt.Tooltip("when:N", title="Day"),
                alt.Tooltip("name:N", title="Why"),
                alt.Tooltip("amount:N", title="Moved"),
            ],
        )
    )
    return bars.properties(height=260, usermeta=_NO_MENU)


def _time_axis(first: date, last: date, *, hourly: bool = False, bars: bool = True, zone: str = "UTC") -> alt.X:
    """The axis of time over whole days, empty ones too, with at most ten labels; a bar's is under its middle."""
    days = (last - first).days + 1
    start = datetime(first.year, first.month, first.day)  # noqa: DTZ001 - naive moments are UTC in the marts
    step = timedelta(hours=1) if hourly else timedelta(days=1)
    steps = days * 24 if hourly else days
    every = -(-steps // _MOST_LABELS)
    shift = step / 2 if bars else timedelta()
    labels = [_moment(start + step * place + shift) for place in range(steps - 1, -1, -every)]
    pattern = (
        ("%H:00" if days == 1 else "%b %-d %H:00") if hourly else "%b %-d" if first.year == last.year else "%b %-d, %Y"
    )
    return alt.X(
        "at:T",
        timeUnit="utcyearmonthdatehours" if hourly else "utcyearmonthdate",
        title="Hour (UTC)" if hourly else f"Day ({zone})",
        scale=alt.Scale(type="utc", domain=[_utc(start), _utc(start + step * (steps if bars else steps - 1))]),
        axis=alt.Axis(
            values=labels,
            format=pattern,
            labelOverlap="parity",
            grid=False,
            ticks=False,
            titlePadding=4,
            titleFontSize=12,
        ),
    )


def _dollars(highest: Decimal) -> alt.Axis:
    # Below a tenth of a cent four places would say one amount at several lines.
    pattern = next((shape for least, shape in _DOLLARS if highest >= least), "$.2~r")
    return alt.Axis(format=pattern, tickCount=5, domain=False, ticks=False)


def _moment(at: date | datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _utc(at: datetime) -> alt.DateTime:
    """A moment as Vega-Lite's own UTC date: where there is a time unit, it misreads a number."""
    return alt.DateTime(year=at.year, month=at.month, date=at.day, hours=at.hour, utc=True)
