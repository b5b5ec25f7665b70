"""How long a source's bills keep moving: measured by the moves that were kept, where there are enough to measure by.

What is measured decides when a day has settled and how far back days are asked for each time, unless the provider says
by itself how long it corrects them.
"""

import duckdb

# Two months: what a provider corrects once a month closes is seen at least once.
ENOUGH_DAYS = 60

_LONGEST = """
    WITH told AS (
        SELECT provider, connection_no, day, changed_at::DATE AS told_on, reason
        FROM model.change WHERE source = $source AND basis <> 'log'
    ), look AS (
        -- Dates on which anything of a connection was told, each with the one before.
        SELECT connection_no, told_on, lag(told_on) OVER (PARTITION BY connection_no ORDER BY told_on) AS before
        FROM (SELECT DISTINCT connection_no, told_on FROM told)
    ), moved AS (
        -- A day that nobody had asked for since it was over is late by us, not by its source.
        SELECT provider, connection_no, day,
            CASE WHEN told.reason = 'first' AND look.before <= day THEN 1 ELSE date_diff('day', day, told_on) END AS age
        FROM told JOIN look USING (connection_no, told_on)
    ), watched AS (
        SELECT connection_no, min(told_on) AS since, max(told_on) AS until FROM told GROUP BY ALL
    ), last_move AS (
        -- Days of before a connection was first read tell nothing.
        SELECT provider, day, until, max(age) AS age FROM moved JOIN watched USING (connection_no)
        WHERE day >= since GROUP BY provider, connection_no, day, until
    ), longest AS (
        SELECT provider, max(age) AS age FROM last_move GROUP BY ALL
    )
    SELECT provider, longest.age::BIGINT,
        -- A younger day may still move so late itself.
        count(DISTINCT day) FILTER (date_diff('day', day, until) >= longest.age)
    FROM last_move JOIN longest USING (provider) GROUP BY ALL
"""


def settles_after(
    connection: duckdb.DuckDBPyConnection, source: str, assumed_days: int, most_days: int
) -> tuple[int, str]:
    """How many days after its end a day of a source's bills has settled, and by what: measured or assumed.

    Measured are the days after which none of its bills was moved, up to `most_days`, as far back as days are looked at
    at all; a provider with less than ENOUGH_DAYS days is assumed to take `assumed_days`.
    """
    found = connection.execute(_LONGEST, {"source": source}).fetchall()
    if not any(days >= ENOUGH_DAYS for _, _, days in found):
        return assumed_days, "assumed"
    each = [max(longest, 1) if days >= ENOUGH_DAYS else max(longest, assumed_days) for _, longest, days in found]
    return min(max(each), most_days), "measured"
