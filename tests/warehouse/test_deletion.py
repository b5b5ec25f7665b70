"""A build takes the memory that deleting needs, where rows are deleted from it and nowhere else."""

import duckdb
import pytest

from warehouse import database
from warehouse.home import Home

ROWS = 40_000_000


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_one_row_in_a_thousand_is_deleted_from_all_over_a_build_of_forty_million(home: Home) -> None:
    """And without that room it is not: the limit is what refuses it."""
    with database.held(home.build_lock):
        with database.build(home) as connection:
            connection.execute(f"CREATE TABLE main.called AS SELECT range AS no FROM range({ROWS})")
        delete = "DELETE FROM main.called WHERE no % 1000 = 0"
        with database.build(home) as connection, pytest.raises(duckdb.OutOfMemoryException):
            connection.execute(delete)
        with database.build(home, deletes=True) as connection:
            connection.execute(delete)
        copy = home.tmp / "copy.duckdb"
        database.copied_build(home, copy)
    with database.read_only(copy) as connection:
        assert connection.execute("SELECT count(*), min(no) FROM main.called").fetchone() == (ROWS - ROWS // 1000, 1)
