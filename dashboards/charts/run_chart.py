"""A chart of what passes landed, a bar a day; a day on which one did not end well stands out."""

from collections.abc import Sequence

import altair as alt

from dashboards import formats, theme
from dashboards.figures.run_figures import RunDay

_BAD = "#d97757"
WORDS = (("every pass ended well", theme.CALM), ("one did not end well", _BAD))


def drawn(days: Sequence[RunDay]) -> alt.Chart:
    """The chart of some days, oldest first."""
    values = [
        {
            "day": f"{one.day:%d %b}",
            "rows": one.rows,
            "colour": _BAD if one.failed else theme.CALM,
            "passes": formats.count(one.passes),
            "failed": formats.count(one.failed),
            "landed": formats.count(one.rows),
            "held": formats.count(one.quarantined),
        }
        for one in days
    ]
    tips = [("day", "Day"), ("passes", "Passes"), ("failed", "Not well"), ("landed", "Rows"), ("held", "Held back")]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(size=14)
        .encode(
            x=alt.X("day:N", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False)),
            y=alt.Y("rows:Q", title=None, axis=alt.Axis(format="~s", tickCount=3, domain=False, ticks=False)),
            color=alt.Color("colour:N", scale=None),
            tooltip=[alt.Tooltip(f"{name}:N", title=title) for name, title in tips],
        )
        .properties(height=140, usermeta={"embedOptions": {"actions": False}})
    )
    return chart
