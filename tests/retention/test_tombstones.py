"""Tombstones hold wherever the erased are offered: in another gateway's log, by a key, in the whole of a part."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines import erasing
from pipelines.passage import run_pass
from retention import tombstone_ledger
from tests.faults import offers
from tests.faults.offers import INBOXES, KEY
from tests.pipelines.gateway_log import put, query, take_in, taken
from tests.retention.erased_world import NOW, Canary, begin, erased
from warehouse import database
from warehouse.control import told_apart
from warehouse.home import Home

_ANNE, _BELA = Canary(1), Canary(2)
_THEN, _LATER = NOW + timedelta(minutes=30), NOW + timedelta(hours=1)
_PERSON = f"{_ANNE.word('user')}@example.org"
_SPEND = "SELECT account, sum(requests)::BIGINT FROM mart.spend_daily GROUP BY 1 ORDER BY 1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two accounts of one gateway; one of the calls is told apart by team."""
    from tests.conftest import MASTER_KEY

    home = Home(tmp_path_factory.mktemp("stones") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        put(home, "calls.jsonl", [offers.gateway_line(each, f"call-{each.number}", 2) for each in (_ANNE, _BELA)])
        put(home, "beside.jsonl", [offers.gateway_line(_BELA, "beside", 2, key_id="main key", team="red")])
        take_in(home, NOW)
    return home


@pytest.fixture
def ours(made: Home, tmp_path: Path, master_key: str) -> Home:
    """A copy."""
    assert master_key
    shutil.copytree(made.root, tmp_path / "own", symlinks=True)
    return Home(tmp_path / "own")


def _offer(home: Home, back: int, now: datetime) -> dict[str, int]:
    """Offer a call of the erased on every road; how many records were counted as late, by gateway."""
    for number, (road, (gateway, told)) in enumerate(INBOXES.items()):
        put(home, f"{road}-{back}.jsonl", [told(_ANNE, number + 1, back)], gateway)
    return {one.gateway: one.late_rows for one in take_in(home, now).ingested if one.files}


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_an_account_is_refused_by_whichever_gateway_it_is_offered(ours: Home) -> None:
    """One gateway told of it; any other that tells of a day before lands nothing, and what comes after is new.

    One that knows no accounts, or calls it otherwise, tells of it by its key; a short name of a key is anybody's, and
    whoever had the same key before keeps what they do with it, also what comes late. The store tells of nobody.
    """
    erased(ours, "account", _ANNE.account, now=_THEN)
    lines = [
        offers.gateway_line(Canary(3), name, account_id=account, key_id=key)
        for name, account, key in (("a", ..., KEY), ("b", "somebody", KEY), ("c", "somebody", _ANNE.word("key")))
    ]
    put(ours, "keys.jsonl", [*lines, offers.gateway_line(_BELA, "late")])
    assert _offer(ours, 1, _LATER) == {"gateway_jsonl": 1 + 2, "litellm": 2, "otel": 1}
    assert query(ours, _SPEND) == [("somebody", 1), (_BELA.account, 3)]
    with database.control(ours) as control:
        kinds = control.execute("SELECT DISTINCT kind, gateway FROM tombstone ORDER BY 1, 2").fetchall()
        lengths = control.execute("SELECT DISTINCT length(lookup) FROM tombstone").fetchall()
        ledger = tombstone_ledger.text(tombstone_ledger.of_control(control))
    assert kinds == [("account", "*"), ("account", "gateway_jsonl"), ("key", "*")]
    assert lengths == [(16,)]
    told = ours.control_file.read_bytes() + ledger.encode()
    assert not [word for word in (_ANNE.account, _PERSON) if word.encode() in told]
    assert set(_offer(ours, -1, NOW + timedelta(days=2)).values()) == {0}
    assert query(ours, _SPEND) == [("somebody", 1), (_ANNE.account, 4), (_BELA.account, 3)]


@pytest.mark.clause("AL-4.2")
def test_a_user_is_refused_by_whichever_gateway_they_are_offered(ours: Home) -> None:
    """The call is the account's and lands; the user, the address and the agent do not."""
    erased(ours, "user", _PERSON, now=_THEN)
    assert set(_offer(ours, 1, _LATER).values()) == {0}
    assert query(ours, _SPEND) == [(_ANNE.account, 5), (_BELA.account, 2)]
    with database.read_only(ours.build_file) as build:
        for schema, calls in (("raw_gateway_jsonl", 2), ("raw_litellm", 2), ("raw_otel", 1)):
            anne = "account_no IN (SELECT account_no FROM model.account WHERE label = ?)"
            told = f"SELECT count(user_no), count(client_no), count(end_user_no) FROM {schema}.calls WHERE {anne}"
            assert build.execute(told, [_ANNE.account]).fetchall() == [(0, 0, calls)], schema


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_part_is_refused_in_the_whole(ours: Home) -> None:
    """A team of an account that was told apart was erased: the account taken as a whole again brings nothing back."""
    with database.control(ours) as control:
        told_apart.put(control, _BELA.account, "team", NOW)
    part = [offers.gateway_line(_BELA, f"part-{n}", n, key_id="main key", team="red") for n in range(2)]
    put(ours, "part.jsonl", part)
    take_in(ours, NOW)
    assert (f"{_BELA.account}/red", 2) in query(ours, _SPEND)
    erased(ours, "account", f"{_BELA.account}/red", now=_THEN)
    with database.control(ours) as control:
        assert told_apart.end(control, _BELA.account)
    put(ours, "again.jsonl", [offers.gateway_line(_BELA, "again", key_id="main key", team="red")])
    assert taken(take_in(ours, _LATER)).late_rows == 1
    assert query(ours, _SPEND) == [(_ANNE.account, 1), (_BELA.account, 2)]


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("kind", ["account", "user"])
def test_another_gateways_load_under_way_brings_nothing_back(ours: Home, kind: str) -> None:
    """It looked for tombstones before the erasure began, and numbers the erased after: they go with it."""
    put(ours, "more.jsonl", [json.dumps(offers.spend_log(_ANNE, "late", 2))], "litellm")
    begun: list[str] = []

    def tell(what: str, done: int, total: int) -> None:
        if what == "reading litellm" and (done, total) == (0, 1) and not begun:
            begun.append(what)
            begin(ours, kind, _ANNE.account if kind == "account" else _PERSON)

    run_pass(ours, NOW, tell)
    assert begun
    erasing.resume(ours, NOW, lambda *_: None)
    assert query(ours, _SPEND) == [*([] if kind == "account" else [(_ANNE.account, 2)]), (_BELA.account, 2)]
    with database.read_only(ours.build_file) as build:
        # A load that gave way to the erasure may have had nothing left to land.
        told = build.execute("SELECT 1 FROM duckdb_tables() WHERE schema_name = 'raw_litellm' AND table_name = 'calls'")
        assert not told.fetchall() or build.execute("SELECT count(user_no) FROM raw_litellm.calls").fetchall() == [(0,)]
