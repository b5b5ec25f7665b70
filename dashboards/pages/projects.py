"""mart.spend_daily, mart.last_use, mart.name_history -> what each project spends, who answers for it, what rests."""

from dashboards.views import name_table


def page() -> None:
    """Draw the page of projects for what the URL asks."""
    name_table.draw("project")
