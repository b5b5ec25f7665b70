"""Accounts that have everything an account can have, in every place of a home; and where anything of them is.

The world of `tests/attacks/canary_accounts.py` with what only an erasure meets: other roads, closed months, bundles,
files that were set aside, failed runs, logs of services and working files.
"""

import gzip
import json
import logging
import pickle
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.alerts import postman
from pipelines.exports import close, export
from retention import holding, portability
from tests.attacks import canary_accounts
from tests.attacks.canary_accounts import Accounts, Person, moment
from tests.faults import offers
from tests.pipelines.gateway_log import put, take_in
from tests.retention import byte_scan
from tests.retention.erased_world import Canary
from warehouse import database
from warehouse.control import (
    bill_bound,
    burst,
    consent,
    coverage,
    hold,
    letter,
    notice,
    objection,
    protection,
    restriction,
    right,
    throttle,
    told_apart,
)
from warehouse.control.vault import Vault
from warehouse.home import Home

WORD = rb"zq\d{3}[a-z]+xv"
# What the operator writes of others than the account: they outlive it, by what they say, and are told of nobody.
OF_OTHERS = ("basis", "held", "recipient")
# What a hold has kept of an account goes in the night in which it ends.
NIGHTS = timedelta(days=2)
_LEFT_BEHIND = (
    ".allocation.toml.part", "build/.copy.part", "build/rewritten.duckdb", "build/set-aside.duckdb",
    "build/warehouse.before-9.duckdb", "dlt/gateway_jsonl/trace.pickle", "exports/.rights-1.part",
    "inbox/gateway_jsonl/odd.jsonl.refused", "published/.copy.part",
    "published/people/.copy.part", "published/people/copy.wal", "published/people/copy.tmp/spill",
    "published/copy.tmp/spill", "set-aside/1/control.sqlite", "tmp/ingest-1/part.parquet", "tmp/spill/1", "tmp/odd",
)  # fmt: skip


@dataclass
class World:
    """The home, who is in it, who goes, and the folders outside of it in which something of them may lie."""

    accounts: Accounts
    gone: list[Canary]
    export: Path
    temp: Path

    @property
    def home(self) -> Home:
        """The home."""
        return self.accounts.home

    def owner(self, canary: Canary) -> Person:
        """Who an account is of."""
        return self.accounts.of(canary.number)[0]

    def found(self) -> dict[str, set[bytes]]:
        """The words of those who go, by file: below the home, in its exports and in the machine's temporary folder."""
        told = {f"{canary.number:03}".encode() for canary in self.gone}
        of_others = tuple(f"{word}xv".encode() for word in OF_OTHERS)
        found = {
            f"{root.name}/{name}": {word for word in words if word[2:5] in told and not word.endswith(of_others)}
            for root in (self.home.root, self.export, self.temp)
            for name, words in byte_scan.found(root, WORD).items()
        }
        return {name: words for name, words in found.items() if words}


@contextmanager
def lived(folder: Path, count: int, left: int) -> Iterator[World]:
    """Let `count` accounts that will go and `left` others live, with all there is; below `folder`."""
    home, export_to, temp = Home(folder / "own").make(), folder / "export", folder / "temp"
    temp.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        # Whatever a library writes for the moment is written where it is found.
        environment.setenv("TMPDIR", str(temp))
        environment.setattr(tempfile, "tempdir", str(temp))
        with canary_accounts.lived(home, count + left, count + left) as accounts, logged(home):
            world = World(accounts, accounts.canaries[:count], export_to, temp)
            _more(world)
            yield world


@contextmanager
def logged(home: Home) -> Iterator[None]:
    """Write all that anybody logs where the services' output is kept."""
    folder = home.dagster / "output"
    folder.mkdir(mode=0o700)
    handler = logging.FileHandler(folder / "dagster.log", encoding="utf-8")
    # The server that takes the mails is the test's own.
    handler.addFilter(lambda record: not record.name.startswith("mail."))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def _more(world: World) -> None:
    """What the world of pages has none of."""
    home, now, accounts = world.home, moment(), world.accounts
    _other_roads(home, accounts.canaries)
    before = (now.replace(day=1) - timedelta(days=1)).date()
    put(home, "month.jsonl", [line for each in accounts.canaries for line in _of_day(each, before)])
    with database.control(home) as control:
        control.execute("PRAGMA synchronous=OFF")
        vault = Vault(control, now)
        for canary in accounts.canaries:
            _said(control, vault, world, canary)
        burst.tell(control, now)
        # A hold keeps by law what it keeps; here each has ended.
        for each in hold.listed(control):
            hold.end(control, each.hold_no, now)
    take_in(home, now)
    postman.deliver(home, moment)
    with database.control(home) as control:
        vault = Vault(control, now)
        for canary in accounts.canaries:
            _waiting(control, vault, world, canary)
    close.close(home, before.replace(day=1), now, provisional=True)
    with database.control(home) as control:
        vault = Vault(control, now)
        for canary in world.gone[:1]:
            number = world.owner(canary).member.account_no
            asked = right.ask(control, vault, number, "access", "", now)
            portability.export(home, control, holding.of_account(control, number), asked.request_no, now)
        # One has its processing restricted; its rows wait.
        last = world.owner(world.gone[-1]).member.account_no
        restriction.begin(control, last, holding.of_account(control, last).numbers, now)
    exported(world)
    left_behind(home, world.gone[0])


