"""Restriction of an account with all that it is called by in the logs; the operator's own cannot be restricted."""

import sqlite3
from datetime import datetime

from retention.errors import RetentionError
from retention.holding import Holding
from warehouse.control import restriction


def begin(control: sqlite3.Connection, holding: Holding, now: datetime) -> None:
    """Restrict an account; RetentionError for the one that owns the installation."""
    if holding.is_operator:
        raise RetentionError("this account owns the installation: `apiledger stop` stops all of it")
    restriction.begin(control, holding.owner_no, holding.numbers, now)
