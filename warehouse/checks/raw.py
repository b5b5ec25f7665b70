"""raw_<gateway>.calls: what the boundary promises of every row it lands."""

from datetime import date

import duckdb

from warehouse import labels
from warehouse.checks import call
from warehouse.checks.batch import Batch, has_table
from warehouse.checks.suite import between, held, matches, not_null, without
from warehouse.checks.verdict import Verdict

_COLUMNS = call.COLUMNS | {name: name for name in ("load_no", "form", "tags")}
# A JSON list of labels, as the boundary writes it.
_TAGS = rf'\["{labels.LABEL}"(, "{labels.LABEL}")*\]'
_RULES = (
    *not_null("load_no", "form"),
    between("load_no", 1),
    *call.RULES,
    matches("tags", _TAGS),
    without("tags", labels.CREDENTIAL),
)


def check(connection: duckdb.DuckDBPyConnection, gateway: str, day: date) -> Verdict:
    """Check what a gateway landed for a UTC day, replays included; a gateway that landed nothing yet passes.

    Raises WarehouseError where the table has not the columns of tables.RAW_CALLS.
    """
    table = f"raw_{gateway}.calls"
    if not has_table(connection, table):
        return Verdict(passed=True, expectations=(), rows=0)
    return held(Batch.read(connection, table, "requested_at", day, _COLUMNS), _RULES)
