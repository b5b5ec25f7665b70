"""The doctor finds each thing that can be wrong, says what to do, and finds nothing in a home that is well."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines import passage
from pipelines.commands import doctor
from pipelines.gateways.finding import Finding
from pipelines.services import lock_holder, service
from warehouse.home import PROJECT, Home

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with an empty version, a key outside it, and ports of its own."""
    monkeypatch.setenv("APILEDGER_KEY_FILE", str(tmp_path / "keys" / "key"))
    monkeypatch.delenv("APILEDGER_MASTER_KEY", raising=False)
    # What else this machine serves says nothing of this home.
    for name in ("WEB_UI_PORT", "DASHBOARD_PORT"):
        with socket.socket() as probe:
            probe.bind((service.HOST, 0))
            monkeypatch.setattr(service, name, probe.getsockname()[1])
    os.umask(0o077)
    return passage.make_home(Home(tmp_path / "home"), NOW.replace(tzinfo=None))


def found(home: Home, now: datetime = NOW) -> list[Finding]:
    """List what the doctor finds, but for who runs these tests, and on what disk."""
    return [one for one in doctor.findings(home, now) if "as root" not in one.what and "encrypted" not in one.what]


def only(home: Home, words: str, now: datetime = NOW) -> Finding:
    """Return the one finding there is, which has these words and a next step."""
    (one,) = found(home, now)
    assert words in one.what
    assert one.next_step
    return one


def log(home: Home, *calls: dict[str, object], name: str = "calls.jsonl", age_s: float = 60) -> Path:
    """Put calls into the inbox as a gateway did `age_s` ago."""
    base = {"request_id": "a", "ts": "2026-03-31T10:00:00Z", "account_id": "acme", "key_id": "k", "provider": "openai"}
    more = {"model": "gpt-4o", "input_tokens": 1, "output_tokens": 1, "status": "ok", "latency_ms": 1}
    path = home.inbox / "gateway_jsonl" / name
    path.write_text("".join(json.dumps({**base, **more, **call}) + "\n" for call in calls))
    os.utime(path, (NOW.timestamp() - age_s, NOW.timestamp() - age_s))
    return path


def test_a_home_that_is_well_has_no_finding(home: Home) -> None:
    """Nothing is found in a fresh home, and none after a pass."""
    assert found(home) == []
    log(home, {})
    passage.run_pass(home, NOW.replace(tzinfo=None), lambda *_: None)
    assert found(home) == []


def test_a_home_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next step is `up`, and looking makes nothing."""
    monkeypatch.setenv("APILEDGER_KEY_FILE", str(tmp_path / "key"))
    assert "apiledger up" in only(Home(tmp_path / "nowhere"), "there is no home").next_step
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="is about running as root")
def test_running_as_root_is_a_warning(home: Home) -> None:
    """It harms nothing yet, so the exit code stays 0."""
    assert [one.warning for one in doctor.findings(home, NOW) if "as root" in one.what] == [True]


def test_what_others_may_read_is_found(home: Home) -> None:
    """One file of 0644 is named, with the command that closes it."""
    home.control_file.touch()
    home.control_file.chmod(0o644)
    assert only(home, str(home.control_file)).next_step == f"run `chmod -R go= {home.root}`"


def test_a_key_in_the_home_or_open_to_others_is_found(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies the home must not get the key with it."""
    key = home.root / "key"
    key.write_text("x")
    key.chmod(0o600)
    monkeypatch.setenv("APILEDGER_KEY_FILE", str(key))
    only(home, "lies inside the home")
    outside = home.root.parent / "outside"
    key.rename(outside)
    outside.chmod(0o640)
    monkeypatch.setenv("APILEDGER_KEY_FILE", str(outside))
    assert only(home, "others may read the master key").next_step == f"run `chmod 600 {outside}`"


def test_a_lost_or_another_key_is_found(home: Home) -> None:
    """Once something is sealed, the key that sealed it has to be there."""
    log(home, {"ip": "192.0.2.1"})
    passage.run_pass(home, NOW.replace(tzinfo=None), lambda *_: None)
    key = Path(os.environ["APILEDGER_KEY_FILE"])
    key.rename(key.with_name("away"))
    only(home, "no master key")
    key.write_text("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=")
    key.chmod(0o600)
    only(home, "another master key")


