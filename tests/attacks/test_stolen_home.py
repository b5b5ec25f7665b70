"""Who has the home without the master key, or writes into it: nothing to read, nothing that opens elsewhere."""

import ast
import os
import pickle
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.alerts import postman
from pipelines.passage import make_home, run_pass
from retention import forget
from tests.conftest import MASTER_KEY
from tests.pipelines.gateway_log import NOW, line, put
from warehouse import database
from warehouse.control import acceptance, claim, letter, password, protection, ticket
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.tombstone import Tombstone
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError, WarehouseError
from warehouse.home import PROJECT, Home

MOMENT = NOW.replace(tzinfo=None)
PASSWORD = "canary-pw of a works council"
EMAILS = ("canary-ada@team.example", "canary-bob@team.example")
CANARIES = (
    *(email.encode() for email in EMAILS),
    b"canary-invited",
    b"canary-pw",
    b"canary-reason",
    b"canary-smtp",
    b"203.0.113.77",
    b"canary-agent",
)
SEALED = ("member.sealed_email", "ticket.sealed_email", "letter.sealed_email", "opening.sealed_reason")


def fill(control: sqlite3.Connection, vault: Vault) -> list[str]:
    """Two accounts with something in every column that is sealed; the tickets and session ids that were handed out."""
    handed = []
    for email in EMAILS:
        assert members.sign_up(control, vault, email, password.hashed(PASSWORD), MOMENT)
        found = members.find(control, vault, email)
        assert found
        member = found[0]
        token = sessions.begin(control, member.member_no, sessions.BY_LINK, MOMENT)
        handed += [token, ticket.reset(control, member, MOMENT), ticket.link(control, member, MOMENT)]
        invited = ("canary-invited@team.example", "viewer", ("web",))
        handed.append(ticket.invitation(control, vault, member.account_no, *invited, MOMENT))  # type: ignore[arg-type] # a role
        letter.invite(control, vault, member.account_no, *invited, MOMENT)  # type: ignore[arg-type] # a role
        claim.open_account(
            control, vault, sessions.lookup(token), member.member_no, member.account_no, "canary-reason 1", MOMENT
        )
    return handed


@pytest.fixture(scope="module")
def stolen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[str]]:
    """A home after a pass over calls with IP and user agent, with people in it; what links and browsers were given."""
    home = Home(tmp_path_factory.mktemp("stolen") / "own")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        make_home(home, NOW)
        put(home, "a.jsonl", [line(ip="203.0.113.77", user_agent="canary-agent/1.0")])
        run_pass(home, NOW, lambda *_: None)
        with database.control(home) as control:
            vault = Vault(control, MOMENT)
            handed = fill(control, vault)
            postman.keep_server(control, vault, "smtp://user:canary-smtp@127.0.0.1:25?from=a@team.example")
            protection.put(control, vault, "canary-reason 2", MOMENT, on=True)
    return home, handed


@pytest.mark.attack("T22")
@pytest.mark.clause("AL-5.2")
@pytest.mark.clause("VA-7.1")
def test_a_thief_without_the_key_reads_nothing_personal(stolen: tuple[Home, list[str]]) -> None:
    """T22: no address, password, IP, reason, mail server's secret, ticket or session id in any byte of any file."""
    home, handed = stolen
    held = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    assert any(b"$argon2id$" in text for text in held.values()), "the scan reads what is there"
    assert any(sessions.lookup(handed[0]) in text for text in held.values())
    for canary in (*CANARIES, *(token.encode() for token in handed), MASTER_KEY.encode()):
        assert [path.name for path, text in held.items() if canary in text] == [], canary
    assert [path.name for path in held if path.stat().st_mode & 0o077] == []
    assert [
        str(path) for path in (home.root, *home.root.rglob("*")) if path.is_dir() and path.stat().st_mode & 0o077
    ] == []


