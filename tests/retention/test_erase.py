"""Erasure: nothing of the erased is in any file, the others keep every figure, and what is offered again is refused."""

import gzip
import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines import erasing
from pipelines.materialization.landed import missing_loads
from retention import erase, verify_receipt
from retention.errors import RetentionError
from tests.pipelines.gateway_log import line, put, quarantine, query, take_in, taken
from tests.retention.erased_world import NOW, Canary, begin, erased, lived
from warehouse import conservation, database, withholding
from warehouse.control import erasure as erasures
from warehouse.errors import WithheldError
from warehouse.home import PROJECT, Home

_ANNE, _BELA = Canary(1), Canary(2)
# Where a canary of an account lies in plain after a pass; the other classes rest as numbers or sealed.
_PLAIN = {"account", "key", "project", "team", "tag", "request"}


def _spend(home: Home, account: str) -> Any:
    rows = query(home, f"SELECT sum(requests), sum(cost_usd) FROM mart.spend_daily WHERE account = '{account}'")
    return rows[0]


@pytest.mark.clause("AL-4.2")
@pytest.mark.clause("AL-8.3")
@pytest.mark.clause("VA-8.3")
def test_no_byte_of_an_erased_account_is_left(home: Home, master_key: str) -> None:
    """Each plain class of data is found before; after it nothing is, in no file, and the others keep every figure."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    before = b" ".join(word for words in _ANNE.found(home).values() for word in words)
    assert [what for what in _PLAIN if _ANNE.word(what).encode() not in before] == []
    others = query(home, "SELECT * FROM mart.spend_daily WHERE account = 'zq002accountxv' ORDER BY ALL")
    (receipt,) = erased(home, "account", _ANNE.account)
    assert _ANNE.found(home) == {}
    assert query(home, "SELECT * FROM mart.spend_daily ORDER BY ALL") == others
    assert _BELA.found(home) != {}
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert missing_loads(build, control) == []
        assert conservation.differences(build) == []
        assert control.execute("SELECT count(*) FROM client").fetchone() == (6,)
        assert control.execute("SELECT count(*) FROM data_key").fetchone() == (1,)
    told = json.loads(receipt)
    assert told["found_in"] == {}
    assert told["rows"]["build.model.requests"] == 6
    assert told["rows"]["control.client"] == 6


@pytest.mark.clause("AL-4.2")
@pytest.mark.usefixtures("plain_bytes")
def test_no_byte_is_left_where_nothing_is_compressed(home: Home, master_key: str) -> None:
    """Compression hides a value from a search without removing it; here every value lies as it is."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    assert _ANNE.found(home) != {}
    erased(home, "account", _ANNE.account)
    assert _ANNE.found(home) == {}


