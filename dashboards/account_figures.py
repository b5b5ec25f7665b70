"""mart.spend_daily -> what each account label cost this month: the sums that an operator sees of all accounts."""

from datetime import date
from decimal import Decimal

from warehouse import database
from warehouse.errors import WarehouseError
from warehouse.home import Home


def sums(home: Home, today: date) -> dict[str, Decimal]:
    """Cost in USD by label since the first of the month (UTC); empty while nothing is published."""
    query = """SELECT account, coalesce(sum(cost_usd), 0) FROM mart.spend_daily
               WHERE day BETWEEN ? AND ? AND account IS NOT NULL GROUP BY account"""
    try:
        with database.published(home) as connection:
            return dict(connection.execute(query, [today.replace(day=1), today]).fetchall())
    except WarehouseError:
        return {}
