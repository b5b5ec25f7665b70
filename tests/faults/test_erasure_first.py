"""An erasure goes first: a pass under way gives way to it at its next safe point, and goes on after it.

What came in which order is told by the pass itself, never by a clock.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from pipelines.backups import backup, backup_key
from pipelines.backups.place import Place
from pipelines.bills import pull
from pipelines.bills.biller import billers
from pipelines.gateways import ingest, reading
from pipelines.gateways.provider import gateways
from pipelines.materialization import build
from pipelines.materialization.landed import missing_loads
from pipelines.orchestration import run_log
from pipelines.orchestration.retain import expire_home
from pipelines.passage import run_pass
from pipelines.prices import reprice
from retention import erase
from retention.clock import Reading
from tests.faults.healed import assert_published
from tests.pipelines.bill_folder import Folder, as_csv, row
from tests.pipelines.billed_world import LATER, world
from tests.pipelines.gateway_log import put, query, taken
from tests.retention import byte_scan
from tests.retention.erased_world import NOW, Canary, begin, lived
from tests.templates import Templates
from warehouse import conservation, database
from warehouse.home import Home

_ANNE, _BELA = Canary(1), Canary(2)
_PRICE = """
[[price]]
provider = "openai"
model = "mine"
valid_from = 2026-11-01
input_mtok = "5"
output_mtok = "5"
source = "ours"
"""


@pytest.fixture
def lived_in(home: Home, templates: Templates, master_key: str) -> Home:
    """A home with the calls of two accounts."""
    assert master_key

    def lived_in(home: Home) -> None:
        lived(home, [_ANNE, _BELA])

    return templates.once(home, lived_in)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_load_under_way_gives_way_between_files(lived_in: Home) -> None:
    """Begun while the second of four files is read, an erasure has ended before the third is; nothing is lost by it."""
    for number in range(4):
        put(lived_in, f"more-{number}.jsonl", _BELA.lines([3], request_id=f"b-{number}"))
    told = _Told(lived_in, lambda what, done, _: (what, done) == ("reading gateway_jsonl", 1))
    report = run_pass(lived_in, NOW, told)
    assert told.order("reading gateway_jsonl 1", "begun", "erased 1", "reading gateway_jsonl 2", "modelling days 0")
    assert (report.gave_way, taken(report).files, taken(report).rows) == (1, 4, 4)
    _assert_gave_way(lived_in, 10)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_load_under_way_gives_way_between_rounds(lived_in: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that make a round are landed before the next is read: what landed before an erasure is not read again."""
    monkeypatch.setattr(ingest, "MOST_ROWS", 1)
    monkeypatch.setattr(reading, "CAREFUL_ROWS", 1)
    for number in range(4):
        put(lived_in, f"more-{number}.jsonl", _BELA.lines([3], request_id=f"b-{number}"))
    told = _Told(lived_in, lambda what, done, _: (what, done) == ("reading gateway_jsonl", 2))
    run_pass(lived_in, NOW, told)
    assert told.order(
        "reading gateway_jsonl 2", "begun", "erased 1", "reading gateway_jsonl 2", "reading gateway_jsonl 3"
    )
    assert [told.events.count(f"reading gateway_jsonl {number}") for number in range(4)] == [1, 1, 2, 1]
    _assert_gave_way(lived_in, 10)


