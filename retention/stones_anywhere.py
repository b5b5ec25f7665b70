"""What somebody erased is called wherever they are told of: tombstones that no gateway and no connection bounds.

An account is known by its id and its name, a user by theirs within it, a key by its id, an organisation at a provider
by its key, its own id and the ids of its projects and keys. Each is a keyed hash; its number is drawn, and nothing has
it.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache

from retention.subjects import Subject
from warehouse import database
from warehouse.control import claim, credential, tombstone
from warehouse.control.tombstone import Tombstone
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError

# In a tombstone, the place of the gateway; none is called so. The second is of names like acme/red, a part of acme.
ANYWHERE, PART = "*", "*/"
BOUNDLESS = frozenset({ANYWHERE, PART})
PEOPLE = ("user", "end_user")
# Kinds of what identifies an organisation at a provider, in tombstones.
CREDENTIAL, ORGANISATION, BILLED = "credential", "organisation", "billed"
# Whoever loads now has named what it found at the moment it began.
_LONGEST_LOAD = timedelta(days=2)
_SHORTEST_KEY, _FEWEST_DIGITS = 20, 4


def account_lookup(vault: Vault, name: str) -> bytes:
    """What finds an account in any gateway's log."""
    return vault.lookup("anywhere", "account", name)


def person_lookup(vault: Vault, kind: str, account: str, text: str) -> bytes:
    """What finds a user or end user of an account in any gateway's log."""
    return vault.lookup("anywhere", kind, account, text)


def key_lookup(vault: Vault, text: str) -> bytes | None:
    """What finds a key in any gateway's log; None where two people might call a key so."""
    is_drawn = len(text) >= _SHORTEST_KEY and sum(letter.isdigit() for letter in text) >= _FEWEST_DIGITS
    return vault.lookup("anywhere", "key", text) if is_drawn else None


def billed_lookup(vault: Vault, provider: str, kind: str, text: str) -> bytes:
    """What finds a provider's id of a project, a key or a payer in any connection's bill."""
    return vault.lookup("anywhere", "billed", provider, kind, text)


def organisation_lookup(vault: Vault, provider: str, text: str) -> bytes:
    """What finds an organisation by the id that its provider tells with each answer."""
    return vault.lookup("organisation", provider, text)


def erased_at(control: sqlite3.Connection, kind: str) -> dict[bytes, datetime]:
    """When each subject of a kind was erased last, by what finds it anywhere."""
    return tombstone.erased_at(control, kind, ANYWHERE) | tombstone.erased_at(control, kind, PART)


def of(control: sqlite3.Connection, vault: Vault, subject: Subject, now: datetime) -> list[Tombstone]:
    """The tombstones to lay for a subject besides those of its numbers; asked while its ids still open."""
    numbers = sorted({*subject.numbers, *([subject.account_no] if subject.account_no is not None else [])})
    found: list[tuple[str, str, bytes]] = []
    if subject.kind in PEOPLE:
        found += _people(control, vault, subject)
    elif numbers:
        found += (("account", _place(name), account_lookup(vault, name)) for name in _names(control, vault, subject))
        found += _keys(control, vault, numbers)
        found += _bills(control, vault, numbers)
    return [_drawn(*each, now) for each in dict.fromkeys(found)]


def late(control: sqlite3.Connection, vault: Vault, erasure_no: int) -> list[Tombstone]:
    """Numbers that a load which was under way gave to the erased in other gateways' logs, as `forget.late`."""
    laid = {
        (stone.kind, stone.lookup): stone
        for stone in tombstone.of_erasure(control, erasure_no)
        if stone.gateway in BOUNDLESS and stone.kind in {"account", *PEOPLE}
    }
    if not laid:
        return []
    begun = min(stone.erased_at for stone in laid.values())
    ((kind, _), *_) = laid
    query = "SELECT no, account_no, gateway, lookup, sealed FROM outside_id WHERE kind = ? AND first_seen_at >= ?"
    found, names = [], cache(lambda account_no: _called_accounts(control, vault, account_no))
    for number, account_no, gateway, own, sealed in control.execute(
        query, (kind, database.stamp(begun - _LONGEST_LOAD))
    ).fetchall():
        if kind == "account":
            # One that has another name, too, was there before and is somebody else.
            lookups = {account_lookup(vault, name) for name in names(number) - {f"account {number}"}}
            is_theirs = bool(lookups) and all((kind, lookup) in laid for lookup in lookups)
        else:
            text = _opened(vault, account_no, sealed)
            called = names(account_no) if text is not None else ()
            is_theirs = any((kind, person_lookup(vault, kind, name, text or "")) in laid for name in called)
        if is_theirs:
            found.append(Tombstone(kind, gateway, own, number, begun))
    return found


