"""Claims of upstreams: which connection pays for the calls that a gateway sends somewhere, by pattern and by day.

What a log calls an upstream is looked at once: whether a claim fits it is remembered by its number. A claim counts
where its connection is of the call's provider, and of whoever pays for the call; else it is said to count nothing. Of
several the one with the most letters of its own wins, then one that names a gateway, then the one that begins later.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from warehouse import database
from warehouse.control import claim, claim_rule
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError, WarehouseError

# The first and the last day of what has no first or last.
ALWAYS, FOREVER = date(1, 1, 1), date(9999, 12, 31)
_PATTERN = "upstream_claim.sealed_pattern"
_MOST_LETTERS = 256
# upstream_no, account_no, provider, connection_no, first_day, last_day: a row of model.upstream_claim.
Row = tuple[int, int, str, int, date, date]


@dataclass(frozen=True)
class UpstreamClaim:
    """A claim: what pays, for what, when, and how many upstreams it fits and counts for.

    `account_no` is the connection's owner; `pattern` None is one whose key is gone, `gateway` None is every gateway.
    """

    claim_no: int
    connection_no: int
    provider: str
    account_no: int
    pattern: str | None
    gateway: str | None
    first_day: date
    last_day: date
    fits: int
    counts: int


def put(
    control: sqlite3.Connection,
    vault: Vault,
    pattern: str,
    connection_no: int,
    now: datetime,
    *,
    gateway: str | None = None,
    first_day: date = ALWAYS,
    last_day: date = FOREVER,
) -> int:
    """Let a connection pay for what goes to upstreams that look like a pattern, between two UTC days; its number.

    WarehouseError where there is no such connection, the pattern is all stars, or the days are no stretch.
    """
    letters = len(pattern.replace(claim_rule.ANY, ""))
    if not 0 < letters <= _MOST_LETTERS:
        raise WarehouseError("name an upstream as the log does; * stands for any characters, such as openai@*")
    if first_day > last_day:
        raise WarehouseError(f"{first_day} is after {last_day}: the first day comes first")
    owner = control.execute("SELECT account_no FROM connection WHERE connection_no = ?", (connection_no,)).fetchone()
    if owner is None:
        raise WarehouseError("there is no such connection; `apiledger connect claims` shows them by number")
    with database.transaction(control):
        made = control.execute(
            """INSERT INTO upstream_claim (connection_no, account_no, sealed_pattern, letters, gateway, first_day,
                 last_day, claimed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                connection_no,
                owner[0],
                vault.seal(owner[0], _PATTERN, pattern),
                letters,
                gateway,
                first_day.isoformat(),
                last_day.isoformat(),
                database.stamp(now),
            ),
        )
    return int(made.lastrowid or 0)


def end(control: sqlite3.Connection, claim_no: int, last_day: date | None = None) -> None:
    """End a claim with a day that still holds, or take it back as if it had never been; WarehouseError if it cannot.

    A claim ends on no day before its first: that is taking it back.
    """
    found = control.execute("SELECT first_day FROM upstream_claim WHERE claim_no = ?", (claim_no,)).fetchone()
    if found is None:
        raise WarehouseError("there is no such claim; `apiledger connect claims` shows them by number")
    if last_day is None:
        control.execute("DELETE FROM upstream_claim WHERE claim_no = ?", (claim_no,))
    elif last_day.isoformat() < found[0]:
        raise WarehouseError(f"that claim begins on {found[0]}; without --until it is taken back as a whole")
    else:
        query = "UPDATE upstream_claim SET last_day = ? WHERE claim_no = ?"
        control.execute(query, (last_day.isoformat(), claim_no))


def follow(control: sqlite3.Connection, now: datetime) -> int:
    """Hold upstreams against the claims they were not held against yet; how many were looked at."""
    ((newest,),) = control.execute("SELECT max(claim_no) FROM upstream_claim").fetchall()
    if newest is None:
        return 0
    new = control.execute(
        """SELECT no, gateway, outside_id.account_no, sealed, coalesce(seen.claim_no, 0) FROM outside_id
           LEFT JOIN upstream_seen AS seen ON seen.upstream_no = no
           WHERE kind = 'upstream' AND coalesce(seen.claim_no, 0) < ?""",
        (newest,),
    ).fetchall()
    if not new:
        return 0
    vault = Vault(control, now)
    patterns = _patterns(control, vault, min(row[4] for row in new))
    fits, seen = [], []
    for number, gateway, account_no, sealed, since in new:
        text = _opened(vault, account_no, "outside_id.sealed", sealed)
        seen.append((number, account_no, newest))
        fits += [
            (claim_no, number, account_no)
            for claim_no, only, pattern in patterns
            if claim_no > since and only in {None, gateway} and text is not None and pattern.fullmatch(text)
        ]
    with database.transaction(control):
        control.executemany("INSERT OR IGNORE INTO upstream_fit VALUES (?, ?, ?)", fits)
        control.executemany("INSERT OR REPLACE INTO upstream_seen VALUES (?, ?, ?)", seen)
    return len(seen)


def _patterns(control: sqlite3.Connection, vault: Vault, since: int) -> list[tuple[int, str | None, re.Pattern[str]]]:
    found = []
    query = "SELECT claim_no, gateway, account_no, sealed_pattern FROM upstream_claim WHERE claim_no > ?"
    for claim_no, gateway, account_no, sealed in control.execute(query, (since,)).fetchall():
        text = _opened(vault, account_no, _PATTERN, sealed)
        if text is not None:
            found.append((claim_no, gateway, _compiled(text)))
    return found


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split(claim_rule.ANY))), re.DOTALL)


