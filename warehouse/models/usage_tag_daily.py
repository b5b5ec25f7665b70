"""model.requests, model.request_tag, model.allocation_rule -> model.usage_tag_daily: calls by the tags that rules name.

Only those tags outlive their calls: what no rule asks for is not kept. A rule by a new tag reaches back as far as calls
are known.
"""

from collections.abc import Collection
from datetime import date

import duckdb

from warehouse.allocation_tables import ALLOCATION_RULE, USAGE_TAG_DAILY
from warehouse.tables import REQUEST_TAG, REQUESTS


def write(
    connection: duckdb.DuckDBPyConnection, days: Collection[date], closed: Collection[tuple[date, str]] = ()
) -> None:
    """Replace the rows of some days, but of closed (day, gateway), whose calls are gone; the caller's transaction."""
    bound = {"days": sorted(days), "closed": [f"{day}/{gateway}" for day, gateway in closed]}
    still = "NOT list_contains($closed::VARCHAR[], {}::VARCHAR || '/' || gateway)"
    connection.execute(
        f"DELETE FROM {USAGE_TAG_DAILY.full_name} WHERE list_contains($days, day) AND {still.format('day')}", bound
    )
    named = f"SELECT DISTINCT unnest(tags) AS tag FROM {ALLOCATION_RULE.full_name}"
    if connection.execute(f"{named} LIMIT 1").fetchone() is None:
        return
    connection.execute(
        f"""INSERT INTO {USAGE_TAG_DAILY.full_name}
            WITH tagged AS (
                SELECT request_no, list(DISTINCT tag ORDER BY tag) AS tags
                FROM {REQUEST_TAG.full_name} JOIN ({named}) AS named USING (tag)
                WHERE list_contains($days, day) GROUP BY request_no
            )
            SELECT requested_at::DATE AS day, account_no, project_no, team_no, key_no, gateway, provider, model, tags,
                NULL, count(*), count(*) FILTER (list_cost_usd IS NULL), sum(list_cost_usd)
            FROM {REQUESTS.full_name} JOIN tagged USING (request_no)
            WHERE list_contains($days, requested_at::DATE) AND {still.format("requested_at::DATE")}
            GROUP BY ALL""",
        bound,
    )
