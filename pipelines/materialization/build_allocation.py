"""allocation.toml -> model.allocation_rule, model.allocation_share: the rules as the marts read them."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from warehouse import frame, publication, sealing, stale_allocation
from warehouse.allocation import Rules
from warehouse.allocation_tables import ALLOCATION_RULE, ALLOCATION_SHARE
from warehouse.models import usage_tag_daily
from warehouse.tables import REQUESTS, Table


def build(connection: duckdb.DuckDBPyConnection, root: Path) -> bool:
    """Bring the rules of the build to those of the home at `root`; whether anything changed.

    Where other tags are named than before, the days whose calls are known are told apart by them anew. WarehouseError
    where the file is no set of rules; what was in force stays.
    """
    rules = Rules.read(root)
    ruled: list[tuple[object, ...]] = sorted((rule.row() for rule in rules.rules), key=lambda row: str(row[0]))
    shared: list[tuple[object, ...]] = sorted(share for rule in rules.rules for share in rule.share_rows())
    if ruled == _held(connection, ALLOCATION_RULE) and shared == _held(connection, ALLOCATION_SHARE):
        return False
    tags = f"SELECT DISTINCT unnest(tags) FROM {ALLOCATION_RULE.full_name} ORDER BY 1"
    before = [tag for (tag,) in connection.execute(tags).fetchall()]
    connection.execute("BEGIN")
    try:
        for table, rows in ((ALLOCATION_RULE, ruled), (ALLOCATION_SHARE, shared)):
            connection.execute(f"DELETE FROM {table.full_name}")
            if rows:
                frame.insert_rows(connection, table, rows)
        if rules.tags != before:
            days = connection.execute(f"SELECT DISTINCT requested_at::DATE FROM {REQUESTS.full_name}").fetchall()
            usage_tag_daily.write(connection, [day for (day,) in days], sealing.closed_days(connection))
        publication.changed(connection, days=())
        stale_allocation.mark(connection, None)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return True


def _held(connection: duckdb.DuckDBPyConnection, table: Table) -> Sequence[tuple[object, ...]]:
    return connection.execute(f"FROM {table.full_name} ORDER BY ALL").fetchall()