@pytest.fixture
def careless(home: Home) -> Iterator[int]:
    """Somebody who opened the people's file for writing: the process."""
    home.people_file.chmod(0o600)
    code = (
        f"import duckdb, time; c = duckdb.connect({str(home.people_file)!r}); c.execute('CREATE TABLE mine (a INT)');"
        "print('open', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.kill()


def test_who_holds_the_peoples_file_is_named_and_the_foreign_wal_too(home: Home, careless: int) -> None:
    """A writer keeps everybody else out; its write-ahead log says that it wrote."""
    assert lock_holder.writer(home.people_file) == careless
    words = [one.what for one in found(home)]
    assert any(f"process {careless} holds {home.people_file}" in what for what in words)
    assert any("somebody wrote into the people's file" in what for what in words)
    assert len(words) == 2


def test_a_reader_holds_nothing(home: Home) -> None:
    """An open reader of the people's file is what it is there for."""
    connect = f"duckdb.connect({str(home.people_file)!r}, read_only=True)"
    code = f"import duckdb; reader = {connect}; print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert lock_holder.writer(home.people_file) is None
        assert found(home) == []
        process.kill()


def test_files_that_wait_too_long_are_found(home: Home) -> None:
    """Eleven minutes is too long, nine is not; an unread folder and a forgotten .part are said as well."""
    path = log(home, {}, age_s=540)
    assert found(home) == []
    assert "apiledger up" in only(home, "1 files in inbox/gateway_jsonl", NOW + timedelta(minutes=2)).next_step
    path.rename(path.with_name("calls.jsonl.part"))
    assert only(home, "still named .part", NOW + timedelta(minutes=2)).warning
    path.with_name("calls.jsonl.part").unlink()
    (home.inbox / "gatway").mkdir()
    (home.inbox / "gatway" / "calls.jsonl").touch()
    assert "gateway_jsonl" in only(home, "nothing reads inbox/gatway").next_step


def test_lines_in_quarantine_are_counted_by_reason(home: Home) -> None:
    """The reason is said, never the line."""
    log(home, {"request_id": "good"}, {"request_id": "bad", "input_tokens": "canary-3141"})
    passage.run_pass(home, NOW.replace(tzinfo=None), lambda *_: None)
    one = only(home, "1 lines of gateway_jsonl are in quarantine")
    assert one.warning
    assert "canary" not in one.what


def test_a_version_that_lacks_what_landed_or_is_not_the_peoples_is_found(home: Home) -> None:
    """A publication that broke off in between is seen, whichever half is missing."""
    log(home, {})
    passage.run_pass(home, NOW.replace(tzinfo=None), lambda *_: None)
    with sqlite3.connect(home.control_file) as control:
        control.execute("UPDATE load SET landed_at = '2026-03-31T13:00:00.000000Z'")
    control.close()
    only(home, "lacks what has landed", NOW + timedelta(hours=2))
    with sqlite3.connect(home.control_file) as control:
        control.execute("UPDATE load SET landed_at = '2026-03-31T11:00:00.000000Z'")
    control.close()
    home.people_file.unlink()
    only(home, "is missing")
    home.people_file.write_bytes((home.published / "warehouse-1.duckdb").read_bytes())
    only(home, "is not version 2")


def test_a_clock_that_went_back_is_found(home: Home) -> None:
    """A version from the future means that days would be sealed and expired at the wrong time."""
    only(home, "clock is behind", NOW - timedelta(hours=1))


def test_a_taken_port_is_a_warning(home: Home) -> None:
    """`up` finds another by itself."""
    with socket.socket() as other:
        other.bind((service.HOST, service.DASHBOARD_PORT))
        other.listen()
        assert only(home, f"port {service.DASHBOARD_PORT} of the dashboard is taken").warning


def test_too_little_room_for_a_rewrite_is_found(home: Home) -> None:
    """A build of half the free space, written as a hole, cannot be rewritten."""
    free = os.statvfs(home.root).f_bavail * os.statvfs(home.root).f_frsize
    with home.build_file.open("r+b") as file:
        file.truncate(free)
    only(home, "MB are free")


def test_a_service_that_does_not_answer_is_found_with_its_log(home: Home) -> None:
    """Somebody holds the service lock, and the web UI it tells of is not there."""
    (home.root / "services.json").write_text(
        json.dumps(
            {
                "supervisor": os.getpid(),
                "services": {
                    "web-ui": {
                        "pid": os.getpid(),
                        "address": f"http://127.0.0.1:{service.WEB_UI_PORT}/server_info",
                        "started_at": "2026-03-31T11:00:00+00:00",
                        "restarts": 0,
                    }
                },
            }
        )
    )
    lock = home.dagster / "service.lock"
    code = f"import fcntl, time; f = open({str(lock)!r}, 'w'); fcntl.flock(f, 2); print(1, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert "web-ui.log" in only(home, "the web-ui does not answer").next_step
        holder.kill()
    started = time.monotonic()
    assert found(home) == []
    assert time.monotonic() - started < 5


def test_a_watched_folder_that_is_not_there_is_found(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Switched on and gone: what to mend is the setting; once it is there again nothing is found."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    monkeypatch.setenv("APILEDGER_CODEX", str(folder))
    passage.run_pass(home, NOW.replace(tzinfo=None), lambda *_: None)
    folder.rmdir()
    (finding,) = found(home)
    assert finding.what.startswith("Codex's sessions are not read")
    assert finding.next_step == "mend APILEDGER_CODEX, or unset it"
    assert str(folder) not in finding.what
    folder.mkdir()
    assert found(home) == []
