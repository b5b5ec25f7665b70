"""build/warehouse.duckdb -> a version in which nobody can be watched: protected mode, for whoever must not watch staff.

Carried out where a version is made, so that the file people open, pages, exports and mails obey alike, and SQL finds
nothing to get around. Calls, keys and persons are not in it; a team is the finest grain, with those of its projects in
which LEAST people are. Where fewer are in one within two months, its figures are in its team's, or else in the
account's, whose sum stays. Every row is in one group alone, so that no sum less others tells of a smaller one.
"""

from pathlib import Path

import duckdb

from warehouse import stale_allocation
from warehouse.errors import WarehouseError

LEAST = 5
# Single calls, rows as gateways and providers told them, names of keys, tags, which may name anybody, and which
# connection pays where calls are sent, which is not told either. Cost centres are made anew of what is published.
_EMPTY = frozenset(
    {"model.requests", "model.request_tag", "model.key", "model.usage_tag_daily", "model.upstream_claim"}
    | {"model.allocated_summary_daily"}
)
_OF_RAW = "raw_"
# What may tell of a person or a small group; a table that has one of these and is not known here is published nowhere.
_TELLING = frozenset(
    {"key_no", "user_no", "end_user_no", "client_no", "request_no", "request_id", "project_no", "team_no", "key_label"}
    | {"thing_no", "owner", "upstream_no"}
)
# Where a gateway sends calls may be one person's own key.
_GONE = frozenset({"key_no", "user_no", "upstream_no"})
# Each table of sums with the column that says when, and whether its account is its connection's.
_SUMS = {
    "model.usage_hourly": ("hour", False),
    "model.usage_daily": ("day", False),
    "model.usage_monthly": ("month", False),
    "model.latency_hourly": ("hour", False),
    "model.latency_daily": ("day", False),
    "model.repriced_daily": ("day", False),
    "model.failure_daily": ("day", False),
    "model.spend_daily": ("day", False),
    "model.spend_summary_daily": ("day", False),
    "model.spend_summary_hourly": ("hour", False),
    # By the UTC day, as the rest: what is shown of one and hidden of the other would tell of a group.
    "model.spend_local_daily": ("utc_day", False),
    "model.spend_local_summary_daily": ("utc_day", False),
    "model.use_monthly": ("month", False),
    "model.unclaimed_daily": ("day", False),
    "model.charges": ("day", True),
    "model.usage_reported": ("day", True),
    "model.difference": ("day", True),
    "model.reconciliation": ("day", True),
}
# The same of the connection that paid for a call; by connection alone a bill tells no more than its sum.
_BLANKED = {"model.spend_daily": {"connection_no": "CASE WHEN told.basis <> 'log' THEN told.connection_no END"}}
_FILTERED = {
    "model.project": "project_no IN (SELECT project_no FROM shown WHERE project_shown)",
    # What a key is called may be whose it is; so may be who answers for it.
    "model.naming": "kind = 'project' AND thing_no IN (SELECT project_no FROM shown WHERE project_shown)",
    "model.team": "team_no IN (SELECT team_no FROM shown WHERE team_shown)",
    # A rule by a key names it.
    "model.allocation_rule": "key_label IS NULL",
}
_SUMMED = ("requests", "cost_usd", "quantity", "amount_usd", "billed_amount", "list_amount_usd")
_SUMMED_ENDS = ("_requests", "_tokens", "_cost_usd", "_now_usd")

# Who is in which team's project, by month: a month counts the people of the one before as well, so that its first days
# are not hidden for want of five. Of what is left over there are five as well, or the smallest group joins it: else
# the account's sum less what is shown would be theirs.
_GROUPS = f"""
CREATE OR REPLACE TEMP TABLE shown AS
WITH told AS (
    SELECT DISTINCT date_trunc('month', day)::DATE AS month, account_no, project_no, team_no,
        coalesce(user_no, key_no) AS person
    FROM model.usage_daily
    UNION
    SELECT DISTINCT date_trunc('month', day)::DATE, account_no, project_no, NULL, key_no
    FROM (
        SELECT day, connection_no, project_no, key_no FROM model.usage_reported
        UNION ALL SELECT day, connection_no, project_no, key_no FROM model.charges
    ) AS reported
    JOIN model.connection AS connection USING (connection_no)
), person AS (
    SELECT month, account_no, project_no, team_no, person FROM told WHERE person IS NOT NULL
    UNION
    SELECT (month + INTERVAL 1 MONTH)::DATE, account_no, project_no, team_no, person
    FROM told WHERE person IS NOT NULL
), cell AS (
    SELECT month, account_no, project_no, team_no, count(DISTINCT person) AS people
    FROM person GROUP BY ALL
), large AS (
    SELECT *, people >= {LEAST} AND project_no IS NOT NULL AS is_shown FROM cell
), folded AS (
    SELECT person.month, person.account_no, person.team_no, count(DISTINCT person.person) AS people
    FROM person JOIN large
        ON large.month = person.month AND large.account_no = person.account_no
        AND large.project_no IS NOT DISTINCT FROM person.project_no
        AND large.team_no IS NOT DISTINCT FROM person.team_no
    WHERE NOT large.is_shown AND person.team_no IS NOT NULL
    GROUP BY ALL
), placed AS (
    SELECT large.month, large.account_no, large.project_no, large.team_no,
        large.is_shown AS project_shown,
        large.team_no IS NOT NULL AND (large.is_shown OR coalesce(folded.people, 0) >= {LEAST}) AS team_shown,
        CASE WHEN large.is_shown THEN large.people ELSE folded.people END AS people
    FROM large LEFT JOIN folded
        ON folded.month = large.month AND folded.account_no = large.account_no AND folded.team_no = large.team_no
        AND NOT large.is_shown
), rest AS (
    SELECT person.month, person.account_no, count(DISTINCT person.person) AS people
    FROM person JOIN placed
        ON placed.month = person.month AND placed.account_no = person.account_no
        AND placed.project_no IS NOT DISTINCT FROM person.project_no
        AND placed.team_no IS NOT DISTINCT FROM person.team_no
    WHERE NOT placed.project_shown AND NOT placed.team_shown
    GROUP BY ALL
), smallest AS (
    SELECT placed.month, placed.account_no,
        arg_min({{'project_no': CASE WHEN project_shown THEN project_no END, 'team_no': team_no,
                 'whole': project_shown}}, (placed.people, placed.project_no, placed.team_no)) AS one
    FROM placed JOIN rest USING (month, account_no)
    WHERE (project_shown OR team_shown) AND rest.people < {LEAST}
    GROUP BY ALL
)
SELECT placed.month, placed.account_no, placed.project_no, placed.team_no,
    placed.project_shown AND NOT joins AS project_shown, placed.team_shown AND NOT joins AS team_shown
FROM (
    SELECT placed.*, coalesce(
        one.team_no IS NOT DISTINCT FROM placed.team_no AND one.whole = placed.project_shown
        AND (NOT one.whole OR one.project_no IS NOT DISTINCT FROM placed.project_no), false) AS joins
    FROM placed LEFT JOIN smallest USING (month, account_no)
) AS placed
"""


