"""Clients: IP address and user agent, sealed, behind a number that is new each day.

New each day, so that the days a number is kept are the days a person can be followed by it. Read by nothing but the
security log and the rights of the person; no mart and no page names these columns.
"""

import secrets
import sqlite3
from collections.abc import Iterable

from warehouse.control.vault import Vault


def numbers(
    control: sqlite3.Connection, vault: Vault, clients: Iterable[tuple[str, int, str | None, str | None]]
) -> list[int]:
    """The number of each (day, account_no, ip, user_agent), in the order given; new ones are sealed and kept.

    The caller holds the transaction.
    """
    return [_number(control, vault, *client) for client in clients]


def _number(
    control: sqlite3.Connection, vault: Vault, day: str, account_no: int, ip: str | None, user_agent: str | None
) -> int:
    lookup = vault.lookup("client", day, str(account_no), ip or "", user_agent or "")
    row = control.execute("SELECT client_no FROM client WHERE lookup = ?", (lookup,)).fetchone()
    if row is not None:
        return int(row[0])
    number = secrets.randbelow(2**53 - 1) + 1
    sealed_ip = None if ip is None else vault.seal(account_no, "client.sealed_ip", ip)
    sealed_agent = None if user_agent is None else vault.seal(account_no, "client.sealed_user_agent", user_agent)
    control.execute(
        "INSERT INTO client VALUES (?, ?, ?, ?, ?, ?)", (number, day, account_no, lookup, sealed_ip, sealed_agent)
    )
    return number
