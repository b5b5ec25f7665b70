"""model.spend_summary_daily -> what each account label cost this month, for the operator."""

from datetime import date
from decimal import Decimal

from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer
from warehouse import database
from warehouse.errors import WarehouseError
from warehouse.home import Home


def sums(home: Home, today: date) -> dict[str, Decimal]:
    """Cost in USD by label since the first of the month (UTC); empty while nothing is published."""
    try:
        with database.published(home) as connection:
            return of_labels(connection, Viewer(), today)
    except WarehouseError:
        return {}


def of_labels(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> dict[str, Decimal]:
    """The same of the labels that a viewer sees."""
    allowed, values = viewer.numbers()
    query = f"""
        SELECT label, coalesce(sum(cost_usd), 0)
        FROM (
            SELECT account_no, sum(cost_usd) AS cost_usd
            FROM model.spend_summary_daily WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY account_no
        ) AS told
        JOIN model.account AS account ON account.account_no = told.account_no AND account.valid_to IS NULL
        GROUP BY label"""
    return dict(connection.execute(query, [today.replace(day=1), today, *values]).fetchall())
