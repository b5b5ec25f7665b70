"""mart.allocated_daily, mart.spend_daily -> what `apiledger allocate check` says of the rules and the spend."""

from collections.abc import Iterator
from itertools import islice

from duckdb import DuckDBPyConnection

from warehouse.allocation import CONDITIONS, Rules
from warehouse.allocation_tables import ALLOCATION_RULE, UNALLOCATED
from warehouse.money import shown

_MOST_TOLD = 10


def told(connection: DuckDBPyConnection, rules: Rules) -> Iterator[str]:
    """Tell in lines: spend no rule claims, spend that equal rules claim, names that no spend has."""
    published = connection.execute(f"SELECT rule FROM {ALLOCATION_RULE.full_name} ORDER BY rule").fetchall()
    if [name for (name,) in published] != sorted(rule.name for rule in rules.rules):
        yield "the newest version has other rules; `apiledger run` brings these into it"
    rows = connection.execute(
        f"""SELECT rule, sum(cost_usd), sum(requests)::BIGINT FROM mart.allocated_daily
            WHERE cost_centre = '{UNALLOCATED}' GROUP BY rule ORDER BY sum(cost_usd) DESC NULLS LAST"""
    ).fetchall()
    for rule, cost_usd, requests in rows[:_MOST_TOLD]:
        if rule is None:
            why = "no rule fits"
        elif " | " in rule:
            why = f"{rule} fit equally; a rule that asks for more settles it"
        else:
            why = f"{rule} had nobody to share it with"
        yield f"{UNALLOCATED}: {shown(cost_usd)}, {requests:,} calls: {why}"
    yield from islice(_unknown(connection, rules), _MOST_TOLD)


def _unknown(connection: DuckDBPyConnection, rules: Rules) -> Iterator[str]:
    """The names of rules that no spend has, such as a misspelt one or that of something renamed."""
    columns = {"key": "key_label"}
    for condition in CONDITIONS:
        asked = {getattr(rule, condition): rule.name for rule in rules.rules if getattr(rule, condition) is not None}
        if not asked:
            continue
        column = columns.get(condition, condition)
        known = {name for (name,) in connection.execute(f"SELECT DISTINCT {column} FROM mart.spend_daily").fetchall()}
        for name in sorted(set(asked) - known):
            yield f"{asked[name]}: no spend has the {condition} {name!r}"