@pytest.mark.clause("AL-4.2")
def test_a_pass_that_models_gives_way_between_days(lived_in: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun while one of four days is made, an erasure has ended before the next is; each is made, and once."""
    monkeypatch.setattr(build, "RUN_ROWS", 1)
    put(lived_in, "more.jsonl", [each for back in range(4) for each in _BELA.lines([back], request_id=f"b-{back}")])
    told = _Told(lived_in, lambda what, done, _: (what, done) == ("modelling days", 1))
    report = run_pass(lived_in, NOW, told)
    assert told.order("modelling days 1", "begun", "erased 1", "modelling days 0", "publishing 0")
    assert [told.before("erased 1").count(f"modelling days {number}") for number in range(4)] == [1, 1, 0, 0]
    assert (report.gave_way, len(report.built.days)) == (1, 4)
    _assert_gave_way(lived_in, 10)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_provider_is_not_waited_for(tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun while one of its reports is asked for, an erasure ends before the next is; all are asked for again."""
    assert master_key
    with world(tmp_path, monkeypatch) as made:
        ingest.ingest(made.home, gateways()["gateway_jsonl"], LATER, lambda *_: None)
        with database.control(made.home) as control:
            (whom,) = control.execute(
                "SELECT label FROM label JOIN outside_id USING (no) WHERE kind = 'account' ORDER BY 1 LIMIT 1"
            ).fetchone()
        told = _Told(made.home, lambda what, done, _: (what, done) == ("asking openai", 0), whom)
        report = run_pass(made.home, LATER, told)
        assert told.order("asking openai 0", "begun", "erased 1", "asking openai 0", "asking openai 1")
        assert not [event for event in told.before("erased 1") if event == "asking openai 1"]
        assert {(one.provider, one.skipped) for one in report.pulled if one.rows} == {
            ("openai", None),
            ("anthropic", None),
        }
        assert (whom,) not in made.query("SELECT DISTINCT account FROM mart.spend_daily")
        for provider in ("openai", "anthropic"):
            ((billed,),) = made.query(
                "SELECT sum(cost_usd) FROM mart.spend_by_source WHERE source = 'bill' AND provider = ?", provider
            )
            assert billed == made.billed(provider)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_bill_that_came_as_a_file_is_not_waited_for(lived_in: Home) -> None:
    """Begun while it is read, an erasure ends before it lands; then it lands, once."""
    inbox = Folder(lived_in)
    inbox.drop("october.csv", as_csv([row(day, "1.5") for day in range(1, 5)]))
    told = _Told(lived_in, lambda what, *_: what == "reading focus")
    pulled = pull.pull(lived_in, billers()["focus"], NOW, told)
    assert told.order("reading focus 0", "begun", "erased 1", "reading focus 0")
    assert (pulled.rows, pulled.skipped) == (4, None)
    assert not erase.is_pending(lived_in)
    run_pass(lived_in, NOW, lambda *_: None)
    assert inbox.billed() == 6


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_reprice_gives_way_between_days(lived_in: Home) -> None:
    """Begun while the second of six days is priced, an erasure has ended before the third is; each is priced once."""
    mine = [one for each in (_ANNE, _BELA) for one in each.lines(model="mine", request_id=each.word("mine"))]
    put(lived_in, "mine.jsonl", [one.replace("minexv", f"minexv-{number}") for number, one in enumerate(mine)])
    run_pass(lived_in, NOW, lambda *_: None)
    (lived_in.root / "prices.toml").write_text(_PRICE)
    told = _Told(lived_in, lambda what, done, _: (what, done) == ("repricing days", 1))
    first, last = NOW.date() - timedelta(days=9), NOW.date()
    assert len(reprice.changes(lived_in, first, last, None, NOW, lambda *_: None)) == 6
    assert reprice.run(lived_in, first, last, None, NOW, told) == database.current_version(lived_in)
    assert told.order("repricing days 1", "begun", "erased 1", "repricing days 2", "repricing days 6")
    assert [told.events.count(f"repricing days {number}") for number in range(6)] == [1] * 6
    cost = "SELECT DISTINCT cost_usd FROM mart.spend_daily WHERE model = 'mine'"
    assert query(lived_in, cost) == [(Decimal("0.000075"),)]
    assert query(lived_in, "SELECT count(*) FROM model.reprice") == [(1,)]
    assert reprice.changes(lived_in, first, last, None, NOW, lambda *_: None) == []
    _assert_gave_way(lived_in, 12)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_an_expiry_gives_way_between_clauses(lived_in: Home) -> None:
    """Begun while raw rows go, an erasure has ended before the calls do; they go after it, and every sum stays."""
    later = NOW + timedelta(days=100)
    told = _Told(lived_in, lambda what, *_: what == "expiring raw_gateway_jsonl.calls")
    night = expire_home(lived_in, Reading(later, "one", later.timestamp()), told, clock_is_right=True)
    assert told.order(
        "expiring raw_gateway_jsonl.calls 0", "begun", "erased 1", "expiring model.requests 1", "expired 1"
    )
    assert {each.place for each in night.expired} >= {"raw_gateway_jsonl.calls", "model.requests"}
    assert query(lived_in, "SELECT count(*) FROM model.requests") == [(0,)]
    assert night.version == database.current_version(lived_in)
    _assert_gave_way(lived_in, 6)


@pytest.mark.clause("AL-4.2")
def test_a_backup_gives_way_and_has_nobody_who_went_first(lived_in: Home, tmp_path: Path) -> None:
    """Begun while its second file is sealed, an erasure ends, and the backup is begun anew without them; it is one."""
    told = _Told(lived_in, lambda what, done, _: (what, done) == ("backing up", 1))
    made = backup.make(lived_in, str(tmp_path / "elsewhere"), NOW, told)
    assert told.order("backing up 1", "begun", "erased 1", "backing up 0", "backing up 1")
    assert not list((tmp_path / "elsewhere").glob(".*.part"))
    with backup.unpacking(Place(str(tmp_path / "elsewhere")), made.backup.name, backup_key.read()) as (tar, _):
        tar.extractall(tmp_path / "opened", filter="data")
    assert byte_scan.found(tmp_path / "opened", rb"zq001\w*xv") == {}
    assert byte_scan.found(tmp_path / "opened", rb"zq002\w*xv")
    assert list(lived_in.tmp.iterdir()) == []
    _assert_gave_way(lived_in, 6)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_backup_is_begun_anew_after_an_erasure_that_somebody_else_carried_out(lived_in: Home, tmp_path: Path) -> None:
    """Begun and ended while it is written, as by a page: the copies that were taken before are not sealed."""
    told = _Told(lived_in, lambda what, done, _: (what, done) == ("backing up", 1), carried_out=True)
    made = backup.make(lived_in, str(tmp_path / "elsewhere"), NOW, told)
    with backup.unpacking(Place(str(tmp_path / "elsewhere")), made.backup.name, backup_key.read()) as (tar, _):
        tar.extractall(tmp_path / "opened", filter="data")
    assert byte_scan.found(tmp_path / "opened", rb"zq001\w*xv") == {}
    assert told.events.count("backing up 0") == 2


@pytest.mark.clause("AL-4.2")
def test_dagster_says_that_a_run_gave_way(lived_in: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run of such a pass is marked, its step says how often, and it has not failed."""
    from pipelines import definitions

    put(lived_in, "more.jsonl", _BELA.lines([3], request_id="b-late"))
    told = _Told(lived_in, lambda what, done, total: (what, done) == ("reading gateway_jsonl", total))
    said = run_log.told

    def beside(log: dg.DagsterLogManager) -> Callable[[str, int, int], None]:
        tell = said(log)

        def both(what: str, done: int, total: int) -> None:
            tell(what, done, total)
            told(what, done, total)

        return both

    monkeypatch.setattr(run_log, "told", beside)
    monkeypatch.setattr(definitions, "HOME", lived_in)
    step = definitions._raw(gateways()["gateway_jsonl"])
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([step], instance=instance)
        (event,) = run.get_asset_materialization_events()
        assert [each.tags.get("gave_way_to") for each in instance.get_runs()] == ["erasure"]
    assert run.success
    assert told.order("reading gateway_jsonl 1", "begun", "erased 1", "reading gateway_jsonl 1")
    metadata = event.materialization.metadata
    assert (metadata["gave_way_to_erasures"].value, metadata["rows_landed"].value) == (1, 1)
    assert not erase.is_pending(lived_in)


class _Told:
    """What a pass tells, in its order; at the first thing that `begins` an erasure is begun."""

    def __init__(
        self,
        home: Home,
        begins: Callable[[str, int, int], bool],
        whom: str = _ANNE.account,
        *,
        carried_out: bool = False,
    ) -> None:
        self.events: list[str] = []
        self._home, self._begins, self._whom, self._carried_out = home, begins, whom, carried_out

    def __call__(self, what: str, done: int, total: int) -> None:
        """Note it."""
        self.events.append(f"{what} {done}")
        if "begun" not in self.events and self._begins(what, done, total):
            begin(self._home, "account", self._whom)
            self.events.append("begun")
            if self._carried_out:
                erase.carry_out(self._home, NOW, lambda *_: None)

    def order(self, *events: str) -> bool:
        """Whether these came one after the other, whatever came between."""
        came = iter(self.events)
        return all(event in came for event in events)

    def before(self, event: str) -> list[str]:
        """What came before it."""
        return self.events[: self.events.index(event)]


def _assert_gave_way(home: Home, requests: int) -> None:
    assert _ANNE.found(home) == {}
    assert query(home, "SELECT account, sum(requests) FROM mart.spend_daily GROUP BY 1") == [(_BELA.account, requests)]
    with database.read_only(home.build_file) as build_file, database.control(home) as control:
        assert missing_loads(build_file, control) == []
        assert conservation.differences(build_file) == []
        assert control.execute("SELECT count(*) FROM load WHERE state = 'begun'").fetchone() == (0,)
    assert not erase.is_pending(home)
    assert_published(home, database.current_version(home) or 0)
