"""The marts as views: each .sql file of warehouse/marts is one select, so that a name is always today's."""

import hashlib
import re
from functools import cache
from importlib import resources

import duckdb

from warehouse import marts

_JOURNEY = re.compile(r"-- (?P<sources>[\w., ]+) -> mart\.\w+: (?P<meaning>.+)")


@cache
def names() -> tuple[str, ...]:
    """The marts, by their files' names; one that reads another comes after it."""
    found = [
        entry.name.removesuffix(".sql") for entry in resources.files(marts).iterdir() if entry.name.endswith(".sql")
    ]
    return tuple(sorted(found, key=lambda name: (any(source.startswith("mart.") for source in sources(name)), name)))


@cache
def select(name: str) -> str:
    """The select of one mart, as its file has it."""
    return resources.files(marts).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def sources(name: str) -> list[str]:
    """The tables that a mart's first line says it reads."""
    return _journey(name)["sources"].split(", ")


def meaning(name: str) -> str:
    """What a mart's first line says it is."""
    return _journey(name)["meaning"]


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every mart's view in the build, each with its meaning, unless they were made so already.

    `main.mart_form` holds a hash of what they were made of; a migration of the tables below them takes it away.
    """
    form = hashlib.sha256("\n".join(map(select, names())).encode()).hexdigest()
    connection.execute("CREATE TABLE IF NOT EXISTS main.mart_form (form VARCHAR)")
    if connection.execute("SELECT form FROM main.mart_form").fetchall() == [(form,)]:
        return
    connection.execute("CREATE SCHEMA IF NOT EXISTS mart")
    for name in names():
        said = meaning(name).replace("'", "''")
        connection.execute(f"CREATE OR REPLACE VIEW mart.{name} AS {select(name)}")
        connection.execute(f"COMMENT ON VIEW mart.{name} IS '{said}'")
    connection.execute("DELETE FROM main.mart_form")
    connection.execute("INSERT INTO main.mart_form VALUES (?)", [form])


def _journey(name: str) -> re.Match[str]:
    match = _JOURNEY.match(select(name).partition("\n")[0])
    if match is None:
        raise AssertionError(f"{name}.sql: its first line does not say `-- source, source -> mart.{name}: meaning`")
    return match
