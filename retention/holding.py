"""Whose data a request is about: an account with all that it holds, in the control store and in the logs.

An account that signs in has the labels it claims; one that nobody claims stands by itself. The operator's has what
nobody else claims.
"""

import re
import sqlite3
from dataclasses import dataclass

from retention import subjects
from retention.errors import RetentionError
from retention.subjects import Subject
from warehouse.control import claim
from warehouse.control import member as members
from warehouse.control.vault import Vault


@dataclass(frozen=True)
class Holding:
    """An account: what its requests are kept under, every number it has, and its names in the logs."""

    owner_no: int
    is_operator: bool
    numbers: tuple[int, ...]
    labels: tuple[str, ...]


def find(control: sqlite3.Connection, vault: Vault, text: str) -> Holding:
    """The holding of an account's number, a member's e-mail address, or an account of the logs by id or name.

    RetentionError where nobody is called so.
    """
    if "@" in text and (found := members.find(control, vault, text)):
        return of_account(control, found[0].account_no)
    if re.fullmatch(r"\d{1,18}", text, re.ASCII) and int(text) in dict(members.accounts(control)):
        return of_account(control, int(text))
    subject = subjects.find(control, vault, "account", text)
    labels = _labels(control, subject.numbers)
    for label in labels:
        if (holder := claim.holder_of(control, label)) is not None:
            return of_account(control, holder)
    return Holding(subject.numbers[0], is_operator=False, numbers=tuple(subject.numbers), labels=labels)


def owner_of(control: sqlite3.Connection, subject: Subject) -> int:
    """The account that requests about a user of a gateway are kept under: who claims it, or the log's own."""
    number = subject.ids[0][2]
    for label in _labels(control, [number]):
        if (holder := claim.holder_of(control, label)) is not None:
            return holder
    return number


def of_account(control: sqlite3.Connection, account_no: int) -> Holding:
    """The holding of an account that signs in; RetentionError where there is none of this number."""
    known = dict(members.accounts(control))
    if account_no not in known:
        raise RetentionError("there is no such account; `apiledger account list` shows them by number")
    query = """SELECT outside_id.no, label.label FROM outside_id
               LEFT JOIN label ON label.no = outside_id.no AND label.valid_to IS NULL
               WHERE outside_id.kind = 'account'"""
    rows = control.execute(query).fetchall()
    if known[account_no]:
        others = set(claim.labels_of_others(control, account_no))
        mine = [number for number, label in rows if label not in others]
    else:
        own = set(claim.labels_of(control, account_no))
        mine = [number for number, label in rows if label in own]
    numbers = tuple(sorted({account_no, *mine}))
    return Holding(account_no, known[account_no], numbers, _labels(control, mine))


def _labels(control: sqlite3.Connection, numbers: list[int]) -> tuple[str, ...]:
    listed = ", ".join(map(str, numbers)) or "NULL"
    query = f"SELECT DISTINCT label FROM label WHERE valid_to IS NULL AND no IN ({listed}) ORDER BY label"
    return tuple(label for (label,) in control.execute(query))