def exported(world: World) -> None:
    """Write the marts and FOCUS out, in the place of what was there."""
    export.marts(world.home, str(world.export / "marts"), moment())
    export.focus(world.home, str(world.export / "focus"), moment())


def _other_roads(home: Home, canaries: list[Canary]) -> None:
    """A call of each on every other road that ends in an inbox, and one that failed."""
    rows, payloads, spans = [], [], []
    for each in canaries:
        said: dict[str, Any] = {"gen_ai.request.model": each.word("model")}
        rows.append(json.dumps(offers.spend_log(each, each.word("row"), model=each.word("model"))))
        payloads.append(json.dumps(offers.payload(each, each.word("payload"), custom_llm_provider=each.word("maker"))))
        spans.append(offers.span(each, each.number, **said))
    put(home, "rows.jsonl", rows, "litellm")
    put(home, "payloads.jsonl", payloads, "litellm")
    put(home, "spans.jsonl", spans, "otel")
    lines = [one for each in canaries for one in each.lines([2], request_id=each.word("broken"), status="error")]
    put(home, "failed.jsonl", lines)


def _of_day(each: Canary, day: date) -> list[str]:
    return each.lines([0], ts=f"{day}T10:00:00Z", request_id=f"{each.word('request')}-b", ip=f"203.0.{each.number}.77")


def _said(control: sqlite3.Connection, vault: Vault, world: World, canary: Canary) -> None:
    """What people object and consent to, from where they signed in, what was noticed of them."""
    owner, now = world.owner(canary), moment()
    member = owner.member
    guess = throttle.Guess.of(vault, owner.email, "192.0.2.7", member.member_no)
    throttle.admit(control, guess, now)
    throttle.succeeded(control, guess, now)
    for _ in range(6):
        throttle.count(control, guess.member, now, member.member_no)
    connection_no = world.accounts.connections[canary.number]
    consent.give(control, member.account_no, connection_no, now)
    coverage.note(control, connection_no, {"priority": "the priority tier is not told apart"}, "x", now)
    bill_bound.tell(control, connection_no, vault.lookup("organisation", canary.word("organisation")), now)
    bill_bound.bind(control, connection_no, now - timedelta(days=200), 1)
    objection.begin(control, member.account_no, "agent_sessions", now)
    told_apart.put(control, canary.account, "team", now)
    protection.name_auditor(control, vault, member.member_no, f"audits {canary.word('project')}", now)
    protection.look(control, vault, member.member_no, f"looks {canary.word('project')}", now)


def _waiting(control: sqlite3.Connection, vault: Vault, world: World, canary: Canary) -> None:
    """A letter and a notice that are not sent yet."""
    member = world.owner(canary).member
    invited = f"{canary.word('late')}@example.org"
    letter.invite(control, vault, member.account_no, invited, "viewer", (canary.word("project"),), moment())
    notice.tell(control, member, "password_changed", moment(), at=(vault, f"{canary.word('old')}@example.org"))


def left_behind(home: Home, canary: Canary) -> None:
    """What a pass that was killed, a sender, a reader and an upgrade left: set aside, half written, spilled, copied."""
    for place in _LEFT_BEHIND:
        path = home.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(pickle.dumps({place: [canary.account, canary.word("key")]})))
    with (
        sqlite3.connect(home.control_file) as source,
        sqlite3.connect(home.root / "control.before-m049.sqlite") as copy,
    ):
        source.backup(copy)


def failed(home: Home, canary: Canary) -> None:
    """A run of Dagster in which an account's file is refused and the pass breaks off."""

    @dg.asset
    def broken() -> None:
        put(home, "broken.jsonl.refused", [canary.account])
        raise dg.Failure("the pass broke off")

    job = dg.Definitions(assets=[broken]).resolve_implicit_global_asset_job_def()
    with pytest.MonkeyPatch.context() as environment:
        # The home's own dagster.yaml lies there, and asks for it.
        environment.setenv("DAGSTER_HOME", str(home.dagster))
        with dg.DagsterInstance.get() as instance:
            assert not job.execute_in_process(instance=instance, raise_on_error=False).success
