"""A suite: what must hold of each row of a batch, in Great Expectations' words, and how it is held against the rows.

Great Expectations takes seconds to import, so it is imported when a batch has rows and not before. Its context lives in
memory and its results are asked for without values: of what a row says nothing reaches a verdict, a log or the disk.
"""

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from warehouse.checks.batch import Batch
from warehouse.checks.verdict import Expectation, Verdict
from warehouse.errors import WarehouseError

# SUMMARY and COMPLETE carry failing values, and so does BASIC unless told otherwise; BOOLEAN_ONLY does not count them.
_COUNTS_ONLY = {"result_format": "BASIC", "exclude_unexpected_values": True}


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite: the class in `great_expectations.expectations`, its column or columns, the rest."""

    expectation: str
    columns: tuple[str, ...]
    arguments: tuple[tuple[str, Any], ...] = ()

    def made(self, expectations: Any, number: int) -> Any:
        """The rule as an object of Great Expectations, which carries its number in the suite."""
        where: dict[str, Any] = (
            {"column": self.columns[0]} if len(self.columns) == 1 else {"column_list": list(self.columns)}
        )
        kind = getattr(expectations, self.expectation)
        return kind(**where, **dict(self.arguments), meta={"rule": number})


def not_null(*columns: str) -> tuple[Rule, ...]:
    """Each of the columns says something in every row."""
    return tuple(Rule("ExpectColumnValuesToNotBeNull", (column,)) for column in columns)


def unique(*columns: str) -> Rule:
    """No two rows have the same in the column, or in the columns together (where NULL equals NULL)."""
    kind = "ExpectColumnValuesToBeUnique" if len(columns) == 1 else "ExpectCompoundColumnsToBeUnique"
    return Rule(kind, columns)


def in_set(column: str, values: Iterable[str]) -> Rule:
    """The column is NULL or one of the values."""
    return Rule("ExpectColumnValuesToBeInSet", (column,), (("value_set", list(values)),))


def holds(column: str) -> Rule:
    """The column, computed in SQL as a comparison, is true or NULL: money is compared where it is exact."""
    return Rule("ExpectColumnValuesToBeInSet", (column,), (("value_set", [True]),))


def between(column: str, least: int, most: int | None = None) -> Rule:
    """The column is NULL or at least `least` and at most `most`."""
    return Rule("ExpectColumnValuesToBeBetween", (column,), (("min_value", least), ("max_value", most)))


def matches(column: str, pattern: str) -> Rule:
    """The whole of the column's text is NULL or of this pattern, a regular expression as Python reads it."""
    return Rule("ExpectColumnValuesToMatchRegex", (column,), (("regex", rf"\A(?:{_without_groups(pattern)})\Z"),))


def without(column: str, pattern: str) -> Rule:
    """The column's text has nothing of this pattern in it."""
    return Rule("ExpectColumnValuesToNotMatchRegex", (column,), (("regex", _without_groups(pattern)),))


def _without_groups(pattern: str) -> str:
    """The same pattern, capturing nothing: pandas warns of groups that it would not give back."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)


def held(batch: Batch, rules: Sequence[Rule]) -> Verdict:
    """Hold a batch against rules; a batch without rows passes.

    Raises WarehouseError where a rule cannot be asked of the batch; the message names table, column and rule.
    """
    if batch.columns.num_rows == 0:
        return Verdict(passed=True, expectations=(), rows=0)
    results = sorted(_validated(batch, rules).results, key=lambda result: result.expectation_config.meta["rule"])
    expectations = tuple(
        _fared(batch, rule, result, batch.columns.num_rows) for rule, result in zip(rules, results, strict=True)
    )
    return Verdict(all(each.passed for each in expectations), expectations, batch.columns.num_rows)


def _great_expectations() -> Any:
    # Read once, at the import: nothing is reported to anybody.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    # An import it tries in vain leaves a traceback behind, and that every caller's frame with the rows in it. A thread
    # of its own has no callers.
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(import_module, "great_expectations").result()


def _validated(batch: Batch, rules: Sequence[Rule]) -> Any:
    gx = _great_expectations()
    import pandas as pd
    from great_expectations import expectations

    # Arrow's own types, since numpy's would make floats of whole numbers with a NULL among them.
    frame = batch.columns.to_pandas(types_mapper=pd.ArrowDtype)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("day").add_dataframe_asset(batch.table)
    definition = asset.add_batch_definition_whole_dataframe("rows")
    suite = gx.ExpectationSuite(
        name=batch.table, expectations=[rule.made(expectations, number) for number, rule in enumerate(rules)]
    )
    try:
        return definition.get_batch({"dataframe": frame}).validate(suite, result_format=_COUNTS_ONLY)
    finally:
        # Great Expectations remembers its last context, and with it the rows, for as long as the process lives.
        context.data_sources.delete("day")


def _fared(batch: Batch, rule: Rule, result: Any, rows: int) -> Expectation:
    column = ", ".join(rule.columns)
    if "unexpected_count" not in result.result:
        # What Great Expectations says of it may repeat a value.
        raise WarehouseError(
            f"{rule.expectation} cannot be asked of {column} in {batch.table}: is the column there, with the type of "
            "warehouse/tables.py? run `apiledger doctor`"
        )
    return Expectation(
        name=result.expectation_config.type,
        table=batch.table,
        column=column,
        passed=bool(result.success),
        unexpected_count=int(result.result["unexpected_count"]),
        rows=rows,
    )
