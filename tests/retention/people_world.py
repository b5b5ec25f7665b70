"""People who sign in to a home of canaries: an account with two owners and a viewer, another, and the operator's."""

import sqlite3
from dataclasses import dataclass
from datetime import timedelta

from tests.retention.erased_world import NOW, Canary
from warehouse import database
from warehouse.control import claim, session, throttle, ticket
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.home import Home

HASH = "$argon2id$v=19$made-up"


@dataclass(frozen=True)
class People:
    """The addresses of an account's members, and what their browsers hold."""

    account_no: int
    first: str
    second: str
    viewer: str
    tokens: dict[str, str]

    def member(self, home: Home, email: str) -> Member | None:
        """Who has an address now."""
        with database.control(home) as control:
            found = members.find(control, Vault(control, NOW), email)
        return found[0] if found else None

    def signed_in(self, home: Home) -> list[str]:
        """Whose sessions live."""
        with database.control(home) as control:
            return [
                email
                for email, token in self.tokens.items()
                if session.find(control, session.lookup(token), NOW + timedelta(minutes=1))
            ]


def moved_in(home: Home, canary: Canary) -> People:
    """An account that holds a canary's label, with all that people leave: sessions, links, places, failed guesses."""
    first, second, viewer = (f"{canary.word(what)}@team.example" for what in ("ada", "ben", "cem"))
    with database.control(home) as control:
        vault = Vault(control, NOW)
        operator = members.operator(control, vault, NOW)
        members.sign_up(control, vault, first, HASH, NOW)
        account_no = _of(control, vault, first).account_no
        members.join(control, vault, account_no, "owner", None, second, HASH, NOW + timedelta(seconds=1))
        members.join(control, vault, account_no, "viewer", (canary.word("project"),), viewer, HASH, NOW)
        claim.put(control, canary.account, account_no, NOW)
        claim.put(control, f"{canary.word('former')}", account_no, NOW)
        claim.end(control, f"{canary.word('former')}", NOW)
        tokens = {}
        for email in (first, second, viewer):
            one = _of(control, vault, email)
            tokens[email] = session.begin(control, one.member_no, session.BY_PASSWORD, NOW)
            ticket.reset(control, one, NOW)
            for guess in (
                throttle.Guess.of(vault, email, "192.0.2.7"),
                throttle.Guess.of(vault, email, "192.0.2.8", one.member_no),
            ):
                throttle.admit(control, guess, NOW)
                throttle.succeeded(control, guess, NOW)
                throttle.admit(control, guess, NOW)
        invited = f"{canary.word('dee')}@team.example"
        ticket.invitation(control, vault, account_no, invited, "viewer", (canary.word("project"),), NOW)
        looks = session.begin(control, operator.member_no, session.BY_LINK, NOW)
        claim.open_account(
            control, vault, session.lookup(looks), operator.member_no, account_no, f"why {canary.word('reason')}", NOW
        )
        tokens["operator"] = looks
    return People(account_no, first, second, viewer, tokens)


def _of(control: sqlite3.Connection, vault: Vault, email: str) -> Member:
    found = members.find(control, vault, email)
    assert found
    return found[0]


def rows_of(home: Home, people: People) -> dict[str, int]:
    """How many rows of each table of the control store are of an account or of its members."""
    with database.control(home) as control:
        tables = [name for (name,) in control.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        there = [one.member_no for one in members.of_account(control, people.account_no)]
        listed = ", ".join(map(str, there)) or "NULL"
        found: dict[str, int] = {}
        for table in tables:
            columns = {row[1] for row in control.execute(f"PRAGMA table_info({table})")}
            wheres = [f"account_no = {people.account_no}"] if "account_no" in columns else []
            wheres += [f"member_no IN ({listed})"] if "member_no" in columns else []
            if wheres:
                query = f"SELECT count(*) FROM {table} WHERE {' OR '.join(wheres)}"
                (found[table],) = control.execute(query).fetchone()
    return {table: count for table, count in found.items() if count}
