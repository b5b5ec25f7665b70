"""Many accounts with a canary in each of 34 classes of data: found before, in no file after, and others untouched.

After real loads, mails sent, exports made, pages looked at, and runs of Dagster that failed.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC

import dagster as dg
import pytest

from dashboards import marts, viewer
from dashboards.viewer import Viewer
from pipelines.alerts import budget_state, postman
from pipelines.exports import export
from pipelines.materialization.landed import missing_loads
from retention import self_scan
from tests.pipelines.gateway_log import put, query, take_in
from tests.pipelines.mail_trap import Trap
from tests.retention import byte_scan
from tests.retention.erased_world import NOW, Canary, begin, erased
from tests.retention.people_world import People, moved_in, rows_of
from warehouse import conservation, database
from warehouse.control import budget
from warehouse.control.vault import Vault
from warehouse.errors import WithheldError
from warehouse.home import Home

_LEFT = 5
# Class of data -> where it is looked for before: raw bytes of a file, or opened, table by table, in the control store.
PLAIN = ("account", "key", "project", "team", "tag", "request")
SEALED = ("account", "key", "project", "team", "upstream", "user", "end_user")
TABLES = (
    "model.requests", "model.request_tag", "model.usage_hourly", "model.usage_daily", "model.usage_monthly",
    "model.latency_hourly", "model.latency_daily", "model.change", "raw_gateway_jsonl.calls",
)  # fmt: skip
CONTROL = ("client", "budget", "mail", "alert")
PEOPLE = ("account", "member", "session", "ticket", "known_place", "throttle", "claim", "opening")


def _classes(home: Home, canary: Canary, people: People, vault: Vault) -> set[str]:
    """Which of the classes of an account's data are there."""
    found = {f"people {table}" for table in rows_of(home, people) if table in PEOPLE}
    with database.read_only(home.build_file) as build, database.control(home) as control:
        accounts = "SELECT no, gateway, lookup FROM outside_id WHERE kind = 'account'"
        numbers = [
            no
            for no, gateway, lookup in control.execute(accounts)
            if lookup == vault.lookup("account", gateway, "0", canary.account)
        ]
        for no in numbers:
            rows = control.execute("SELECT kind, sealed FROM outside_id WHERE account_no = ?", (no,)).fetchall()
            opened = [(kind, vault.open(no, "outside_id.sealed", sealed)) for kind, sealed in rows]
            found |= {f"sealed {kind}" for kind, text in opened if canary.word(kind) in text}
            there = "SELECT 1 FROM {} WHERE account_no = ?"
            found |= {name for name in CONTROL if control.execute(there.format(name), (no,)).fetchone()}
            for table in TABLES:
                only = "request_no IN (SELECT request_no FROM model.requests WHERE account_no = ?)"
                only = only if table == "model.request_tag" else "account_no = ?"
                if build.execute(f"SELECT 1 FROM {table} WHERE {only} LIMIT 1", [no]).fetchone():
                    found.add(table)
    return found


def _told(home: Home, monkeypatch: pytest.MonkeyPatch, canaries: list[Canary], people: list[People]) -> int:
    """Set a budget for each, and mail what crosses it; how many mails were sent."""
    with database.control(home) as control:
        vault = Vault(control, NOW)
        for canary, each in zip(canaries, people, strict=True):
            place = budget.scope(control, canary.account, None)
            budget.put(control, vault, place, budget.amount("0.0001"), (50,), each.first, NOW)
    budget_state.evaluate(home, NOW)
    trap = Trap()
    with trap.up() as address:
        monkeypatch.setenv("APILEDGER_SMTP", f"smtp://{address}&tls=none")
        return postman.deliver(home, lambda: NOW).sent


def _failed(home: Home, canary: Canary) -> None:
    """A run of Dagster in which an erased account's file is refused and the pass breaks off."""

    @dg.asset
    def broken() -> None:
        put(home, "broken.jsonl.refused", [canary.account])
        raise dg.Failure("the pass broke off")

    job = dg.Definitions(assets=[broken]).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.local_temp(str(home.dagster), overrides={"telemetry": {"enabled": False}}) as instance:
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success


