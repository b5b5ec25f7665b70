"""model.spend_daily, mart.last_use, mart.name_history -> keys or projects: what each costs, whose it is, if it is used.

Plain functions of (connection, viewer, what was asked). A key or project is its account and the name its log gives it
today, as in the marts; what people call it stands beside that.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures.period import Period
from dashboards.figures.viewer import Viewer

Kind = Literal["key", "project"]
# The mart's column that names one.
_COLUMNS: dict[Kind, str] = {"key": "key_label", "project": "project"}
# Where keys are not asked for, the summary tells the same in fewer rows.
_SPEND: dict[Kind, str] = {"key": "model.spend_daily", "project": "model.spend_summary_daily"}
_OTHER: dict[Kind, str] = {"key": "project", "project": "key_label"}


@dataclass(frozen=True)
class Asked:
    """Keys or projects, of which days, and whether only those that nobody used in them."""

    kind: Kind
    period: Period
    unused: bool = False


class Said(NamedTuple):
    """A name, owner and tags with their dates (UTC): told by the log, or by people; `since` None is from the first."""

    account: str | None
    told_by: str
    name: str | None
    owner: str | None
    tags: str | None
    since: datetime | None
    until: datetime | None


def rows(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """One row a key or project, dearest first, also those without a call in the period: money DECIMAL(38,12).

    Columns: account, label, name, owner, tags, cost_usd, before_usd, change_usd, requests, error_requests, first_day,
    last_day, idle_days (up to the period's end, 0 where used on it), parts (projects of a key, keys of a project).
    """
    column, other, period = _COLUMNS[asked.kind], _OTHER[asked.kind], asked.period
    (allowed, values), (numbered, _) = viewer.condition(), viewer.numbers()
    matches, words = period.matching("account", "label", "name", "owner", "tags")
    return connection.execute(
        f"""
        WITH summed AS (
            SELECT account_no, {asked.kind}_no,
                sum(cost_usd) FILTER (day >= $start) AS cost_usd, sum(cost_usd) FILTER (day < $start) AS before_usd,
                coalesce(sum(requests) FILTER (day >= $start), 0)::BIGINT AS requests,
                coalesce(sum(error_requests) FILTER (day >= $start), 0)::BIGINT AS error_requests,
                coalesce(sum(unpriced_requests) FILTER (day >= $start), 0)::BIGINT AS unpriced_requests
            FROM {_SPEND[asked.kind]}
            WHERE day BETWEEN $before AND $end AND {asked.kind}_no IS NOT NULL AND {_named(numbered)} GROUP BY ALL
        ), spent AS (
            SELECT account.label AS account, named.label, sum(cost_usd) AS cost_usd, sum(before_usd) AS before_usd,
                sum(requests)::BIGINT AS requests, sum(error_requests)::BIGINT AS error_requests,
                sum(unpriced_requests)::BIGINT AS unpriced_requests
            FROM summed
            JOIN model.{asked.kind} AS named
                ON named.{asked.kind}_no = summed.{asked.kind}_no AND named.valid_to IS NULL
            LEFT JOIN model.account AS account
                ON account.account_no = summed.account_no AND account.valid_to IS NULL
            GROUP BY ALL
        ), used AS (
            SELECT account, {column} AS label, min(first_day) AS first_day, max(last_day) AS last_day,
                count(DISTINCT {other}) AS parts
            FROM mart.last_use WHERE {column} IS NOT NULL AND {_named(allowed)} GROUP BY ALL
        ), known AS (
            SELECT account, label, max(name) FILTER (told_by = 'people' AND holds) AS name,
                max(owner) FILTER (told_by = 'people' AND holds) AS owner,
                max(tags) FILTER (told_by = 'people' AND holds) AS tags
            FROM (
                SELECT *, valid_from < $end::DATE + 1 AND (valid_to IS NULL OR valid_to >= $end::DATE + 1) AS holds
                FROM mart.name_history WHERE kind = $kind AND {_named(allowed)}
            ) GROUP BY ALL
        ), thing AS (
            SELECT account, label FROM spent UNION SELECT account, label FROM used
            UNION SELECT account, label FROM known
        ), told AS (
            SELECT thing.account, thing.label, known.name, known.owner, known.tags,
                CASE WHEN unpriced_requests > 0 AND cost_usd = 0 THEN NULL ELSE cost_usd END AS cost_usd,
                before_usd,
                (coalesce(cost_usd, 0) - coalesce(before_usd, 0))::DECIMAL(38,12) AS change_usd,
                coalesce(requests, 0) AS requests, coalesce(error_requests, 0) AS error_requests,
                used.first_day, used.last_day,
                CASE WHEN used.last_day IS NOT NULL
                    THEN greatest(date_diff('day', used.last_day, $end::DATE), 0) END AS idle_days,
                coalesce(used.parts, 0) AS parts
            FROM thing
            LEFT JOIN spent ON spent.account IS NOT DISTINCT FROM thing.account AND spent.label = thing.label
            LEFT JOIN used ON used.account IS NOT DISTINCT FROM thing.account AND used.label = thing.label
            LEFT JOIN known ON known.account IS NOT DISTINCT FROM thing.account AND known.label = thing.label
        )
        SELECT * FROM told
        WHERE {_word(matches)} AND (NOT $unused OR last_day IS NULL OR last_day < $start)
        ORDER BY cost_usd DESC NULLS LAST, requests DESC, account, label
        """,
        {
            "kind": asked.kind,
            "start": period.start,
            "end": period.end,
            "before": period.before_start,
            "unused": asked.unused,
            **{f"allowed{place}": value for place, value in enumerate(values)},
            **({"word": words[0]} if words else {}),
        },
    ).to_arrow_table()


def history(connection: DuckDBPyConnection, viewer: Viewer, asked: tuple[Kind, str]) -> list[Said]:
    """All names, owners and tags of what its log calls so today, the oldest first."""
    allowed, values = viewer.condition()
    query = f"""
        SELECT DISTINCT account, told_by, name, owner, tags,
            CASE WHEN year(valid_from) > 1 THEN valid_from END AS since, valid_to
        FROM mart.name_history WHERE kind = ? AND label = ? AND {allowed}
        ORDER BY account, since NULLS FIRST, told_by, name"""
    return [Said(*row) for row in connection.execute(query, [*asked, *values]).fetchall()]


def last_day(rows: pa.Table) -> date | None:
    """The newest day on which any of them was used."""
    return max((day for day in rows["last_day"].to_pylist() if day is not None), default=None)


def _named(condition: str) -> str:
    """A condition whose values are bound by name, since it stands in the statement several times."""
    parts = condition.split("?")
    return "".join(f"{part}$allowed{place}" for place, part in enumerate(parts[:-1])) + parts[-1]


def _word(condition: str) -> str:
    return condition.replace("?", "$word")
