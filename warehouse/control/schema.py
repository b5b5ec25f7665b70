"""The tables of control.sqlite, brought to their newest form: a migration runs once, after a copy of what was there."""

import sqlite3
from collections.abc import Iterator
from importlib import resources

from warehouse.control import migrations
from warehouse.errors import WarehouseError
from warehouse.home import Home

MIGRATIONS: tuple[tuple[str, str], ...] = tuple(
    sorted(
        (entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in resources.files(migrations).iterdir()
        if entry.name.endswith(".sql")
    )
)


def statements(script: str) -> Iterator[str]:
    """The statements of a migration one by one, a trigger with its body as one: a script as a whole would commit."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement.strip()
            statement = ""
    if statement.strip(" \n;"):
        raise AssertionError("a migration ends within a statement")


def apply(connection: sqlite3.Connection, home: Home) -> list[str]:
    """Bring the store to the newest form; returns the names of the migrations that ran now.

    A store with rows is copied beside itself first, so that `git pull && make up` can be taken back. A store newer
    than this program is refused.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY) STRICT")
    done = {name for (name,) in connection.execute("SELECT name FROM migration")}
    known = [name for name, _ in MIGRATIONS]
    if unknown := done - set(known):
        raise WarehouseError(
            f"{home.control_file} was written by a newer apiledger ({max(unknown)}): update the program"
        )
    due = [(name, script) for name, script in MIGRATIONS if name not in done]
    if not due:
        return []
    if done:
        target = home.control_file.with_name(f"control.before-{due[0][0]}.sqlite")
        target.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(target),))
        target.chmod(0o600)
    ran = []
    for name, script in due:
        # One transaction a migration, under the write lock: a kill in the middle leaves it undone as a whole, and of
        # two programs that start at once the second finds it done.
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not connection.execute("SELECT 1 FROM migration WHERE name = ?", (name,)).fetchone():
                for statement in statements(script):
                    connection.execute(statement)
                connection.execute("INSERT INTO migration VALUES (?)", (name,))
                ran.append(name)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return ran
