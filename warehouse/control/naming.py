"""What people call a key or a project, who owns it, what it is tagged with: each from a date until the next.

The log's own names stay beside these; a key that is rotated under the same name is one thing here as in the marts.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from warehouse import database, labels
from warehouse.errors import WarehouseError

KINDS = ("key", "project")
MOST_TAGS = 20


@dataclass(frozen=True)
class Naming:
    """What is said of a thing from a moment on: None and no tags where nothing is."""

    name: str | None
    owner: str | None
    tags: tuple[str, ...]
    valid_from: datetime
    valid_to: datetime | None = None


def numbers(control: sqlite3.Connection, kind: str, label: str, account: str | None) -> list[tuple[int, int]]:
    """The things that a log calls so today, each with its account's number; WarehouseError for none, or of several."""
    rows = control.execute(
        """SELECT thing.no, thing.account_no, owner.label
           FROM outside_id AS thing JOIN label AS name ON name.no = thing.no AND name.valid_to IS NULL
           JOIN label AS owner ON owner.no = thing.account_no AND owner.valid_to IS NULL
           WHERE thing.kind = ? AND name.label = ? AND (? IS NULL OR owner.label = ?) ORDER BY thing.no""",
        (kind, label, account, account),
    ).fetchall()
    if not rows:
        raise WarehouseError(f"no log has named that {kind} yet; the page of {kind}s shows those there are")
    if len({row[2] for row in rows}) > 1:
        raise WarehouseError(f"say which account is meant, with --account: {', '.join(sorted({r[2] for r in rows}))}")
    return [(number, account_no) for number, account_no, _ in rows]


def put(control: sqlite3.Connection, number: int, account_no: int, told: Naming) -> None:
    """Say it of a thing from `told.valid_from` on; what was said from then on is replaced, what was before is closed.

    WarehouseError for a text that is no label: no address, no credential ever gets here.
    """
    for text in (told.name, told.owner, *told.tags):
        if text is not None and (not labels.is_label(text) or "," in text):
            raise WarehouseError("names, owners and tags are at most 64 letters, digits, blanks and ./:-")
    if len(told.tags) > MOST_TAGS:
        raise WarehouseError(f"at most {MOST_TAGS} tags")
    since = database.stamp(told.valid_from)
    with database.transaction(control):
        control.execute("DELETE FROM naming WHERE no = ? AND valid_from >= ?", (number, since))
        control.execute("UPDATE naming SET valid_to = ? WHERE no = ? AND valid_to IS NULL", (since, number))
        control.execute(
            "UPDATE naming SET valid_to = ? WHERE no = ? AND valid_from < ? AND valid_to > ?",
            (since, number, since, since),
        )
        control.execute(
            "INSERT INTO naming VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (number, account_no, told.name, told.owner, ", ".join(told.tags) or None, since),
        )


def of(control: sqlite3.Connection, number: int) -> list[Naming]:
    """All that was said of a thing, in the order of its dates."""
    query = "SELECT name, owner, tags, valid_from, valid_to FROM naming WHERE no = ? ORDER BY valid_from"
    return [
        Naming(
            name,
            owner,
            tuple(tags.split(", ")) if tags else (),
            database.moment(since),
            until and database.moment(until),
        )
        for name, owner, tags, since, until in control.execute(query, (number,))
    ]


def rows(control: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Every row of naming_tables.NAMING, by kind, number and start."""
    found = control.execute(
        """SELECT kind, naming.no, naming.account_no, name, owner, tags, valid_from, valid_to
           FROM naming JOIN outside_id ON outside_id.no = naming.no ORDER BY kind, naming.no, valid_from"""
    )
    return [
        (*told, database.moment(since), until and database.moment(until)) for *told, since, until in found.fetchall()
    ]