def _called_accounts(control: sqlite3.Connection, vault: Vault, account_no: int) -> set[str]:
    """The id of an account in its gateway's log, and the name it has now."""
    names = {
        label
        for (label,) in control.execute("SELECT label FROM label WHERE no = ? AND valid_to IS NULL", (account_no,))
    }
    for (sealed,) in control.execute("SELECT sealed FROM outside_id WHERE no = ?", (account_no,)).fetchall():
        text = _opened(vault, account_no, sealed)
        names |= set() if text is None else {text}
    return names


def _names(control: sqlite3.Connection, vault: Vault, subject: Subject) -> list[str]:
    """What an account is called; not what another account that stays is called now."""
    names = {name for number in subject.numbers for name in _called_accounts(control, vault, number)}
    if subject.account_no is not None:
        names |= set(claim.labels_of(control, subject.account_no))
    mine = ", ".join(str(int(number)) for number in subject.numbers)
    others = {
        label
        for (label,) in control.execute(
            f"""SELECT DISTINCT label.label FROM label JOIN outside_id ON outside_id.no = label.no
                WHERE kind = 'account' AND valid_to IS NULL AND outside_id.no NOT IN ({mine})"""
        )
    }
    return sorted(name for name in names if name and name not in others)


def _place(name: str) -> str:
    return PART if "/" in name else ANYWHERE


def _people(control: sqlite3.Connection, vault: Vault, subject: Subject) -> Iterator[tuple[str, str, bytes]]:
    for number, _, account_no, _ in subject.ids:
        ((sealed,),) = control.execute("SELECT sealed FROM outside_id WHERE no = ?", (number,)).fetchall()
        text = _opened(vault, account_no, sealed)
        if text is not None:
            for name in sorted(_called_accounts(control, vault, account_no)):
                yield subject.kind, _place(name), person_lookup(vault, subject.kind, name, text)


def _keys(control: sqlite3.Connection, vault: Vault, numbers: list[int]) -> Iterator[tuple[str, str, bytes]]:
    for _, _, text in _texts(control, vault, numbers, ("key",)):
        lookup = key_lookup(vault, text)
        if lookup is not None:
            yield "key", ANYWHERE, lookup


def _bills(control: sqlite3.Connection, vault: Vault, numbers: list[int]) -> Iterator[tuple[str, str, bytes]]:
    """By what a provider's organisation is known that one of these accounts has connected."""
    listed = ", ".join(map(str, numbers))
    query = f"SELECT connection_no, provider, used_key FROM connection WHERE account_no IN ({listed})"
    providers = set()
    for connection_no, provider, used_key in control.execute(query).fetchall():
        providers.add(provider)
        for lookup in {used_key, credential.living_lookup(control, connection_no)} - {None}:
            yield CREDENTIAL, provider, lookup
        told = "SELECT lookup FROM billed_organisation WHERE connection_no = ?"
        for (lookup,) in control.execute(told, (connection_no,)).fetchall():
            yield ORGANISATION, provider, lookup
    if providers:
        for kind, gateway, text in _texts(control, vault, numbers, ("project", "key")):
            if gateway in providers:
                yield BILLED, gateway, billed_lookup(vault, gateway, kind, text)


def _texts(
    control: sqlite3.Connection, vault: Vault, numbers: list[int], kinds: Iterable[str]
) -> Iterator[tuple[str, str, str]]:
    """Kind, gateway and text of what accounts have of some kinds."""
    listed, named = ", ".join(map(str, numbers)), ", ".join(f"'{kind}'" for kind in kinds)
    query = f"""SELECT account_no, kind, gateway, sealed FROM outside_id
                WHERE account_no IN ({listed}) AND kind IN ({named}) ORDER BY no"""
    for account_no, kind, gateway, sealed in control.execute(query).fetchall():
        text = _opened(vault, account_no, sealed)
        if text is not None:
            yield kind, gateway, text


def _opened(vault: Vault, account_no: int, sealed: str) -> str | None:
    try:
        return vault.open(account_no, "outside_id.sealed", sealed)
    except KeyUnavailableError:
        # Sealed under a key that is gone: nobody can offer what nobody can read.
        return None


def _drawn(kind: str, gateway: str, lookup: bytes, now: datetime) -> Tombstone:
    return Tombstone(kind, gateway, lookup, secrets.randbelow(2**53 - 1) + 1, now)
