"""A chart of a week's 168 hours, one square each: the darker, the more it costs."""

from collections.abc import Sequence
from decimal import Decimal

import altair as alt

from dashboards.figures.rhythm_figures import Hour
from warehouse.money import shown

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def drawn(hours: Sequence[Hour]) -> alt.Chart:
    """The chart; hours without a call are left blank. Colours are pixels, tooltips exact."""
    values = [
        {
            "day": DAYS[one.weekday - 1],
            "hour": one.hour,
            "tone": float(one.cost_usd),  # not money: how dark a square is
            "when": f"{DAYS[one.weekday - 1]} {one.hour:02}:00 UTC",
            "cost": shown(one.cost_usd),
            "requests": f"{one.requests.quantize(Decimal(1)):,}",
        }
        for one in hours
    ]
    squares: alt.Chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X(
                "hour:O",
                title="Hour (UTC)",
                scale=alt.Scale(domain=list(range(24)), paddingInner=0.08),
                axis=alt.Axis(labelAngle=0, values=list(range(0, 24, 3)), ticks=False, domain=False),
            ),
            y=alt.Y(
                "day:O",
                title=None,
                sort=list(DAYS),
                scale=alt.Scale(domain=list(DAYS), paddingInner=0.1),
                axis=alt.Axis(ticks=False, domain=False, labelOverlap=False),
            ),
            # From a tone that is seen on a light and on a dark ground alike to the one of spend.
            color=alt.Color("tone:Q", scale=alt.Scale(range=["#9fb8b038", "#1f9e83"], zero=True), legend=None),
            tooltip=[
                alt.Tooltip("when:N", title="Hour"),
                alt.Tooltip("cost:N", title="Cost, on average"),
                alt.Tooltip("requests:N", title="Calls"),
            ],
        )
    )
    return squares.properties(height=240, usermeta={"embedOptions": {"actions": False}})


def told(hours: Sequence[Hour]) -> str:
    """The chart in words: when a week costs most, and what part of it falls on the weekend."""
    dearest = max(hours, key=lambda one: one.cost_usd)
    whole = sum((one.cost_usd for one in hours), Decimal(0))
    weekend = sum((one.cost_usd for one in hours if one.weekday > len(DAYS) - 2), Decimal(0))
    part = f"{(weekend * 100 / whole).quantize(Decimal(1))}%" if whole else "—"
    return (
        f"A week costs {shown(whole)} on average; most on {DAYS[dearest.weekday - 1]} at {dearest.hour:02}:00 UTC "
        f"({shown(dearest.cost_usd)}), {part} of it on the weekend."
    )
