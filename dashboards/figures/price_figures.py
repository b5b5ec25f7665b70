"""model.usage_daily -> which models that calls went to have no known price; the operator's to see."""

from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer
from warehouse import price_missing
from warehouse.price_missing import Unpriced


def unpriced(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> list[Unpriced]:
    """Those of the operator's own and of what nobody claims, most tokens first; nothing for anyone else."""
    if not viewer.is_operator or viewer.projects is not None:
        return []
    return price_missing.read(connection, *viewer.numbers())
