"""What a person asks to have put right: which name, and what it is to be; sealed, and gone once it is taken up.

The name that is wrong must be nowhere after it was put right, so that it does not stay with the request either.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass

from warehouse.control.right import Request
from warehouse.control.vault import Vault

_PLACE = "rights_request.sealed_wish"


@dataclass(frozen=True)
class Wish:
    """An account's, project's, team's or key's (`kind`) name as it is, and as it is to be."""

    kind: str
    old: str
    new: str


def put(control: sqlite3.Connection, vault: Vault, asked: Request, wish: Wish) -> None:
    """Keep what a request asks for."""
    sealed = vault.seal(asked.account_no, _PLACE, json.dumps(asdict(wish)))
    control.execute("UPDATE rights_request SET sealed_wish = ? WHERE request_no = ?", (sealed, asked.request_no))


def of(control: sqlite3.Connection, vault: Vault, asked: Request) -> Wish | None:
    """What an open request asks for; None where it is in words alone, or was taken up."""
    query = "SELECT sealed_wish FROM rights_request WHERE request_no = ? AND state = 'open'"
    row = control.execute(query, (asked.request_no,)).fetchone()
    return None if row is None or row[0] is None else Wish(**json.loads(vault.open(asked.account_no, _PLACE, row[0])))


def take(control: sqlite3.Connection, vault: Vault, asked: Request) -> Wish | None:
    """Take a wish up: whoever comes second finds none, and none stays with the request."""
    found = of(control, vault, asked)
    query = "UPDATE rights_request SET sealed_wish = NULL WHERE request_no = ? AND sealed_wish IS NOT NULL"
    return found if control.execute(query, (asked.request_no,)).rowcount else None
