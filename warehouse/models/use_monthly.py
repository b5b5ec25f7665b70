"""model.usage_daily, model.usage_reported, model.connection -> model.use_monthly: when a key was used in a project."""

from datetime import date, timedelta

import duckdb

from warehouse.stretch import between, literal

_USE = """
SELECT {month}, account_no, project_no, key_no, min(day), max(day)
FROM (
    SELECT day, account_no, project_no, key_no FROM model.usage_daily WHERE {days}
    UNION ALL
    SELECT reported.day, connection.account_no, reported.project_no, reported.key_no
    FROM model.usage_reported AS reported
    JOIN model.connection AS connection ON connection.connection_no = reported.connection_no
    WHERE reported.{days}
)
GROUP BY ALL
"""


def write(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Replace the months of the days from `first` to `last`; the caller holds the transaction."""
    month = first.replace(day=1)
    while month <= last:
        following = (month + timedelta(days=31)).replace(day=1)
        connection.execute(f"DELETE FROM model.use_monthly WHERE month = {literal(month)}")
        days = between(month, following - timedelta(days=1))
        connection.execute(f"INSERT INTO model.use_monthly {_USE.format(month=literal(month), days=days)}")
        month = following
