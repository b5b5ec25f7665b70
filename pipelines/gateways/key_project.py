"""Records without a project -> the project that a rule says for their key's alias on their day."""

from collections.abc import Sequence

import polars as pl

from pipelines.gateways.account_part import labelled
from warehouse.control.key_rule import KeyRule


def of_keys(records: pl.DataFrame, rules: Sequence[KeyRule]) -> pl.DataFrame:
    """The records with the project of the first rule that fits, where they name none themselves.

    A rule of an account that is told apart is one of its parts as well.
    """
    day, account, alias = pl.col("requested_at").dt.date(), labelled(), pl.col("key_name")
    found = pl.lit(None, pl.String)
    for rule in reversed(rules):
        whole = (account == rule.account) | account.str.starts_with(f"{rule.account}/")
        holds = day >= rule.first_day
        if rule.last_day is not None:
            holds &= day <= rule.last_day
        fits = whole & holds & alias.str.contains(rule.expression)
        found = pl.when(fits).then(pl.lit(rule.project)).otherwise(found)
    is_open = pl.col("project").is_null() | (pl.col("project") == "")
    named = [pl.when(is_open).then(found).otherwise(pl.col(name)).alias(name) for name in ("project", "project_name")]
    return records.with_columns(named)
