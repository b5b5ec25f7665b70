"""A chart from one amount to another by the parts between them, each in the open."""

from collections.abc import Sequence
from decimal import Decimal

import altair as alt

from dashboards import theme
from warehouse.money import shown

_TOTAL, _UP, _DOWN = theme.CALM, "#d97757", "#5186d8"
# The ink of the amounts, on a light ground and on a dark one: no grey between them is read on both.
_INK, _INK_ON_DARK = "#565b60", "#a9adb1"


def waterfall(
    start: tuple[str, Decimal], parts: Sequence[tuple[str, Decimal]], end: tuple[str, Decimal], *, on_dark: bool = False
) -> alt.Chart:
    """Bars from `start` by each part to `end`; the caller's parts add up. Heights are pixels, tooltips exact."""
    steps = _steps(start, parts, end)
    values = [
        {
            "name": name,
            "from": float(low),  # not money: where a bar begins
            "to": float(high),  # not money: where a bar ends
            "kind": kind,
            "amount": shown(high - low),
        }
        for name, low, high, kind in steps
    ]
    order = [name for name, *_ in steps]
    lowest, highest = _reach(steps)
    scale = alt.Scale(domain=[float(lowest), float(highest)], nice=False)  # not money: an axis
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("name:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, labelLimit=110, ticks=False)),
    )
    bars = (
        base.transform_calculate(low=f"max(datum.from, {float(lowest)})")
        .mark_bar(clip=True)
        .encode(  # not money
            y=alt.Y(
                "low:Q", title=None, scale=scale, axis=alt.Axis(format="$,.2f", tickCount=5, domain=False, ticks=False)
            ),
            y2="to:Q",
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=["total", "more", "less"], range=[_TOTAL, _UP, _DOWN]), legend=None
            ),
            tooltip=[alt.Tooltip("name:N", title="Part"), alt.Tooltip("amount:N", title="Amount")],
        )
    )
    names = (
        base.mark_text(dy=-8, fontSize=12, color=_INK_ON_DARK if on_dark else _INK)
        .transform_calculate(top="max(datum.from, datum.to)")
        .encode(y=alt.Y("top:Q", scale=scale), text="amount:N")
    )
    drawn: alt.Chart = (bars + names).properties(height=300, usermeta={"embedOptions": {"actions": False}})
    return drawn


def cut_at(
    start: tuple[str, Decimal], parts: Sequence[tuple[str, Decimal]], end: tuple[str, Decimal]
) -> Decimal | None:
    """Where the chart's axis of amounts begins; None where that is zero, or where it has zero on it."""
    lowest, highest = _reach(_steps(start, parts, end))
    return None if lowest <= 0 <= highest else lowest


def _steps(
    start: tuple[str, Decimal], parts: Sequence[tuple[str, Decimal]], end: tuple[str, Decimal]
) -> list[tuple[str, Decimal, Decimal, str]]:
    steps = [(start[0], Decimal(0), start[1], "total")]
    reached = start[1]
    for name, amount in parts:
        steps.append((name, reached, reached + amount, "more" if amount > 0 else "less"))
        reached += amount
    return [*steps, (end[0], Decimal(0), end[1], "total")]


def _reach(steps: Sequence[tuple[str, Decimal, Decimal, str]]) -> tuple[Decimal, Decimal]:
    """The axis: the parts are a few per cent of the whole, and a scale from zero would hide them."""
    edges = [edge for _, low, high, kind in steps for edge in ((low, high) if kind != "total" else (high,))]
    room = (max(edges) - min(edges)) * Decimal("0.35") or max(map(abs, edges)) or Decimal(1)
    lowest = max(min(edges) - room, Decimal(0)) if min(edges) >= 0 else min(edges) - room
    return lowest, max(edges) + room / 3
