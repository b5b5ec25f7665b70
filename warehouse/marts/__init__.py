"""model.* -> mart.*: one .sql file per mart, one select each, made into views so that a name is always today's."""

from importlib import resources

import duckdb


def names() -> list[str]:
    """The marts, by their files' names, in the order in which they may read each other."""
    files = (entry.name for entry in resources.files(__name__).iterdir() if entry.name.endswith(".sql"))
    # spend_by_source reads spend_daily; every other mart reads models alone.
    return sorted((name.removesuffix(".sql") for name in files), key=lambda name: (name == "spend_by_source", name))


def select(name: str) -> str:
    """The select of one mart, as its file has it."""
    return resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every mart's view anew in the build."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS mart")
    for name in names():
        connection.execute(f"CREATE OR REPLACE VIEW mart.{name} AS {select(name)}")
