"""Records of accounts that are told apart -> the account of their team or key: `acme` becomes `acme/red`."""

from collections.abc import Mapping

import polars as pl

from warehouse.control.outside_id import UNNAMED_ACCOUNT
from warehouse.control.told_apart import Part
from warehouse.labels import label_or_number

# A team is called by its alias, else by its id; a key by its alias alone, since its id may be a hash.
_NAMES: dict[Part, pl.Expr] = {
    "team": pl.coalesce(pl.col("team_name"), pl.col("team")),
    "key": pl.col("key_name"),
}
_UNNAMED = label_or_number(UNNAMED_ACCOUNT, "account", 0)


def told_apart(records: pl.DataFrame, parts: Mapping[str, Part]) -> pl.DataFrame:
    """The records with the account that each belongs to; those that name no part stay in the whole."""
    found, label = pl.col("account"), labelled()
    for part, name in _NAMES.items():
        whole = [each for each, by in parts.items() if by == part]
        is_named = name.is_not_null() & (name != "")
        found = pl.when(label.is_in(whole) & is_named).then(pl.concat_str(label, pl.lit("/"), name)).otherwise(found)
    return records.with_columns(found.alias("account"))


def labelled() -> pl.Expr:
    """What a record's account is called: also that of a log that names none."""
    account = pl.col("account")
    return pl.when(account == UNNAMED_ACCOUNT).then(pl.lit(_UNNAMED)).otherwise(account)
