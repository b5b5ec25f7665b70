"""P6: the build written anew, durable and in its place, against a bare COPY FROM DATABASE of the same file."""

from pathlib import Path

import duckdb

from retention import rewrite
from tests.benchmarks import expire
from warehouse import build_memory, database
from warehouse.home import Home

QUESTION = "the build written anew, against COPY FROM DATABASE"


def prepare(rows: int, folder: Path) -> None:
    """The home with a year of history whose expiry is due."""
    expire.prepare(rows, folder)


def before(_name: str, rows: int, folder: Path, work: Path) -> None:
    """A copy of that home."""
    expire.before("ours", rows, folder, work)


def ours(_rows: int, _folder: Path, work: Path) -> list[int]:
    """Swept, copied, made durable, renamed."""
    home = Home(work / "home")
    with database.held(home.build_lock):
        rewrite.rewrite(home)
    return _answer(home.build_file)


def yardstick(_rows: int, _folder: Path, work: Path) -> list[int]:
    """The statement by itself, with the build's settings."""
    target = work / "bare.duckdb"
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{build_memory.USUAL_MB}MB",
        "preserve_insertion_order": "false",
    }
    with duckdb.connect(str(Home(work / "home").build_file), config=config) as connection:
        connection.execute(f"ATTACH '{target}' AS bare")
        connection.execute("COPY FROM DATABASE warehouse TO bare")
        connection.execute("CHECKPOINT bare")
    return _answer(target)


def _answer(file: Path) -> list[int]:
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1"
        ).fetchall()
        return [connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for (name,) in tables]
