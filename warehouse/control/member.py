"""Members: who may sign in to an account, in which role, and what they agreed to. The first account is the operator's.

An e-mail address rests sealed under its account's data key and is found by a keyed hash; a password rests as its
argon2id hash. Nothing here is ever written to the warehouse's file.
"""

import json
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from warehouse import database
from warehouse.control import acceptance, audit
from warehouse.control.connection import OPERATOR
from warehouse.control.outside_id import UNNAMED_ACCOUNT, OutsideIds
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError

Role = Literal["owner", "editor", "viewer"]
ROLES: tuple[Role, ...] = ("owner", "editor", "viewer")
_EMAIL = "member.sealed_email"
COLUMNS = "member_no, member.account_no, is_operator, role, projects, password_hash IS NOT NULL"
_FROM = "member JOIN account ON account.account_no = member.account_no"


class MemberError(WarehouseError):
    """A member or an account that is asked for is not there, or may not be changed so."""


@dataclass(frozen=True)
class Member:
    """A member: their account, role, and the projects a viewer is limited to; None is all of the account's."""

    member_no: int
    account_no: int
    is_operator: bool
    role: Role
    projects: tuple[str, ...] | None
    has_password: bool

    @property
    def is_owner(self) -> bool:
        """Whether they may invite and remove members."""
        return self.role == "owner"


def of_row(row: Sequence[object]) -> Member:
    """The member of a row of `COLUMNS`."""
    number, account_no, is_operator, role, projects, has_password = row
    return Member(
        cast("int", number),
        cast("int", account_no),
        bool(is_operator),
        cast("Role", role),
        None if projects is None else tuple(json.loads(cast("str", projects))),
        bool(has_password),
    )


def operator(control: sqlite3.Connection, vault: Vault, now: datetime) -> Member:
    """The operator's first owner, made with the account at the first use; without address and password until set.

    The caller says that who uses the printed link accepts the policy: the row carries its version.
    """
    query = f"""SELECT {COLUMNS} FROM {_FROM} WHERE is_operator = 1 AND role = 'owner'
        ORDER BY member.created_at, member_no LIMIT 1"""
    row = control.execute(query).fetchone()
    if row is None:
        with database.transaction(control):
            ids = OutsideIds(control, vault, now)
            account_no = ids.accounts(OPERATOR, [UNNAMED_ACCOUNT])[UNNAMED_ACCOUNT]
            if not control.execute("SELECT 1 FROM account WHERE account_no = ?", (account_no,)).fetchone():
                control.execute("INSERT INTO account VALUES (?, 1, ?)", (account_no, database.stamp(now)))
            if control.execute(query).fetchone() is None:
                _insert(control, account_no, "owner", None, None, None, None, now)
        row = control.execute(query).fetchone()
    return of_row(row)


def sign_up(control: sqlite3.Connection, vault: Vault, email: str, password_hash: str, now: datetime) -> bool:
    """A new account with its owner; False, and nothing changed, where the address has an account already.

    The address is one that was checked, the person confirmed to be 18 and accepted the policy that holds now.
    """
    with database.transaction(control):
        if _known(control, vault, email):
            return False
        account_no = secrets.randbelow(2**53 - 1) + 1
        control.execute("INSERT INTO account VALUES (?, 0, ?)", (account_no, database.stamp(now)))
        sealed = vault.seal(account_no, _EMAIL, email)
        audit.note(control, "account.made", now, object_no=account_no)
        _insert(control, account_no, "owner", None, lookup(vault, email), sealed, password_hash, now)
    return True


def join(
    control: sqlite3.Connection,
    vault: Vault,
    account_no: int,
    role: Role,
    projects: tuple[str, ...] | None,
    email: str,
    password_hash: str,
    now: datetime,
) -> int | None:
    """A further member of an account; None where the address has an account. The caller holds the transaction."""
    if _known(control, vault, email):
        return None
    sealed = vault.seal(account_no, _EMAIL, email)
    return _insert(control, account_no, role, projects, lookup(vault, email), sealed, password_hash, now)