@pytest.mark.clause("AL-4.2")
def test_budgets_mails_and_connections_go_with_their_account(home: Home, master_key: str) -> None:
    """Its alert preferences, what waits to be mailed, its keys at providers and their bills, and nobody else's."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    with database.control(home) as control:
        rows = control.execute("SELECT no, account_no FROM outside_id WHERE kind = 'account'").fetchall()
        names = dict(query(home, "SELECT label, account_no FROM model.account"))
        for number, _ in rows:
            stamp = "2026-11-01T00:00:00.000000Z"
            control.execute(
                "INSERT INTO budget VALUES (?, 1, ?, NULL, '10', '80', 'UTC', 'v1.x', ?, NULL)", (number, number, stamp)
            )
            control.execute(
                "INSERT INTO mail (mail_no, account_no, class, message_id, state, queued_at, next_at) "
                "VALUES (?, ?, 'budget', ?, 'queued', ?, ?)",
                (number, number, f"<{number}>", stamp, stamp),
            )
            control.execute(
                "INSERT INTO alert VALUES (?, ?, 1, '2026-11-01', 80, '9', 0, 1, ?, ?)", (number, number, stamp, number)
            )
            control.execute(
                "INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at) "
                "VALUES (?, 'openai', 'openai', ?, 0, ?)",
                (number, number, stamp),
            )
            control.execute("INSERT INTO pull VALUES (?, ?, ?, ?)", (number, number, stamp, stamp))
            control.execute(
                "INSERT INTO report_day VALUES (?, 'costs', '2026-11-20', ?, 1, x'00', '2026-11-21', 0, 0, NULL, 0)",
                (number, number),
            )
    with database.held(home.build_lock), database.build(home) as build:
        for number in names.values():
            build.execute("INSERT INTO model.bill_day VALUES ('2026-11-20', ?, 1, 5, 'settled')", [number])
            build.execute("INSERT INTO model.connection VALUES (?, 'openai', 'openai', ?, false)", [number, number])
    erased(home, "account", _ANNE.account)
    bela = names[_BELA.account]
    with database.control(home) as control:
        for table in ("budget", "mail", "alert", "connection"):
            assert control.execute(f"SELECT account_no FROM {table}").fetchall() == [(bela,)], table
        for table in ("pull", "report_day"):
            assert control.execute(f"SELECT connection_no FROM {table}").fetchall() == [(bela,)], table
    assert query(home, "SELECT connection_no FROM model.bill_day") == [(bela,)]
    assert query(home, "SELECT account_no FROM model.connection") == [(bela,)]


@pytest.mark.clause("AL-4.2")
def test_nobody_sees_them_from_the_moment_they_are_to_go(home: Home, master_key: str) -> None:
    """Before a byte is gone: no version is read, the name people open is away, the key of what is sealed is gone."""
    assert master_key
    lived(home, [_ANNE])
    begin(home, "account", _ANNE.account)
    with pytest.raises(WithheldError, match="erase resume"), database.published(home):
        pass
    assert not home.people_file.exists()
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM outside_id").fetchone() == (0,)
        # What the files are searched for has a key of its own until they were.
        assert control.execute("SELECT count(*) FROM data_key WHERE account_no > 0").fetchone() == (0,)
        assert control.execute("SELECT count(*) FROM data_key").fetchone() == (1,)
    erasing.resume(home, NOW, lambda *_: None)
    assert query(home, "SELECT count(*) FROM mart.spend_daily") == [(0,)]
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM data_key").fetchone() == (0,)
        assert control.execute("SELECT sealed FROM erasure").fetchone() == (None,)
    people = hashlib.sha256(home.people_file.read_bytes()).hexdigest()
    version = database.current_version(home)
    assert people == hashlib.sha256((home.published / f"warehouse-{version}.duckdb").read_bytes()).hexdigest()
    assert [entry.name for entry in (home.published / "people").iterdir()] == [home.people_file.readlink().name]


def test_two_who_ask_begin_one_erasure(home: Home, master_key: str) -> None:
    """A double click, or two tabs: the second is told, and there is one receipt."""
    assert master_key
    lived(home, [_ANNE])
    begin(home, "account", _ANNE.account)
    with pytest.raises(RetentionError, match="no account is called so"):
        begin(home, "account", _ANNE.account)
    assert len(erasing.resume(home, NOW, lambda *_: None)) == 1
    assert erasing.resume(home, NOW, lambda *_: None) == []


@pytest.mark.clause("AL-4.2")
def test_what_is_dated_before_the_erasure_never_lands_again(home: Home, master_key: str) -> None:
    """Offered in many files and both roads it is counted and refused; what is dated later is somebody new."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    ((before,),) = query(home, "SELECT account_no FROM model.account WHERE label = 'zq001accountxv'")
    erased(home, "account", _ANNE.account)
    for number in range(3):
        put(home, f"again-{number}.jsonl", [*_ANNE.lines(), f'{{"n": {number}}}', *_BELA.lines([0])])
    assert taken(take_in(home)).late_rows == 18
    wide = [_ANNE._line(0, request_id=f"{_ANNE.word('request')}-{n}", pad="x" * 2_000) for n in range(600)]
    put(home, "wide.jsonl", wide)
    assert taken(take_in(home)).late_rows == 600
    assert _ANNE.found(home) == {}
    assert _spend(home, _ANNE.account) == (None, None)
    put(home, "later.jsonl", [_ANNE._line(0, request_id="new", ts=f"{(NOW + timedelta(hours=1)).isoformat()}Z")])
    take_in(home, NOW + timedelta(hours=2))
    assert _spend(home, _ANNE.account)[0] == 1
    ((after,),) = query(home, "SELECT account_no FROM model.account WHERE label = 'zq001accountxv'")
    assert after != before
    assert [reason for *_, reason in quarantine(home)] != []


