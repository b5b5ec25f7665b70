"""mart.spend_daily, mart.last_use, mart.name_history -> which key spends, whose it is, and which can go."""

from dashboards.views import name_table


def page() -> None:
    """Draw the page of keys for what the URL asks."""
    name_table.draw("key")