def _insert(
    control: sqlite3.Connection,
    account_no: int,
    role: Role,
    projects: tuple[str, ...] | None,
    found_by: bytes | None,
    sealed: str | None,
    password_hash: str | None,
    now: datetime,
) -> int:
    number = secrets.randbelow(2**53 - 1) + 1
    listed = None if projects is None else json.dumps(projects)
    text = acceptance.newest(control)
    version = acceptance.SHIPPED_VERSION if text is None else text.version
    row = (number, account_no, role, listed, found_by, sealed, password_hash, version, 1, database.stamp(now))
    control.execute("INSERT INTO member VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    acceptance.accept(control, number, account_no, now)
    audit.note(control, "member.joined", now, object_no=number, detail=f"role={role}")
    return number


def lookup(vault: Vault, email: str) -> bytes:
    """The keyed hash that finds an address again; it is the same however its letters are cased."""
    return vault.lookup("member", email.casefold())


def _known(control: sqlite3.Connection, vault: Vault, email: str) -> bool:
    query = "SELECT 1 FROM member WHERE lookup = ?"
    return control.execute(query, (lookup(vault, email),)).fetchone() is not None


def find(control: sqlite3.Connection, vault: Vault, email: str) -> tuple[Member, str | None] | None:
    """The member of an address with the hash of their password; None where there is none."""
    query = f"SELECT {COLUMNS}, password_hash FROM {_FROM} WHERE lookup = ?"
    row = control.execute(query, (lookup(vault, email),)).fetchone()
    return None if row is None else (of_row(row[:-1]), row[-1])


def find_by(control: sqlite3.Connection, found_by: bytes) -> Member | None:
    """The member of an address's keyed hash; None where there is none."""
    row = control.execute(f"SELECT {COLUMNS} FROM {_FROM} WHERE lookup = ?", (found_by,)).fetchone()
    return None if row is None else of_row(row)


def of_number(control: sqlite3.Connection, member_no: int) -> Member | None:
    """The member of a number; None where there is none."""
    row = control.execute(f"SELECT {COLUMNS} FROM {_FROM} WHERE member_no = ?", (member_no,)).fetchone()
    return None if row is None else of_row(row)


def of_account(control: sqlite3.Connection, account_no: int) -> list[Member]:
    """The members of an account, the first one first."""
    query = f"SELECT {COLUMNS} FROM {_FROM} WHERE member.account_no = ? ORDER BY member.created_at, member_no"
    return [of_row(row) for row in control.execute(query, (account_no,))]


def email_of(control: sqlite3.Connection, vault: Vault, member: Member) -> str | None:
    """A member's address, opened; None for the operator who has set none."""
    query = "SELECT sealed_email FROM member WHERE member_no = ?"
    row = control.execute(query, (member.member_no,)).fetchone()
    return None if row is None or row[0] is None else vault.open(member.account_no, _EMAIL, row[0])


def password_of(control: sqlite3.Connection, member: Member) -> str | None:
    """The hash of a member's password; None where they have none."""
    query = "SELECT password_hash FROM member WHERE member_no = ?"
    row = control.execute(query, (member.member_no,)).fetchone()
    return None if row is None else cast("str | None", row[0])


def set_password(control: sqlite3.Connection, member_no: int, password_hash: str) -> None:
    """Another password; the caller ends the sessions that the one before began."""
    control.execute("UPDATE member SET password_hash = ? WHERE member_no = ?", (password_hash, member_no))


def set_email(control: sqlite3.Connection, vault: Vault, member: Member, email: str) -> bool:
    """Another address for a member; False where another member has it."""
    with database.transaction(control):
        query = "SELECT 1 FROM member WHERE lookup = ? AND member_no <> ?"
        if control.execute(query, (lookup(vault, email), member.member_no)).fetchone():
            return False
        sealed = vault.seal(member.account_no, _EMAIL, email)
        query = "UPDATE member SET lookup = ?, sealed_email = ? WHERE member_no = ?"
        control.execute(query, (lookup(vault, email), sealed, member.member_no))
    return True


def change(
    control: sqlite3.Connection,
    account_no: int,
    member_no: int,
    role: Role,
    projects: tuple[str, ...] | None,
    now: datetime,
    actor_no: int | None = None,
) -> None:
    """Another role, and for a viewer the projects they see (None: all); written down with who did it.

    MemberError of a member of another account, and of the last owner.
    """
    with database.transaction(control):
        there = {member.member_no: member for member in of_account(control, account_no)}
        if member_no not in there:
            raise MemberError("there is no such member")
        if role != "owner" and not any(member.is_owner for number, member in there.items() if number != member_no):
            raise MemberError("an account keeps its last owner; make another one first")
        listed = None if projects is None or role != "viewer" else json.dumps(projects)
        control.execute("UPDATE member SET role = ?, projects = ? WHERE member_no = ?", (role, listed, member_no))
        limit = "all" if listed is None else str(len(projects or ()))
        said = f"role={there[member_no].role}->{role} projects={limit}"
        audit.note(control, "member.role", now, actor_no=actor_no, object_no=member_no, detail=said)


def accounts(control: sqlite3.Connection) -> list[tuple[int, bool]]:
    """Every account's number and whether it is the operator's, the oldest first."""
    query = "SELECT account_no, is_operator FROM account ORDER BY created_at, account_no"
    return [(number, bool(is_operator)) for number, is_operator in control.execute(query)]