def _opened(vault: Vault, account_no: int, place: str, sealed: str) -> str | None:
    # Whoever is being erased has no key any more.
    with suppress(KeyUnavailableError):
        return vault.open(account_no, place, sealed)
    return None


def texts(control: sqlite3.Connection, vault: Vault, numbers: Collection[int]) -> dict[int, str]:
    """What logs call upstreams, by our numbers; those that cannot be opened are not there."""
    found = {}
    for number in numbers:
        query = "SELECT account_no, sealed FROM outside_id WHERE no = ? AND kind = 'upstream'"
        for account_no, sealed in control.execute(query, (number,)).fetchall():
            text = _opened(vault, account_no, "outside_id.sealed", sealed)
            if text is not None:
                found[number] = text
    return found


def shown(text: str) -> str:
    """What a log calls an upstream, as people read it and may claim it: what cannot be printed is a *."""
    return "".join(letter if letter.isprintable() else claim_rule.ANY for letter in text)


@dataclass(frozen=True)
class _Fit:
    """A claim that fits an upstream and counts for it; the larger `rank` wins."""

    claim_no: int
    upstream_no: int
    account_no: int
    provider: str
    connection_no: int
    rank: tuple[int, bool, str, int]
    first_day: date
    last_day: date


def rows(control: sqlite3.Connection) -> list[Row]:
    """Which connection pays for which upstream's calls on which days: one at most, the claims resolved; sorted."""
    by_place: dict[tuple[int, int, str], list[_Fit]] = defaultdict(list)
    for fit in _counting(control):
        by_place[fit.upstream_no, fit.account_no, fit.provider].append(fit)
    return sorted(
        (*place, number, first, last) for place, fits in by_place.items() for number, first, last in _stretches(fits)
    )


def _counting(control: sqlite3.Connection) -> Iterable[_Fit]:
    """The claims that fit an upstream and whose connection pays for its calls."""
    found = control.execute(
        """SELECT claim_no, upstream_no, fit.account_no, connection.provider, connection.connection_no,
             connection.account_no, letters, gateway, first_day, last_day
           FROM upstream_fit AS fit JOIN upstream_claim USING (claim_no)
           JOIN connection ON connection.connection_no = upstream_claim.connection_no"""
    ).fetchall()
    pays = _Payers(control) if found else None
    for claim_no, upstream_no, account_no, provider, number, owner, letters, gateway, first, last in found:
        if pays is not None and owner in pays.of(account_no, provider):
            rank = (letters, gateway is not None, first, claim_no)
            days = date.fromisoformat(first), date.fromisoformat(last)
            yield _Fit(claim_no, upstream_no, account_no, provider, number, rank, *days)


class _Payers:
    """Whose connections pay for an account's calls at a provider, as `warehouse/payer.py` says it in SQL."""

    def __init__(self, control: sqlite3.Connection) -> None:
        query = "SELECT DISTINCT provider, account_no, is_operator FROM connection"
        owners = control.execute(query).fetchall()
        self._own = {(provider, account_no) for provider, account_no, _ in owners}
        self._house = {(provider, account_no) for provider, account_no, is_operator in owners if is_operator}
        self._holders: dict[int, set[int]] = defaultdict(set)
        for account_no, holder in claim.rows(control):
            self._holders[account_no].add(holder)

    def of(self, account_no: int, provider: str) -> set[int]:
        """The accounts that pay."""
        own = {each for each in {account_no, *self._holders[account_no]} if (provider, each) in self._own}
        return own or {each for at, each in self._house if at == provider}


def _stretches(fits: list[_Fit]) -> list[tuple[int, date, date]]:
    """Connections with their first and last day, one after the other, of claims that may overlap."""
    firsts = {fit.first_day for fit in fits}
    firsts |= {fit.last_day + timedelta(days=1) for fit in fits if fit.last_day < FOREVER}
    starts = sorted(firsts)
    found: list[tuple[int, date, date]] = []
    for place, start in enumerate(starts):
        until = starts[place + 1] - timedelta(days=1) if place + 1 < len(starts) else FOREVER
        there = [fit for fit in fits if fit.first_day <= start <= fit.last_day]
        if not there:
            continue
        number = max(there, key=lambda fit: fit.rank).connection_no
        if found and found[-1][0] == number and found[-1][2] + timedelta(days=1) == start:
            found[-1] = (number, found[-1][1], until)
        else:
            found.append((number, start, until))
    return found


def listed(
    control: sqlite3.Connection, vault: Vault, providers: Mapping[int, Collection[str]] | None = None
) -> list[UpstreamClaim]:
    """Every claim with how many upstreams it fits, and for how many of them it counts, by number.

    `providers` are those whose models are called at an upstream, where that is known.
    """
    counting: dict[int, int] = defaultdict(int)
    for fit in _counting(control):
        if fit.provider in (providers or {}).get(fit.upstream_no, (fit.provider,)):
            counting[fit.claim_no] += 1
    query = """SELECT claim_no, connection.connection_no, provider, upstream_claim.account_no, sealed_pattern, gateway,
                 first_day, last_day,
                 (SELECT count(*) FROM upstream_fit WHERE upstream_fit.claim_no = upstream_claim.claim_no)
               FROM upstream_claim JOIN connection USING (connection_no) ORDER BY claim_no"""
    return [
        UpstreamClaim(
            claim_no,
            number,
            provider,
            account_no,
            _opened(vault, account_no, _PATTERN, sealed),
            gateway,
            date.fromisoformat(first),
            date.fromisoformat(last),
            fits,
            counting[claim_no],
        )
        for claim_no, number, provider, account_no, sealed, gateway, first, last, fits in control.execute(
            query
        ).fetchall()
    ]