@pytest.mark.soak
def test_an_older_build_that_is_put_back_brings_nobody_back(home: Home, master_key: str, tmp_path: Path) -> None:
    """The next pass finds the number, erases again before anything is served, and keeps who has returned since."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    older = tmp_path / "older.duckdb"
    older.write_bytes(home.build_file.read_bytes())
    erased(home, "account", _ANNE.account)
    put(home, "later.jsonl", [_ANNE._line(0, request_id="new", ts=f"{(NOW + timedelta(hours=1)).isoformat()}Z")])
    take_in(home, NOW + timedelta(hours=2))
    returned = query(home, "SELECT account_no FROM model.account ORDER BY 1")
    home.build_file.write_bytes(older.read_bytes())
    with pytest.raises(Exception, match="apiledger restore"):
        take_in(home, NOW + timedelta(hours=3))
    with database.read_only(home.build_file) as build:
        accounts = build.execute("SELECT label FROM model.account").fetchall()
    assert ("zq001accountxv",) not in accounts
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM outside_id WHERE kind = 'account'").fetchone() == (len(returned),)
        assert len(erasures.receipts(control)) == 2


@pytest.mark.clause("AL-8.3")
def test_of_a_user_the_number_goes_and_the_spend_stays(home: Home, master_key: str) -> None:
    """Their number, address and user agent at every grain; another user's of the same account and the sums are kept."""
    assert master_key
    person, other = "zq001userxv@example.org", "zq002userxv@example.org"
    lines = [_ANNE._line(back, user_id=other, request_id=f"o-{back}", ip="203.0.113.77") for back in range(6)]
    put(home, "calls.jsonl", [*_ANNE.lines(), *lines])
    take_in(home)
    total = query(home, "SELECT sum(requests), sum(cost_usd) FROM mart.spend_daily")
    (receipt,) = erased(home, "user", person)
    assert query(home, "SELECT sum(requests), sum(cost_usd) FROM mart.spend_daily") == total
    for table in ("requests", "usage_hourly", "usage_daily"):
        counted = f"SELECT count(*) FILTER (user_no IS NULL), count(DISTINCT user_no) FROM model.{table}"
        assert query(home, counted) == [(6, 1)], table
    assert query(home, "SELECT count(*) FROM model.requests WHERE user_no IS NULL AND client_no IS NOT NULL") == [(0,)]
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM client").fetchone() == (6,)
        assert control.execute("SELECT count(*) FROM outside_id WHERE kind = 'user'").fetchone() == (1,)
    assert json.loads(receipt)["rows"]["control.client"] == 6
    # Offered again, the calls are their account's, without the person.
    put(home, "again.jsonl", [_ANNE._line(0, request_id="late", ip="203.0.113.78")])
    take_in(home)
    assert query(home, "SELECT user_no, client_no FROM model.requests WHERE request_id = 'late'") == [(None, None)]


@pytest.mark.soak
def test_a_user_of_several_accounts_has_to_be_told_apart(home: Home, master_key: str) -> None:
    """The same id in two accounts is two people; with the account it is one."""
    assert master_key
    put(home, "calls.jsonl", [_ANNE._line(0, end_user_id="kim-1"), _BELA._line(0, end_user_id="kim-1")])
    take_in(home)
    with pytest.raises(RetentionError, match="--account"):
        begin(home, "end_user", "kim-1")
    erased(home, "end_user", "kim-1", account=_BELA.account)
    assert query(home, "SELECT count(end_user_no) FROM model.requests") == [(1,)]