def _accounts(connection: object, looks: Viewer, _asked: int) -> list[str]:
    allowed, bound = looks.account_condition()
    only = f"SELECT DISTINCT account FROM mart.spend_daily WHERE {allowed} ORDER BY 1"
    rows = connection.execute(only, bound).fetchall()  # type: ignore[attr-defined] # DuckDB's
    return [name for (name,) in rows]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages are looked at by the operator; what they remember is dropped afterwards."""
    monkeypatch.setattr(viewer, "current", Viewer)
    yield
    marts.forget()


@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize(
    ("count", "packed"),
    [
        (3, False),
        pytest.param(200, True, marks=pytest.mark.soak),
        pytest.param(200, False, marks=pytest.mark.soak),
    ],
)
@pytest.mark.usefixtures("looks")
def test_nothing_of_many_accounts_is_left(
    home: Home, master_key: str, count: int, packed: bool, request: pytest.FixtureRequest
) -> None:
    """In one go, with everything that tells of them; with DuckDB's compression and without it."""
    assert master_key
    monkeypatch = request.getfixturevalue("monkeypatch")
    if not packed:
        request.getfixturevalue("plain_bytes")
    gone, left = [Canary(n) for n in range(count)], [Canary(900 + n) for n in range(_LEFT)]
    lines = [line for each in (*gone, *left) for line in each.lines(range(4))]
    random.Random(1).shuffle(lines)  # noqa: S311 (repeatable, not secret)
    files = 4 if count > 10 else 1
    for number in range(files):
        put(home, f"{number}.jsonl.gz", lines[number::files])
        take_in(home)
    people = [moved_in(home, canary) for canary in gone]
    for canary in left:
        moved_in(home, canary)
    assert _told(home, monkeypatch, gone, people) == count
    export.marts(home, str(home.root.parent / "export"), NOW.replace(tzinfo=UTC))
    _failed(home, gone[0])
    assert len(marts.answer(_accounts, 1)) == count + _LEFT
    classes = len(PLAIN) + len(SEALED) + len(TABLES) + len(CONTROL) + len(PEOPLE)
    assert classes == 34
    with database.control(home) as control:
        vault = Vault(control, NOW)
        before = b" ".join(word for words in byte_found(home).values() for word in words)
        for canary, each in zip(gone, people, strict=True):
            assert [what for what in PLAIN if canary.word(what).encode() not in before] == []
            assert len(_classes(home, canary, each, vault)) == classes - len(PLAIN), canary
        # The control: what searches the files at the end finds each of them before.
        searched = PLAIN if count > 10 else PLAIN[:1]
        assert [w for w in searched if not self_scan.scan(home, [gone[-1].word(w)]).found] == []
        kept = query(home, "SELECT * FROM mart.spend_daily WHERE account LIKE 'zq9%' ORDER BY ALL")
        receipts = erased(home, "account", *(str(each.account_no) for each in people))
        assert len(receipts) == count
        assert [json.loads(receipt)["found_in"] for receipt in receipts] == [{}] * count
        assert byte_found(home) == {}
        assert [canary for canary, each in zip(gone, people, strict=True) if _classes(home, canary, each, vault)] == []
    assert marts.answer(_accounts, 1) == sorted(canary.account for canary in left)
    assert query(home, "SELECT * FROM mart.spend_daily ORDER BY ALL") == kept
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert missing_loads(build, control) == []
        assert conservation.differences(build) == []
    # Offered again: none lands.
    put(home, "again.jsonl", lines)
    take_in(home)
    assert query(home, "SELECT * FROM mart.spend_daily ORDER BY ALL") == kept
    assert byte_found(home) == {}
    print(f"{count} accounts, {classes} classes, packed={packed}: 0 bytes left")


def byte_found(home: Home) -> dict[str, set[bytes]]:
    """What of those who go any file holds; the words of those who stay begin with a 9."""
    return byte_scan.found(home.root, rb"zq[0-8]\d\d[a-z]*xv")


@pytest.mark.usefixtures("looks")
def test_a_page_remembers_nobody_while_they_are_erased(home: Home, master_key: str) -> None:
    """What it answered a moment before is refused and forgotten, of all accounts at once."""
    assert master_key
    put(home, "calls.jsonl", [*Canary(1).lines(), *Canary(2).lines()])
    take_in(home)
    people = moved_in(home, Canary(1))
    assert len(marts.answer(_accounts, 1)) == 2
    begin(home, "account", str(people.account_no))
    with pytest.raises(WithheldError):
        marts.answer(_accounts, 1)
