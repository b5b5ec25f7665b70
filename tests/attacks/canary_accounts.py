"""Accounts that live in one home by the real line: signed up, logged, billed, named, paid, asked; a word in each text.

A word is of one account and one class of data, such as zq003projectxv; nothing else is called so.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.bills import connecting
from pipelines.bills.biller import billers
from pipelines.gateways import ingest
from pipelines.gateways.provider import gateways
from pipelines.passage import make_home
from tests.attacks import canary_holdings, canary_provider
from tests.conftest import MASTER_KEY
from tests.dashboards.people_site import HASH
from tests.pipelines.gateway_log import put, take_in
from tests.pipelines.mail_trap import Trap
from tests.retention.erased_world import Canary
from warehouse import database
from warehouse.control import claim, claim_rule, session, upstream_claim
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.home import Home

DAYS = 16
# What a viewer who sees one project never sees, though it is of their own account.
BESIDE = ("side", "sidekey", "sidename")
SEATS: tuple[tuple[str, members.Role], ...] = (
    ("owner", "owner"),
    ("editor", "editor"),
    ("viewer", "viewer"),
    ("one", "viewer"),
)


@dataclass
class Person:
    """Somebody who is signed in: of an account, or of the operator's (None); the id that their browser sends."""

    account: Canary | None
    seat: str
    member: Member
    email: str
    cookie: str

    @property
    def is_limited(self) -> bool:
        """Whether they see one project of their account alone."""
        return self.seat == "one"


@dataclass
class Accounts:
    """The home with everybody in it."""

    home: Home
    canaries: list[Canary]
    trap: Trap
    environment: dict[str, str]
    people: list[Person] = field(default_factory=list)
    connections: dict[int, int] = field(default_factory=dict)

    @property
    def operator(self) -> Person:
        """Who runs the installation."""
        return next(one for one in self.people if one.account is None)

    def of(self, number: int) -> list[Person]:
        """The members of an account, by its words' number."""
        return [one for one in self.people if one.account is not None and one.account.number == number]

    def log(self, name: str, days: Iterable[int]) -> None:
        """Lay a log of everybody's calls of these days back into the inbox."""
        put(self.home, name, [one for each in self.canaries for one in _lines(each, days)])


def moment() -> datetime:
    """Now, as the stores keep it: pages look at the clock, so the world is of today."""
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def lived(home: Home, count: int, billed: int) -> Iterator[Accounts]:
    """Make `count` accounts with all that an account can have, the first `billed` with a provider's bill.

    The provider answers and mails are taken within.
    """
    trap = Trap()
    with trap.up() as mails, canary_provider.answering() as address, pytest.MonkeyPatch.context() as environment:
        told = {
            "APILEDGER_MASTER_KEY": MASTER_KEY,
            "APILEDGER_HOME": str(home.root),
            "APILEDGER_OPENAI_API": address,
            "APILEDGER_SMTP": f"smtp://{mails}",
        }
        for name, value in told.items():
            environment.setenv(name, value)
        now = moment()
        make_home(home, now)
        accounts = Accounts(home, [Canary(number) for number in range(1, count + 1)], trap, told)
        with database.control(home) as control:
            control.execute("PRAGMA synchronous=OFF")
            vault = Vault(control, now)
            accounts.people.append(_operator(control, vault, now))
            for each in accounts.canaries:
                accounts.people += _signed_up(control, vault, each, now)
        for each in accounts.canaries[:billed]:
            number, key = accounts.of(each.number)[0].member.account_no, canary_provider.key_of(each)
            kept = connecting.connect(home, billers()["openai"], number, each.word("keyname"), key, now)
            accounts.connections[each.number] = kept.credential.connection_no
        accounts.log("first.jsonl.gz", range(DAYS))
        canary_holdings.allocate(home, accounts.canaries)
        # What is entered is of labels that a log has named; all of it is in the one version that is published then.
        ingest.ingest(home, gateways()["gateway_jsonl"], now.replace(tzinfo=UTC), lambda *_: None)
        with database.control(home) as control:
            control.execute("PRAGMA synchronous=OFF")
            vault = Vault(control, now)
            for each in accounts.canaries:
                owner = accounts.of(each.number)[0]
                canary_holdings.keep(control, vault, each, owner.member, accounts.operator.member, now)
                if each.number in accounts.connections:
                    upstream_claim.put(control, vault, each.word("upstream"), accounts.connections[each.number], now)
        take_in(home, now.replace(tzinfo=UTC))
        yield accounts


def _operator(control: sqlite3.Connection, vault: Vault, now: datetime) -> Person:
    member = members.operator(control, vault, now)
    members.set_password(control, member.member_no, HASH)
    members.set_email(control, vault, member, "operator@team.example")
    (found, _) = members.find(control, vault, "operator@team.example") or (member, None)
    return Person(
        None, "operator", found, "operator@team.example", session.begin(control, found.member_no, session.BY_LINK, now)
    )


def _signed_up(control: sqlite3.Connection, vault: Vault, each: Canary, now: datetime) -> list[Person]:
    """The account with its four seats, each signed in; its label is claimed by name or by a rule."""
    people: list[Person] = []
    for seat, role in SEATS:
        email = f"{each.word(seat)}@team.example"
        if seat == "owner":
            members.sign_up(control, vault, email, HASH, now)
        else:
            projects = (each.word("project"),) if seat == "one" else None
            with database.transaction(control):
                members.join(control, vault, people[0].member.account_no, role, projects, email, HASH, now)
        (member, _) = members.find(control, vault, email) or (None, None)
        assert member is not None
        people.append(
            Person(each, seat, member, email, session.begin(control, member.member_no, session.BY_PASSWORD, now))
        )
    number = people[0].member.account_no
    if each.number % 2:
        claim.put(control, each.account, number, now)
    claim_rule.put(control, f"{each.account}*", number, now)
    return people


def _lines(each: Canary, days: Iterable[int]) -> Iterator[str]:
    """A day's calls: one with everything named, one of the other project, one that no price is known of."""
    for back in days:
        at = moment() - timedelta(days=back, minutes=30)
        common = {"ts": f"{at.isoformat()}Z", "ip": f"203.0.{each.number}.{back}"}
        yield from each.lines([back], **common)
        side = {
            "project": each.word("side"),
            "key_id": each.word("sidekey"),
            "request_id": f"{each.word('request')}-s{back}",
        }
        yield from each.lines([back], **common, **side)
        if back % 7 == 0:
            told = {"provider": each.word("provider"), "model": each.word("model"), "service_tier": each.word("tier")}
            yield from each.lines([back], **common, **told, request_id=f"{each.word('request')}-u{back}", cost=None)
