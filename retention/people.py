"""Who signs in here, as a subject: an account with all it holds, or one of its members alone.

An account takes along its members, claims, connections, budgets, mails, the data key, and the calls of every label it
holds. A label it let go of is somebody else's. A member takes their address, password, sessions, links, and from where
they signed in; what co-owners keep is the account's: its labels with their calls, its budgets, whose mails go to the
owner of longest standing from then on, its connections, and who looked into it.
"""

import re
import sqlite3

from retention import subjects
from retention.errors import RetentionError
from retention.subjects import Subject
from warehouse.control import budget as budgets
from warehouse.control import claim
from warehouse.control import member as members
from warehouse.control import ticket as tickets
from warehouse.control.member import Member
from warehouse.control.vault import Vault

KINDS = ("account", "member", "user", "end_user")
_NOBODY = "nobody is called so here: `apiledger account list` shows accounts by number"


def find(control: sqlite3.Connection, vault: Vault, kind: str, text: str, account: str | None = None) -> Subject:
    """The subject of an outside id, a name, a number or an address; RetentionError as `subjects.find`.

    An account is also found by its number or a member's address, a member by either of theirs.
    """
    if kind == "member":
        return member(control, member_named(control, vault, text).member_no)
    number = _account_no(control, vault, text) if kind == "account" else None
    if number is None:
        return subjects.find(control, vault, kind, text, account)
    return of_account(control, vault, number)


def _account_no(control: sqlite3.Connection, vault: Vault, text: str) -> int | None:
    if re.fullmatch(r"\d{1,16}", text, re.ASCII):
        row = control.execute("SELECT account_no FROM account WHERE account_no = ?", (int(text),)).fetchone()
        return None if row is None else int(row[0])
    found = members.find(control, vault, text) if "@" in text else None
    return None if found is None else found[0].account_no


def member_named(control: sqlite3.Connection, vault: Vault, text: str) -> Member:
    """The member of an address or a number; RetentionError where there is none."""
    if re.fullmatch(r"\d{1,16}", text, re.ASCII):
        found = members.of_number(control, int(text))
    else:
        named = members.find(control, vault, text)
        found = None if named is None else named[0]
    if found is None:
        raise RetentionError(_NOBODY)
    return found


def of_account(control: sqlite3.Connection, vault: Vault, account_no: int) -> Subject:
    """An account that people sign in to, with every gateway account whose label it holds; not the operator's."""
    row = control.execute("SELECT is_operator FROM account WHERE account_no = ?", (account_no,)).fetchone()
    if row is None:
        raise RetentionError(_NOBODY)
    if row[0]:
        raise RetentionError("this account owns the installation: remove its home as a whole to erase it")
    ids: dict[int, tuple[int, str, int, bytes]] = {}
    for label in claim.labels_of(control, account_no):
        rows = control.execute(
            """SELECT outside_id.no, gateway, account_no, lookup FROM outside_id
               JOIN label ON label.no = outside_id.no AND label.valid_to IS NULL
               WHERE kind = 'account' AND label.label = ?""",
            (label,),
        )
        ids |= {each[0]: each for each in rows}
    subjects.hold_no_owner(vault, list(ids.values()))
    return Subject("account", tuple(ids[number] for number in sorted(ids)), account_no=account_no)


def member(control: sqlite3.Connection, member_no: int) -> Subject:
    """One member; RetentionError for the last owner of an account, which would be nobody's."""
    subject = Subject("member", (), member_no=member_no)
    hold_there(control, subject)
    return subject


def hold_there(control: sqlite3.Connection, subject: Subject) -> None:
    """RetentionError where the subject is not there, or not any more; two who ask at once begin one erasure."""
    if subject.member_no is not None:
        _hold_owner(control, subject.member_no)
        return
    place = ("outside_id", "no", subject.numbers)
    if subject.account_no is not None:
        place = ("account", "account_no", [subject.account_no])
    table, column, numbers = place
    listed = ", ".join(str(number) for number in numbers)
    if control.execute(f"SELECT 1 FROM {table} WHERE {column} IN ({listed})").fetchone() is None:
        raise RetentionError("they are being erased already; `apiledger erase resume` goes on with it")


def _hold_owner(control: sqlite3.Connection, member_no: int) -> None:
    row = control.execute("SELECT account_no, role FROM member WHERE member_no = ?", (member_no,)).fetchone()
    if row is None:
        raise RetentionError(_NOBODY)
    others = [each for each in members.of_account(control, row[0]) if each.member_no != member_no]
    if row[1] == "owner" and not any(each.is_owner for each in others):
        raise RetentionError("an account keeps its last owner: invite another one first, or erase the account")


def is_shown(control: sqlite3.Connection, subject: Subject) -> bool:
    """Whether a version may tell of the subject: of a member none does, nor of an account that has no data yet."""
    if subject.member_no is not None:
        return False
    if subject.ids:
        return True
    held = ("connection", "zone", "plan", "invoice")
    union = " UNION ALL ".join(f"SELECT account_no FROM {table}" for table in held)
    query = f"SELECT 1 FROM ({union}) WHERE account_no = ?"
    return control.execute(query, (subject.account_no,)).fetchone() is not None


def needles(control: sqlite3.Connection, vault: Vault, subject: Subject) -> list[str]:
    """What the files are searched for: as `subjects.needles`, and the addresses of members and of the invited."""
    found = subjects.needles(control, vault, subject) if subject.ids else []
    there = _members(control, subject)
    found += [email for one in there if (email := members.email_of(control, vault, one))]
    if subject.account_no is not None:
        found += [email for _, email in tickets.invited(control, vault, subject.account_no)]
    return list(dict.fromkeys(found))


def _members(control: sqlite3.Connection, subject: Subject) -> list[Member]:
    if subject.member_no is None:
        return [] if subject.account_no is None else members.of_account(control, subject.account_no)
    query = "SELECT account_no FROM member WHERE member_no = ?"
    (account_no,) = control.execute(query, (subject.member_no,)).fetchone()
    return [one for one in members.of_account(control, account_no) if one.member_no == subject.member_no]


def hand_over(control: sqlite3.Connection, vault: Vault, subject: Subject) -> None:
    """What of a member's is in their account's own things: a budget's address and an open invitation to theirs.

    The caller holds the transaction.
    """
    if subject.member_no is None:
        return
    (leaving,) = _members(control, subject)
    email = members.email_of(control, vault, leaving)
    if email is None:
        return
    others = [each for each in members.of_account(control, leaving.account_no) if each.member_no != leaving.member_no]
    heirs = [address for one in others if one.is_owner and (address := members.email_of(control, vault, one))]
    budgets.readdress(control, vault, email, heirs[0] if heirs else None)
    for found_by, invited in tickets.invited(control, vault, leaving.account_no):
        if invited.casefold() == email.casefold():
            control.execute("DELETE FROM ticket WHERE lookup = ?", (found_by,))
