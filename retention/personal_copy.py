"""The copy of one person: a member, a gateway's user or an end user, in the form of a bundle, their own rows alone.

Tables are found by the columns that carry a person's number, so that one added tomorrow is told, too. Numbers of other
people on the same rows are left out.
"""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from retention import bundle, held_data, holding, policy, portability, stores
from retention.held_data import Dataset, listed
from retention.subjects import Subject
from warehouse import database, withholding
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.home import Home
from warehouse.tables import Column

# How many copies of users wait to be fetched at the most: clicking does not fill the disk.
MOST_WAITING = 20
_PEOPLE = {"user": "user_no", "end_user": "end_user_no"}
# Who pays for a call is the account's to know.
_BLANKED = ("connection_no", "payer_no")
# Where the operator looked into an account is that account's; that somebody looked is among their acts.
_OF_OTHERS = frozenset({"opening"})
_ADDRESSES = ("sealed_address", "sealed_email")
_ACT = {"audit_no": "BIGINT", "at": "VARCHAR", "act": "VARCHAR", "detail": "VARCHAR"}


def of_member(home: Home, control: sqlite3.Connection, member: Member, request_no: int, now: datetime) -> Path:
    """Write what is held of a member alone, in the place of their earlier copies; gives its path. `now` is naive UTC.

    What their account has is in the account's bundle, for its owners.
    """
    about = {"subject": "member", "account_no": member.account_no, "member_no": member.member_no}
    path = _written(home, request_no, now, about, lambda: _of_member(control, Vault(control, now), member))
    query = "SELECT request_no FROM rights_request WHERE member_no = ? AND subject = 'member' AND request_no <> ?"
    _remove(home, [number for (number,) in control.execute(query, (member.member_no, request_no))])
    return path


def of_subject(
    home: Home, control: sqlite3.Connection, subject: Subject, owner_no: int, request_no: int, now: datetime
) -> Path:
    """Write what is held of a gateway's user or end user, asked for by the account `owner_no`; gives its path.

    WarehouseError while nothing is published, WithheldError where somebody began to be erased meanwhile. The newest
    MOST_WAITING of the account stay.
    """
    with database.published(home) as version:
        ((number, as_of),) = version.execute("SELECT version, as_of FROM mart.published").fetchall()
        about = {
            "subject": subject.kind,
            "account_no": owner_no,
            "numbers": subject.numbers,
            "published_version": number,
            "as_of": database.stamp(as_of),
        }
        path = _written(home, request_no, now, about, lambda: _of_subject(control, version, subject, now))
    query = """SELECT request_no FROM rights_request WHERE account_no = ? AND subject IN ('user', 'end_user')
               ORDER BY request_no DESC LIMIT -1 OFFSET ?"""
    _remove(home, [number for (number,) in control.execute(query, (owner_no, MOST_WAITING))])
    return path


def _written(
    home: Home, request_no: int, now: datetime, about: dict[str, Any], datasets: Callable[[], Iterator[Dataset]]
) -> Path:
    path, held = portability.bundle_file(home, request_no), policy.load(home.root / "policy.toml")
    told = {"made_at": database.stamp(now), "home": "sandbox" if home.is_sandbox else "own", **about}
    with bundle.written(path, told) as out:
        for dataset in datasets():
            withholding.hold(home)
            is_control, name = dataset.name.startswith("control."), dataset.name.removeprefix("control.")
            out.add(dataset, portability.clause(held, "control" if is_control else "build", name))
        withholding.hold(home)
    return path


def _remove(home: Home, numbers: list[int]) -> None:
    stores.remove([portability.bundle_file(home, number) for number in numbers])


def _of_member(control: sqlite3.Connection, vault: Vault, member: Member) -> Iterator[Dataset]:
    number, email = member.member_no, members.email_of(control, vault, member)
    accounts = listed(holding.of_account(control, member.account_no).numbers)
    for name, columns in held_data.told_by_control(control).items():
        only = [f"member_no = {number}"] if "member_no" in columns and name not in _OF_OTHERS else []
        for column in [each for each in _ADDRESSES if each in columns and "account_no" in columns and email]:
            query = f"SELECT rowid, account_no, {column} FROM {name} WHERE account_no IN ({accounts})"
            rows = [
                row
                for row, owner, sealed in control.execute(f"{query} AND {column} IS NOT NULL").fetchall()
                if vault.open(owner, f"{name}.{column}", sealed).casefold() == str(email).casefold()
            ]
            only += [f"rowid IN ({listed(rows)})"] if rows else []
        if only:
            yield held_data.control_dataset(control, vault, name, columns, " OR ".join(only), (number,))
    yield _acts(control, number)


def _acts(control: sqlite3.Connection, number: int) -> Dataset:
    columns = tuple(Column(name, kind, "") for name, kind in _ACT.items())
    query = f"SELECT {', '.join(_ACT)} FROM audit WHERE actor_no = ? OR object_no = ? ORDER BY audit_no"
    return held_data.of_rows("control.audit", "Acts by or about you", columns, control, query, (number, number))


def _of_subject(
    control: sqlite3.Connection, version: duckdb.DuckDBPyConnection, subject: Subject, now: datetime
) -> Iterator[Dataset]:
    column, vault = _PEOPLE[subject.kind], Vault(control, now)
    only = f"{column} IN ({listed(subject.numbers)})"
    clients = version.execute(f"SELECT DISTINCT client_no FROM model.requests WHERE {only} AND client_no IS NOT NULL")
    own = {"no": listed(subject.numbers), "client_no": listed(number for (number,) in clients.fetchall())}
    for name, columns in held_data.told_by_control(control).items():
        for key in [each for each in own if each in columns]:
            yield held_data.control_dataset(control, vault, name, columns, f"{key} IN ({own[key]})", ())
    of_calls = f"request_no IN (SELECT request_no FROM model.requests WHERE {only})"
    others = {*_BLANKED, *_PEOPLE.values()} - {column}
    for table, meaning, told in held_data.version_tables(version):
        names = [each.name for each in told]
        if column not in names and "request_no" not in names:
            continue
        selected = ", ".join(
            f"{'NULL' if name in others else held_data.name_of(name)} AS {held_data.name_of(name)}" for name in names
        )
        query = f"SELECT {selected} FROM {table} WHERE {only if column in names else of_calls}"
        yield Dataset(table, meaning, told, held_data.asked(version, query))
