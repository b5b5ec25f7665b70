"""Breach drill: whom it touches, by class, in seconds, from a time alone or from the file that got out."""

import re
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from retention import breach, policy
from retention.breach import Breach
from retention.errors import RetentionError
from tests.pipelines.gateway_log import line, put, query, take_in
from warehouse import database
from warehouse.control import audit, member, session
from warehouse.control.vault import Vault
from warehouse.home import Home

# Two days of acme's before the breach, one of globex's within it, one of initech's after it.
CALLS = (("acme", "2026-11-18"), ("acme", "2026-11-19"), ("globex", "2026-11-20"), ("initech", "2026-11-21"))
SINCE, UNTIL = datetime(2026, 11, 20), datetime(2026, 11, 21)  # noqa: DTZ001 - naive moments are UTC here


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three accounts' calls, each account's in a log of its own, and a member who signed in within the time."""
    home = Home(tmp_path_factory.mktemp("breached") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        for name in ("acme", "globex", "initech"):
            lines = [
                line(request_id=f"{who}-{day}", account_id=who, ts=f"{day}T10:00:00Z", ip="203.0.113.9", user_id="u")
                for who, day in CALLS
                if who == name
            ]
            put(home, f"{name}.jsonl", lines)
            shutil.copy(home.inbox / "gateway_jsonl" / f"{name}.jsonl", home.root.parent / f"{name}.jsonl")
        take_in(home)
        with database.control(home) as control:
            owner = member.operator(control, Vault(control, SINCE), SINCE)
            session.begin(control, owner.member_no, session.BY_LINK, SINCE + timedelta(hours=1))
            audit.note(control, "account.opened", SINCE + timedelta(hours=2), actor_no=owner.member_no, object_no=5)
            audit.note(control, "account.opened", UNTIL + timedelta(hours=2), actor_no=owner.member_no, object_no=6)
    return home


def _numbers(home: Home) -> dict[str, int]:
    return dict(query(home, "SELECT label, account_no FROM model.account"))


def _found(home: Home, file: Path | None = None) -> Breach:
    return breach.look_up(home, policy.load(), SINCE, UNTIL, file)


def _counts(found: Breach, place: str) -> dict[int | None, tuple[int, int]]:
    return {one.account_no: (one.rested, one.within) for one in found.touched if one.place == place}


@pytest.mark.clause("AL-2.3")
@pytest.mark.clause("VA-4.6")
def test_who_is_touched_is_told_by_class(lived: Home) -> None:
    """What rested before the end, what is dated within, and nobody who came after it; the acts of that time alone."""
    numbers, found = _numbers(lived), _found(lived)
    assert _counts(found, "model.requests") == {numbers["acme"]: (2, 0), numbers["globex"]: (1, 1)}
    assert _counts(found, "client") == {numbers["acme"]: (2, 0), numbers["globex"]: (1, 1)}
    assert list(_counts(found, "session").values()) == [(1, 1)]
    assert {one.clause for one in found.touched} >= {"R-requests", "R-client", "R-sessions", "E-members", "E-subjects"}
    assert "none" not in {one.clause for one in found.touched}
    assert [act.object_no for act in found.acts if act.act == "account.opened"] == [5]


@pytest.mark.clause("AL-2.3")
def test_a_file_narrows_it(lived: Home) -> None:
    """A version has figures and no address; the control store the reverse; a log those whose calls are in it."""
    numbers = _numbers(lived)
    version = _found(lived, lived.people_file)
    assert _counts(version, "model.requests").keys() == {numbers["acme"], numbers["globex"]}
    assert _counts(version, "client") == {}
    store = _found(lived, lived.control_file)
    assert _counts(store, "model.requests") == {}
    assert _counts(store, "client").keys() == {numbers["acme"], numbers["globex"]}
    log = _found(lived, lived.root.parent / "initech.jsonl")
    assert log.accounts() == [numbers["initech"]]
    assert log.at_most


@pytest.mark.parametrize(
    ("file", "said"), [("unknown.jsonl", "its hash is not known"), ("missing.jsonl", "is not there")]
)
def test_a_file_that_nothing_is_known_of_is_said(lived: Home, tmp_path: Path, file: str, said: str) -> None:
    """Rather than that nobody was touched."""
    (tmp_path / "unknown.jsonl").write_text("nothing of ours")
    with pytest.raises(RetentionError, match=said):
        _found(lived, tmp_path / file)
    with pytest.raises(RetentionError, match="begins before it ends"):
        breach.look_up(lived, policy.load(), UNTIL, SINCE)


@pytest.mark.clause("AL-2.3")
def test_the_command_says_it_and_writes_down_that_it_was_asked(lived: Home, master_key: str) -> None:
    """Numbers and counts alone: no name, no address."""
    assert master_key
    words = ["policy", "breach", "--since", "2026-11-20", "--until", "2026-11-21", "--home", str(lived.root)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert f"{_numbers(lived)['globex']:>16} R-requests" in done.output
    assert "globex" not in done.output
    assert "203.0.113.9" not in done.output
    assert re.search(r"\d+ rows of \d+ tables and [1-9]\d* acts were looked through in \d+\.\d s\n$", done.output)
    with database.control(lived) as control:
        assert audit.last(control, "breach.listed")
    brief = CliRunner().invoke(cli, [*words, "--accounts"]).output
    found = _found(lived)
    numbers = [int(told[1]) for told in re.finditer(r"^ *(\d+) +[\d,]+ +[\d,]+$", brief, re.MULTILINE)]
    assert numbers == found.accounts()
    assert sum(rested for _, rested, _ in found.by_account()) <= found.size()[0]


@pytest.mark.soak
@pytest.mark.clause("AL-2.3")
def test_whom_it_touches_is_told_in_five_minutes_at_size(lived: Home, tmp_path: Path, master_key: str) -> None:
    """10,000,000 calls of 500 accounts, a million addresses, 100,000 acts: the drill from the command to its end."""
    assert master_key
    shutil.copytree(lived.root, tmp_path / "own", symlinks=True)
    home = Home(tmp_path / "own")
    version = home.published / (home.published / "current").readlink()
    version.chmod(0o600)
    with duckdb.connect(str(version)) as grown:
        grown.execute(
            """INSERT INTO model.requests BY NAME SELECT i AS request_no, 'r' || i AS request_id, i % 500 AS account_no,
                   TIMESTAMP '2026-10-22' + INTERVAL (i % 2592000) SECOND AS requested_at, i % 5000 AS key_no,
                   (hash(i) >> 2)::BIGINT AS client_no, 'gateway_jsonl' AS gateway
               FROM (SELECT i::BIGINT AS i FROM range(10000000) AS rows (i))"""
        )
        grown.execute(
            """INSERT INTO model.usage_hourly BY NAME SELECT i % 500 AS account_no, i % 5000 AS key_no, 1 AS requests,
                   TIMESTAMP '2026-10-22' + INTERVAL (i % 720) HOUR AS hour, 'gateway_jsonl' AS gateway
               FROM range(2000000) AS rows (i)"""
        )
    moment = database.stamp(SINCE + timedelta(hours=1))
    with database.control(home) as control, database.transaction(control):
        control.execute(
            """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
               INSERT INTO client SELECT i, '2026-11-' || substr('0' || (1 + i % 21), -2), i % 500, randomblob(32),
                   'v1.' || hex(randomblob(24)), 'v1.' || hex(randomblob(40)) FROM n"""
        )
        acts = ((moment, "account.opened", 1, number % 500, "", "") for number in range(100_000))
        control.executemany(
            "INSERT INTO audit (at, act, actor_no, object_no, detail, chain) VALUES (?, ?, ?, ?, ?, ?)", acts
        )
    begun = time.monotonic()
    words = ["policy", "breach", "--since", "2026-11-20", "--until", "2026-11-21", "--accounts"]
    done = CliRunner().invoke(cli, [*words, "--home", str(home.root)])
    took = time.monotonic() - begun
    assert done.exit_code == 0, done.output
    print("\n".join(done.output.splitlines()[-2:]), f"{took:.1f} s with all that is printed", sep="\n")
    told = re.search(r"([\d,]+) rows of \d+ tables and ([\d,]+) acts", done.output)
    assert told
    assert int(told[1].replace(",", "")) > 12_000_000
    assert int(told[2].replace(",", "")) > 100_000
    # Those of the small home, but for the one who came after the end, are beside them.
    assert len(re.findall(r"^ *\d+ +[\d,]+ +[\d,]+$", done.output, re.MULTILINE)) >= 502
    assert took < 300
