"""control.naming -> model.naming: what people call keys and projects, as pages and anyone's SQL read it."""

import sqlite3

import duckdb

from warehouse import frame, publication
from warehouse.control import naming
from warehouse.naming_tables import NAMING


def build(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> None:
    """Bring the names of the build to those of the control store; untouched where nothing changed."""
    wanted = naming.rows(control)
    held = connection.execute(f"FROM {NAMING.full_name} ORDER BY kind, thing_no, valid_from").fetchall()
    if wanted == held:
        return
    connection.execute("BEGIN")
    connection.execute(f"DELETE FROM {NAMING.full_name}")
    frame.insert_rows(connection, NAMING, wanted)
    publication.changed(connection, days=())
    connection.execute("COMMIT")
