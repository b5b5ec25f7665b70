"""model.requests|request_tag|allocation_rule|usage_daily|account|project|team|key -> model.usage_tag_daily: by tag.

Only the tags that rules name outlive their calls; a rule by a new tag reaches back as far as calls are known. When a
day no longer tells keys, what rules by key had of it is noted under the rule: the past keeps its cost centre.
"""

from collections.abc import Collection
from datetime import date

import duckdb

from warehouse.allocation_tables import USAGE_TAG_DAILY
from warehouse.tables import MONEY, REQUEST_TAG, REQUESTS, USAGE_DAILY


def write(
    connection: duckdb.DuckDBPyConnection, days: Collection[date], closed: Collection[tuple[date, str]] = ()
) -> None:
    """Replace the rows of some days, but of closed (day, gateway), whose calls are gone; the caller's transaction."""
    bound = {"days": sorted(days), "closed": [f"{day}/{gateway}" for day, gateway in closed]}
    still = "NOT list_contains($closed::VARCHAR[], {}::VARCHAR || '/' || gateway)"
    connection.execute(
        f"DELETE FROM {USAGE_TAG_DAILY.full_name} WHERE list_contains($days, day) AND {still.format('day')}", bound
    )
    named = "SELECT DISTINCT unnest(tags) AS tag FROM model.allocation_rule"
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


def keep(connection: duckdb.DuckDBPyConnection, before: date) -> None:
    """Note what rules by key have of days before `before`, whose key is about to go; the caller's transaction.

    What carries no tag that a rule names is noted in a row of its own, without the key.
    """
    measures = "sum(requests), sum(unpriced_requests), sum(list_cost_usd)"
    grain = "day, account_no, project_no, team_no, key_no, gateway, provider, model"
    of_days = "WHERE day < $before AND key_no IS NOT NULL"
    untagged = f"""
        SELECT {grain}, []::VARCHAR[] AS tags, NULL::VARCHAR AS kept_rule, sum(requests) AS requests,
            sum(unpriced_requests) AS unpriced_requests, sum(list_cost_usd) AS list_cost_usd
        FROM (
            SELECT {grain}, requests, unpriced_requests, list_cost_usd FROM {USAGE_DAILY.full_name} {of_days}
            UNION ALL
            SELECT {grain}, -requests, -unpriced_requests, -list_cost_usd FROM {USAGE_TAG_DAILY.full_name} {of_days}
        )
        GROUP BY ALL"""
    connection.execute(
        f"""INSERT INTO {USAGE_TAG_DAILY.full_name}
            SELECT day, account_no, project_no, team_no, NULL, gateway, provider, model, tags, kept_rule, {measures}
            FROM ({_by_key(untagged)}) WHERE kept_rule IS NOT NULL AND requests > 0 GROUP BY ALL""",
        {"before": before},
    )


def without_keys() -> str:
    """SQL: the rows of days before `$before` without their key, with the rule that holds by it."""
    return f"""
        SELECT day, account_no, project_no, team_no, NULL::BIGINT AS key_no, gateway, provider, model, tags, kept_rule,
            sum(requests)::BIGINT AS requests, sum(unpriced_requests)::BIGINT AS unpriced_requests,
            sum(list_cost_usd)::{MONEY} AS list_cost_usd
        FROM ({_by_key(f"FROM {USAGE_TAG_DAILY.full_name} WHERE day < $before AND key_no IS NOT NULL")}) GROUP BY ALL"""


def _by_key(rows: str) -> str:
    """SQL: these rows with the rule by key that wins them in `kept_rule`, as mart.allocated_daily would say."""
    return f"""
        SELECT ruled.* EXCLUDE (place, rules) REPLACE (
            coalesce(kept_rule, CASE
                WHEN rules[1].key_label IS NOT NULL AND (len(rules) = 1 OR rules[2].rank < rules[1].rank)
                THEN rules[1].rule END) AS kept_rule)
        FROM (
            SELECT part.*, list(asked ORDER BY asked.rank DESC) FILTER (asked.rule IS NOT NULL) AS rules
            FROM (SELECT *, row_number() OVER () AS place FROM ({rows})) AS part
            LEFT JOIN model.account AS account ON account.account_no = part.account_no AND account.valid_to IS NULL
            LEFT JOIN model.project AS project ON project.project_no = part.project_no AND project.valid_to IS NULL
            LEFT JOIN model.team AS team ON team.team_no = part.team_no AND team.valid_to IS NULL
            LEFT JOIN model.key AS key ON key.key_no = part.key_no AND key.valid_to IS NULL
            LEFT JOIN model.allocation_rule AS asked
                ON (asked.account IS NULL OR asked.account = account.label)
                AND (asked.project IS NULL OR asked.project = project.label)
                AND (asked.team IS NULL OR asked.team = team.label)
                AND (asked.key_label IS NULL OR asked.key_label = key.label)
                AND (asked.provider IS NULL OR asked.provider = part.provider)
                AND (asked.model IS NULL OR asked.model = part.model)
                AND (asked.basis IS NULL OR asked.basis = 'log')
                AND (asked.valid_from IS NULL OR asked.valid_from <= part.day)
                AND (asked.valid_to IS NULL OR asked.valid_to > part.day)
                AND list_has_all(part.tags, asked.tags)
            GROUP BY ALL
        ) AS ruled"""
