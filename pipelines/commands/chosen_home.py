"""Which home a command means: the one named, else the own one if it is served or holds something, else the sandbox."""

import sqlite3
from pathlib import Path

from pipelines.backups import swap
from pipelines.services import service
from warehouse import database
from warehouse.home import Home

EMPTY_VERSION = 1


def chosen_home(named: Path | None) -> Home:
    """Choose the home of a command; nothing is made by looking, but a restore that was killed is ended."""
    if named is not None:
        home = Home(named.absolute())
        swap.heal(home)
        return home
    own = Home.own()
    swap.heal(own)
    return own if service.is_running(own) or has_something(own) else Home.sandbox()


def has_something(home: Home) -> bool:
    """Whether a home has a log waiting or watched, a version after the empty first, a connection, a fee, an invoice."""
    waiting = any(not path.name.startswith(".") for path in home.inbox.glob("*/*"))
    is_filled = waiting or (database.current_version(home) or 0) > EMPTY_VERSION
    return is_filled or _has_entry(home) or _is_watching(home)


def _is_watching(home: Home) -> bool:
    from pipelines.gateways import watch

    return not home.is_sandbox and bool(watch.switched_on(home))


def _has_entry(home: Home) -> bool:
    if not home.control_file.exists():
        return False
    with database.control(home) as control:
        try:
            query = "SELECT 1 FROM connection UNION ALL SELECT 1 FROM plan UNION ALL SELECT 1 FROM invoice LIMIT 1"
            return control.execute(query).fetchone() is not None
        except sqlite3.OperationalError:
            # A store from before these existed has none.
            return False
