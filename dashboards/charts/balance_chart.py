"""A chart of what was left at the end of each day, as steps: credits do not fade, they are paid in and deducted."""

from collections.abc import Sequence
from decimal import Decimal

import altair as alt

from dashboards.figures.credit_figures import Left
from warehouse.money import shown

_MOST_LABELS = 10
_LINE, _LOW = "#2a9d8f", "#d97757"


def drawn(days: Sequence[Left], low_usd: Decimal | None) -> alt.LayerChart | alt.FacetChart:
    """The chart, with a dashed line at the balance below which a mail goes out; the caller has at least one day."""
    values = [
        {
            "at": f"{one.day:%Y-%m-%d}T00:00:00Z",
            "when": f"{one.day:%a %b} {one.day.day}, {one.day:%Y} (UTC)",
            "height": float(one.balance_usd),  # not money: the height of a line
            "left": shown(one.balance_usd),
            "moved": shown(one.moved_usd),
        }
        for one in days
    ]
    every = -(-len(days) // _MOST_LABELS)
    labels = [str(value["at"]) for value in values[::-1][::every]]
    pattern = "%b %-d" if days[0].day.year == days[-1].day.year else "%b %-d, %Y"
    x = alt.X(
        "at:T",
        title="Day (UTC)",
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(values=labels, format=pattern, labelOverlap="parity", grid=False, ticks=False),
    )
    highest = max(abs(one.balance_usd) for one in days)
    axis = alt.Axis(format="$,.0f" if highest >= 10 else "$.2f", tickCount=5, domain=False, ticks=False)
    area = (
        alt.Chart(alt.InlineData(values=values))
        .mark_area(
            interpolate="step-after", color=_LINE, opacity=0.16, line={"color": _LINE, "strokeWidth": 2}, point=False
        )
        .encode(
            x=x,
            y=alt.Y("height:Q", title=None, axis=axis),
            tooltip=[
                alt.Tooltip("when:N", title="Day"),
                alt.Tooltip("left:N", title="Left"),
                alt.Tooltip("moved:N", title="Moved"),
            ],
        )
    )
    layers: list[alt.Chart] = [area]
    if low_usd is not None:
        line = [{"low": float(low_usd)}]  # not money: the height of a line
        layers.append(
            alt.Chart(alt.InlineData(values=line))
            .mark_rule(color=_LOW, strokeDash=[5, 4], strokeWidth=1.5)
            .encode(y="low:Q")
        )
    # Vega's own menu would offer to open the data in an editor on another host.
    return alt.layer(*layers).properties(height=230, usermeta={"embedOptions": {"actions": False}})
