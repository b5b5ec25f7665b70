"""Where spend as asked is read: the smallest table that answers, by number, and names are put to its sums alone.

Ten million calls of many accounts are more than a million days of keys: a name looked up for each takes longer than all
the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from duckdb import DuckDBPyConnection

from dashboards.figures import local_spend
from dashboards.figures.spend_filter import DIMENSIONS, NOT_NAMED, SpendFilter
from dashboards.figures.viewer import Viewer

# What is stored by number, and where.
_NUMBERED = ("account", "project", "team", "key")
_TABLES = {
    "mart.spend_daily": "model.spend_daily",
    "mart.spend_summary_daily": "model.spend_summary_daily",
    # Hours are of calls alone, and do not say so of each.
    "mart.spend_summary_hourly": "(SELECT *, 'log' AS basis FROM model.spend_summary_hourly)",
}
_KINDS = {DIMENSIONS[name]: name for name in _NUMBERED}
_KNOWN = "{0}_no IN (SELECT {0}_no FROM model.{0} WHERE valid_to IS NULL AND {1})"


@dataclass(frozen=True)
class SpendSource:
    """A table, the condition of a filter and a viewer with its bound values, and whether it knows numbers or names."""

    table: str
    condition: str
    values: list[object]
    is_numbered: bool

    def stored(self, column: str) -> str:
        """The column that stands for a mart's column here."""
        kind = _KINDS.get(column)
        return f"{kind}_no" if self.is_numbered and kind else column

    def summed(self, columns: Sequence[str], sums: str, only: str = "true") -> str:
        """SELECT, bound to `values`: the mart's columns, and `sums` for each of their values that is there."""
        stored = [self.stored(column) for column in columns]
        names, joins = [], []
        for column, number in zip(columns, stored, strict=True):
            kind = _KINDS.get(column)
            if number == column or kind is None:
                names.append(f"told.{column}")
                continue
            names.append(f"{kind}.label AS {column}")
            joins.append(
                f"LEFT JOIN model.{kind} AS {kind} ON {kind}.{number} = told.{number} AND {kind}.valid_to IS NULL"
            )
        told = f"SELECT * FROM {self.table} WHERE {self.condition} AND {only}"
        grouped = "GROUP BY ALL" if columns else "HAVING count(*) > 0"
        return f"SELECT {', '.join([*names, sums])} FROM ({told}) AS told {' '.join(joins)} {grouped}"

    def gathered(self, connection: DuckDBPyConnection, columns: Sequence[str], sums: str) -> "SpendSource":
        """The same, added up once into a table of the connection's own."""
        connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS {self.summed(columns, sums)}", self.values)
        return SpendSource("temp.found", "true", [], is_numbered=False)

    def counted(self, connection: DuckDBPyConnection, when: str | None) -> list[tuple[date | datetime | None, int]]:
        """How many rows are to be added up, by time, newest first."""
        return connection.execute(
            f"""SELECT {when or "NULL::DATE"}, count(*) FROM {self.table} WHERE {self.condition}
                GROUP BY 1 ORDER BY 1 DESC""",
            self.values,
        ).fetchall()

    def named(self, column: str) -> str:
        """SQL after FROM: `name`, `stored` and cost_usd of each value of one of the mart's columns, as `summed`."""
        stored, kind = self.stored(column), _KINDS.get(column)
        sums = (
            f"SELECT {stored} AS stored, sum(cost_usd) AS cost_usd FROM {self.table} WHERE {self.condition} GROUP BY 1"
        )
        if stored == column:
            return f"(SELECT *, stored AS name FROM ({sums}))"
        label = f"LEFT JOIN model.{kind} AS known ON known.{stored} = told.stored AND known.valid_to IS NULL"
        return f"(SELECT told.stored, told.cost_usd, known.label AS name FROM ({sums}) AS told {label})"


def of(viewer: Viewer, asked: SpendFilter) -> SpendSource:
    """The source that answers a filter for a viewer; the viewer's own condition is always part of it."""
    table = _TABLES.get(asked.mart)
    if asked.mart == "mart.spend_local_daily":
        table = local_spend.SPEND if asked.tells_keys else local_spend.SUMMARY
    if table is None:
        source, (condition, values) = asked.mart, asked.condition(viewer)
        if asked.grain == "month":
            source = _by_month(source)
        return SpendSource(source, condition, values, is_numbered=False)
    parts, bound = asked.of_time(*viewer.numbers())
    for dimension, names in asked.chosen.items():
        if dimension not in _NUMBERED:
            parts.append(f"list_contains(?::VARCHAR[], coalesce({DIMENSIONS[dimension]}, '{NOT_NAMED}'))")
        else:
            chosen = _KNOWN.format(dimension, f"list_contains(?::VARCHAR[], coalesce(label, '{NOT_NAMED}'))")
            nameless = f"{dimension}_no IS NULL OR NOT {_KNOWN.format(dimension, 'true')}"
            parts.append(f"({chosen} OR {nameless})" if NOT_NAMED in names else chosen)
        bound.append(list(names))
    if asked.search:
        found = [_KNOWN.format(kind, "contains(lower(label), lower(?))") for kind in _NUMBERED]
        found += [f"contains(lower({name}), lower(?))" for name in ("provider", "model")]
        parts.append(f"({' OR '.join(found)})")
        bound += [asked.search] * len(found)
    return SpendSource(
        _by_month(table) if asked.grain == "month" else table, " AND ".join(parts), bound, is_numbered=True
    )


def _by_month(table: str) -> str:
    return f"(SELECT *, date_trunc('month', day)::DATE AS month FROM {table})"
