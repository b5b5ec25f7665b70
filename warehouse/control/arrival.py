"""Arrivals: from which networks a member has signed in, as keyed hashes, and whether this one is new.

A network is the first 24 bits of an IPv4 address and the first 48 of an IPv6 one: within it a provider gives a person
another address every day, and that alarms nobody.
"""

import ipaddress
import sqlite3
from datetime import datetime, timedelta

from warehouse import database
from warehouse.control import audit, notice
from warehouse.control.member import Member
from warehouse.control.vault import Vault

_BITS = {4: 24, 6: 48}
# Who made their account just now signs in for the first time from somewhere.
_NEWCOMER = timedelta(days=1)


def note(
    control: sqlite3.Connection, vault: Vault, member: Member, ip: str, now: datetime, *, is_known: bool = False
) -> bool:
    """Note from where a member signs in, before their session begins; a new place is told to them, once.

    `is_known` where the place is known in another way. Returns whether it was new.
    """
    found_by = vault.lookup("arrival", str(member.member_no), network(ip))
    with database.transaction(control):
        seen = control.execute("SELECT 1 FROM known_place WHERE lookup = ?", (found_by,)).fetchone() is not None
        control.execute(
            "INSERT OR REPLACE INTO known_place (lookup, seen_at, member_no) VALUES (?, ?, ?)",
            (found_by, database.stamp(now), member.member_no),
        )
        is_new = not (seen or is_known or _is_first(control, member, now))
        if is_new:
            audit.note(control, "sign_in.new_place", now, object_no=member.member_no)
            notice.tell(control, member, "sign_in", now)
    return is_new


def network(ip: str) -> str:
    """The network of an address; what is none is its own."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, _BITS[address.version]), strict=False))


def _is_first(control: sqlite3.Connection, member: Member, now: datetime) -> bool:
    query = """SELECT 1 FROM member WHERE member_no = ? AND created_at > ?
               AND NOT EXISTS (SELECT 1 FROM session WHERE session.member_no = member.member_no)"""
    row = control.execute(query, (member.member_no, database.stamp(now - _NEWCOMER))).fetchone()
    return row is not None