@pytest.mark.attack("T21")
@pytest.mark.parametrize("place", SEALED)
def test_what_is_swapped_or_changed_does_not_open(home: Home, master_key: str, place: str) -> None:
    """T21: another account's ciphertext, another column's, any letter changed: refused each time."""
    assert master_key
    table, _, column = place.partition(".")
    with database.control(home) as control:
        vault = Vault(control, MOMENT)
        fill(control, vault)
        rows = control.execute(f"SELECT account_no, {column} FROM {table} WHERE {column} NOT NULL").fetchall()
        (one, mine), (two, theirs) = rows[0], next(row for row in rows if row[0] != rows[0][0])
        assert vault.open(one, place, mine)
        refused = [(one, place, theirs), (two, place, mine), (one, "client.sealed_ip", mine)]
        header = len(mine) - len(mine.partition(".")[2])
        for at in range(header, len(mine)):
            letter_there = "A" if mine[at] != "A" else "B"
            refused.append((one, place, mine[:at] + letter_there + mine[at + 1 :]))
        for account_no, where, sealed in refused[:-3]:
            with pytest.raises(KeyUnavailableError):
                vault.open(account_no, where, sealed)


@pytest.mark.attack("T20")
def test_a_pickle_that_somebody_lays_down_is_not_opened(home: Home, master_key: str, tmp_path: Path) -> None:
    """T20: nothing of ours reads one, and what lies in the tools' folders is removed before they look."""
    assert master_key
    mark = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(mark),)

    make_home(home, NOW)
    for folder in ("raw_gateway_jsonl", "gateway_jsonl"):
        planted = home.dlt / folder / folder / "trace.pickle"
        planted.parent.mkdir(parents=True)
        planted.write_bytes(pickle.dumps(Hostile()))
    put(home, "a.jsonl", [line()])
    run_pass(home, NOW, lambda *_: None)
    assert not mark.exists()
    imported = set()
    for package in ("dashboards", "pipelines", "retention", "warehouse"):
        for path in (PROJECT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {name.name.partition(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add((node.module or "").partition(".")[0])
    assert "sqlite3" in imported
    assert imported & {"pickle", "shelve", "marshal", "dill", "joblib", "cloudpickle"} == set()


@pytest.mark.attack("T30")
def test_who_comes_back_after_an_erasure_is_new(home: Home, master_key: str) -> None:
    """T30: the same address gets another account, with nothing of the one before; no tombstone stands in the way."""
    assert master_key
    with database.control(home) as control:
        vault = Vault(control, MOMENT)
        fill(control, vault)
        before = members.find(control, vault, EMAILS[0])
        assert before
        number = before[0].account_no
        claim.put(control, "Acme", number, MOMENT)
        protection.name_auditor(control, vault, before[0].member_no, "a good reason", MOMENT)
        with database.transaction(control):
            forget.forget(control, [Tombstone("account", "own", b"", number, MOMENT)])
        assert members.find(control, vault, EMAILS[0]) is None
        left = {
            table: control.execute(f"SELECT count(*) FROM {table} WHERE account_no = ?", (number,)).fetchone()[0]
            for table in ("account", "member", "claim", "opening", "letter", "acceptance", "ticket", "mail", "data_key")
        }
        assert set(left.values()) == {0}, left
        assert control.execute("SELECT count(*) FROM auditor").fetchone() == (0,)
        anew = Vault(control, MOMENT)
        assert members.sign_up(control, anew, EMAILS[0], password.hashed(PASSWORD), MOMENT)
        after = members.find(control, anew, EMAILS[0])
        assert after
        assert after[0].account_no != number
        assert claim.labels_of(control, after[0].account_no) == ()
        assert claim.openings(control, anew, after[0].account_no) == []
        assert len(acceptance.accepted(control, after[0].member_no)) == 1
        with pytest.raises(WarehouseError):
            protection.look(control, anew, after[0].member_no, "a good reason", MOMENT)


def test_whoever_held_the_key_leaves_no_core_file(tmp_path: Path) -> None:
    """T29: a process that read the master key and then breaks down leaves nothing; before it read it, it might have."""
    told = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    read = "from warehouse.control import vault; vault.master_key()"
    environment = os.environ | {"APILEDGER_MASTER_KEY": MASTER_KEY, "PYTHONPATH": str(PROJECT)}
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    allowed = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, ({most}, {most}))"
    code = f"{allowed}; {told}; {read}; {told}; import os, sys; sys.stdout.flush(); os.abort()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGABRT, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert done.stdout.split() == [str(most), "0"]