def written(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Write the build that `connection` holds to a new file, protected, with every table, view and comment.

    WarehouseError where a table may tell of somebody and is not known here.
    """
    target.unlink(missing_ok=True)
    connection.execute(_GROUPS)
    connection.execute(f"ATTACH '{str(target).replace(chr(39), chr(39) * 2)}' AS protected")
    (build,) = connection.execute("SELECT current_database()").fetchall()[0]
    try:
        target.chmod(0o600)
        connection.execute(f'COPY FROM DATABASE "{build}" TO protected (SCHEMA)')
        for table, columns in _tables(connection, build).items():
            if (rows := _rows(table, columns)) is not None:
                connection.execute(f"INSERT INTO protected.{table} {rows}")
        connection.execute("USE protected")
        stale_allocation.mark(connection, None)
        stale_allocation.place(connection)
        connection.execute("CHECKPOINT protected")
    finally:
        connection.execute(f'USE "{build}"')
        connection.execute("DETACH protected")
        connection.execute("DROP TABLE IF EXISTS temp.shown")


def _tables(connection: duckdb.DuckDBPyConnection, build: str) -> dict[str, dict[str, str]]:
    """Every table of the build, with its columns and their types."""
    found: dict[str, dict[str, str]] = {}
    query = """SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns()
        JOIN duckdb_tables() USING (database_name, schema_name, table_name)
        WHERE database_name = ? ORDER BY 1, column_index"""
    for table, column, kind in connection.execute(query, [build]).fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def _rows(table: str, columns: dict[str, str]) -> str | None:
    """The rows of a table as they are published; None where it is published empty."""
    if table in _EMPTY or table.startswith(_OF_RAW):
        return None
    if table in _SUMS:
        return _summed(table, columns, *_SUMS[table])
    if table in _FILTERED:
        return f"SELECT * FROM {table} WHERE {_FILTERED[table]}"
    if telling := sorted(_TELLING & columns.keys()):
        raise WarehouseError(
            f"{table} has {', '.join(telling)}, and protected mode does not know it: nothing is published until "
            "warehouse/protected_copy.py says what of it may be seen"
        )
    return f"SELECT * FROM {table}"


def _summed(table: str, columns: dict[str, str], when: str, by_connection: bool) -> str:
    """A table of sums without key and person, in the groups that are shown; what is unknown stays so."""
    measures = [name for name in columns if name in _SUMMED or name.endswith(_SUMMED_ENDS)]
    replaced = dict.fromkeys(_GONE & columns.keys(), "NULL") | _BLANKED.get(table, {})
    joined = ""
    if "project_no" in columns:
        has_team = "team_no" in columns
        account = "coalesce(connection.account_no, -1)" if by_connection else "told.account_no"
        # Without teams a project is shown where all that is in it is: else what is hidden would be the difference.
        groups = "SELECT * FROM shown"
        if not has_team:
            groups = (
                "SELECT month, account_no, project_no, bool_and(project_shown) AS project_shown FROM shown GROUP BY ALL"
            )
        joined = (
            (f" LEFT JOIN {_CONNECTION} USING (connection_no)" if by_connection else "")
            + f" LEFT JOIN ({groups}) AS grouped ON grouped.month = date_trunc('month', told.{when})::DATE "
            f"AND grouped.account_no = {account} AND grouped.project_no IS NOT DISTINCT FROM told.project_no"
            + (" AND grouped.team_no IS NOT DISTINCT FROM told.team_no" if has_team else "")
        )
        replaced["project_no"] = "CASE WHEN grouped.project_shown THEN told.project_no END"
        if has_team:
            replaced["team_no"] = "CASE WHEN grouped.team_shown THEN told.team_no END"
    kept = [name for name in columns if name not in measures]
    dimensions = [replaced.get(name, f'told."{name}"') for name in kept]
    chosen = [
        f'sum(told."{name}")::{columns[name]}' if name in measures else dimensions[kept.index(name)] for name in columns
    ]
    unknown = [f'told."{name}" IS NULL' for name in measures]
    return f"SELECT {', '.join(chosen)} FROM {table} AS told{joined} GROUP BY {', '.join([*dimensions, *unknown])}"


_CONNECTION = "(SELECT connection_no, account_no FROM model.connection) AS connection"
