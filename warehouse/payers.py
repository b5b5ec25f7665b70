"""Who pays with which connections, some accounts at a time: what many of them tell need not fit into memory at once."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

import duckdb

# provider, account_no: who pays with which connections.
Payer = tuple[str, int]

# How much each account's month is, of what providers tell and of what logs tell.
_ROWS = """
    WITH told AS (
        SELECT connection_no FROM model.usage_reported WHERE day BETWEEN $first AND $last
        UNION ALL SELECT connection_no FROM model.charges WHERE day BETWEEN $first AND $last
    )
    SELECT connection.account_no FROM told JOIN model.connection AS connection USING (connection_no)
    UNION ALL
    SELECT coalesce(claim.holder_no, call.account_no) FROM model.usage_daily AS call
    LEFT JOIN model.claim AS claim ON claim.account_no = call.account_no
    WHERE call.day BETWEEN $first AND $last"""
# Rows of a turn: a month of many connections need not fit into memory at once.
_TURN_ROWS = 60_000


def turns(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> Iterator[dict[Payer, list[int]]]:
    """The payers with their connections, some at a time; all that one account pays is in the same turn."""
    counted = f"SELECT account_no, count(*) FROM ({_ROWS}) GROUP BY account_no"
    rows = dict(connection.execute(counted, {"first": first, "last": last}).fetchall())
    accounts: dict[int, dict[Payer, list[int]]] = defaultdict(dict)
    for payer, numbers in _payers(connection).items():
        accounts[payer[1]][payer] = numbers
    turn: dict[Payer, list[int]] = {}
    held = 0
    for account_no, payers in sorted(accounts.items()):
        if turn and held + rows.get(account_no, 0) > _TURN_ROWS:
            yield turn
            turn, held = {}, 0
        turn |= payers
        held += rows.get(account_no, 0)
    if turn:
        yield turn


def _payers(connection: duckdb.DuckDBPyConnection) -> dict[Payer, list[int]]:
    payers: dict[Payer, list[int]] = defaultdict(list)
    for provider, account_no, number in connection.execute(
        "SELECT provider, account_no, connection_no FROM model.connection ORDER BY ALL"
    ).fetchall():
        payers[provider, account_no].append(number)
    return payers
