"""closes/<month>/focus_* in protected mode: frozen rows as coarse as the newest version is, whose sums stay.

A month that was closed before protected mode was turned on has keys, and groups that may be one person. What of a
project or a team the version shows for that month is told here, and nothing else.
"""

import duckdb
import pyarrow as pa

from pipelines.exports.amounts import SUMS, in_utc, naive, type_of


def folded(connection: duckdb.DuckDBPyConnection, view: str, table: pa.Table) -> pa.Table:
    """Frozen rows of a FOCUS view without keys, in the groups that the version of `connection` shows."""
    connection.register("unprotected_rows", naive(table))
    new = {
        "SubAccountId": "CASE WHEN whole.month IS NOT NULL THEN told.SubAccountId END",
        "SubAccountName": "CASE WHEN whole.month IS NOT NULL THEN told.SubAccountName END",
        "Tags": "CASE WHEN coalesce(whole.month, team.month) IS NOT NULL THEN told.team_tags ELSE '{}' END",
    }
    columns = ", ".join(f"{new.get(name, f'told.{name}')} AS {name}" for name in table.column_names)
    sums = ", ".join(f"sum({name})::{type_of(name)} AS {name}" if name in SUMS else name for name in table.column_names)
    made = connection.execute(
        f"""WITH shown AS (
                SELECT DISTINCT date_trunc('month', ChargePeriodStart) AS month, BillingAccountId, SubAccountId, Tags
                FROM {view}
            ), told AS (
                SELECT *, date_trunc('month', ChargePeriodStart) AS month,
                    CASE WHEN json_extract_string(Tags, '$.team') IS NULL THEN '{{}}'
                        ELSE json_object('team', json_extract_string(Tags, '$.team'))::VARCHAR END AS team_tags
                FROM unprotected_rows
            ), coarse AS (
                SELECT {columns}
                FROM told
                LEFT JOIN shown AS whole
                    ON whole.month = told.month AND whole.BillingAccountId = told.BillingAccountId
                    AND whole.SubAccountId IS NOT DISTINCT FROM told.SubAccountId AND whole.Tags = told.team_tags
                LEFT JOIN shown AS team
                    ON team.month = told.month AND team.BillingAccountId = told.BillingAccountId
                    AND team.SubAccountId IS NULL AND team.Tags = told.team_tags
            )
            SELECT {sums} FROM coarse GROUP BY ALL ORDER BY ALL"""
    ).to_arrow_table()
    connection.unregister("unprotected_rows")
    return in_utc(made)