def test_nobody_is_erased_by_a_name_nobody_has(home: Home, master_key: str) -> None:
    """And the account that owns the installation goes with its home only; figures are read on."""
    assert master_key
    put(home, "calls.jsonl", [line(account_id=...)])
    take_in(home)
    for name in ("nobody", "own"):
        with pytest.raises(RetentionError):
            begin(home, "account", name)
    assert query(home, "SELECT sum(requests) FROM mart.spend_daily") == [(1,)]


@pytest.mark.clause("AL-4.3")
def test_a_receipt_tells_of_nobody_and_anyone_can_check_it(home: Home, master_key: str, tmp_path: Path) -> None:
    """Plain Python checks the chain and the files; a number that is changed is found, and so is a changed version."""
    assert master_key
    lived(home, [_ANNE, _BELA, Canary(3)])
    receipts = erased(home, "account", _ANNE.account) + erased(home, "account", _BELA.account)
    for canary in (_ANNE, _BELA):
        assert [receipt for receipt in receipts if f"zq{canary.number:03}" in receipt] == []
    with database.control(home) as control:
        chained = erasures.receipts(control)
    file = tmp_path / "receipts.jsonl"

    def check(lines: list[tuple[str, str]]) -> tuple[int, str]:
        file.write_text("\n".join(json.dumps({"receipt": json.loads(one), "chain": chain}) for one, chain in lines))
        command = [sys.executable, "-I", "-S", str(PROJECT / "retention/verify_receipt.py"), str(file), str(home.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    fine, told = check(chained)
    assert (fine, told.splitlines()[0]) == (0, "2 receipts follow from one another")
    assert "  the gateway's own database and the copies it keeps of its logs" in told.splitlines()
    changed = chained[0][0].replace('"build.model.requests":6', '"build.model.requests":5')
    assert changed != chained[0][0]
    assert check([(changed, chained[0][1]), chained[1]])[0] == 1
    assert check([chained[1]])[0] == 1
    version = home.published / f"warehouse-{database.current_version(home)}.duckdb"
    version.chmod(0o600)
    version.write_bytes(version.read_bytes() + b"\0")
    assert check(chained) == (1, f"published/{version.name} is not the file the receipt tells of\n")
    assert verify_receipt.broken(chained) == []


def test_what_is_found_after_it_is_said(home: Home, master_key: str) -> None:
    """A file that somebody laid into the home with their name in it: the receipt tells where, never the file's name."""
    assert master_key
    lived(home, [_ANNE])
    (home.dagster / "logs").mkdir()
    (home.dagster / "logs" / f"{_ANNE.account}.log").write_text(f"{_ANNE.account} called\n")
    put(home, "waits.jsonl.refused", [_ANNE.account])
    (home.tmp / "work.gz").write_bytes(gzip.compress(_ANNE.account.encode()))
    (receipt,) = erased(home, "account", _ANNE.account)
    told = json.loads(receipt)
    assert told["found_in"] == {"dagster/logs": 1}
    assert told["removed_files"] == 2
    assert _ANNE.account not in receipt


@pytest.mark.soak
def test_the_policy_knows_who_waits_and_who_is_back(home: Home, master_key: str) -> None:
    """`policy verify` names an erasure that waits, one whose subject is here again, and a receipt that changed."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    begin(home, "account", _ANNE.account)

    def wrong() -> list[str]:
        with database.held(home.build_lock), database.build(home) as connection, database.control(home) as control:
            return erase.wrong(connection, control)

    assert ["waits" in said or "is here again" in said for said in wrong()] == [True, True]
    erasing.resume(home, NOW, lambda *_: None)
    assert wrong() == []
    with database.control(home) as control:
        control.execute("UPDATE erasure_receipt SET receipt = replace(receipt, '6', '7')")
    assert ["was changed" in said for said in wrong()] == [True]
    assert not withholding.is_withheld(home)
