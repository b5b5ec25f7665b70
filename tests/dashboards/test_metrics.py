"""`/healthz` tells one word, `/metrics` the operator's figures: true to the stores, in Prometheus's form, of nobody."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from dashboards.api import health, metrics
from tests.conftest import MASTER_KEY
from tests.dashboards import machine_site
from tests.dashboards.machine_site import UNTIL, Machines
from tests.dashboards.people_site import now, served
from warehouse import database
from warehouse.control import pass_end
from warehouse.home import Home

_SAMPLE = re.compile(r'[a-z_]+(\{([a-z]+="[^"\\\n]*",?)+\})? -?[0-9.e+]+')


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Figures, people and their tokens, served."""
    home = Home(tmp_path_factory.mktemp("metrics") / "own")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_HOME", str(home.root))
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        machine_site.publish(home)
        made = machine_site.people(home)
        with served(machine_site.app()) as made.port:
            yield made


@pytest.fixture
def machines(made: Machines, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """The same, for a test that has its own environment."""
    monkeypatch.setenv("APILEDGER_HOME", str(made.home.root))
    monkeypatch.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
    return made


def _ended(home: Home, at: datetime, *, is_good: bool) -> None:
    with database.control(home) as control:
        pass_end.note(control, at, is_good=is_good)


def test_well_is_a_version_and_passes_that_go_on(home: Home, master_key: str) -> None:
    """No version is not well; a fresh one is for as long as a pass may take; then only passes that end well are."""
    assert master_key
    assert not health.look(home).is_well(UNTIL)
    machine_site.publish(home)
    late = UNTIL + pass_end.LATE_AFTER + timedelta(seconds=1)
    assert health.look(home).is_well(UNTIL + pass_end.LATE_AFTER)
    assert not health.look(home).is_well(late)
    _ended(home, late, is_good=True)
    assert health.look(home).is_well(late)
    _ended(home, late + pass_end.LATE_AFTER, is_good=False)
    assert health.look(home).is_well(late + pass_end.LATE_AFTER)
    assert not health.look(home).is_well(late + pass_end.LATE_AFTER + timedelta(seconds=1))
    (home.published / "current").unlink()
    assert not health.look(home).is_well(late)


def test_the_word_is_told_to_anybody_and_the_figures_to_the_operator(machines: Machines) -> None:
    """200 or 503 with a status, without a token; the figures with the operator's alone."""
    told = machines.ask("/healthz", whose=None)
    assert (told.status, told.json) == (503, {"status": "not ok"})
    _ended(machines.home, now(), is_good=True)
    told = machines.ask("/healthz", whose=None)
    assert (told.status, told.json) == (200, {"status": "ok"})
    assert machines.ask("/healthz", whose=None, method="HEAD").status == 200
    assert machines.ask("/metrics", whose=None).status == 401
    for name in ("ada", "bob", "one"):
        assert machines.ask("/metrics", whose=name).status == 403
    told = machines.ask("/metrics")
    assert (told.status, told.headers["content-type"]) == (200, metrics.MEDIA_TYPE)


def test_the_figures_are_true_and_of_nobody(machines: Machines) -> None:
    """Against the stores; every line as Prometheus reads it; no label of an account, a project or a person."""
    home, moment = machines.home, now()
    (home.inbox / "gateway_jsonl" / "a.jsonl").write_text("{}\n")
    (home.inbox / "gateway_jsonl" / "b.jsonl.part").write_text("{}\n")
    _ended(home, moment - timedelta(seconds=50), is_good=False)
    text = machines.ask("/metrics").body.decode()
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in samples if not _SAMPLE.fullmatch(line)] == []
    names = {re.split("[{ ]", line)[0] for line in samples}
    assert {f"# TYPE {name} gauge" for name in names} <= set(text.splitlines())
    assert all(name.startswith("apiledger_") for name in names)
    told = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in samples}
    with database.published(home) as connection:
        (unpriced,) = connection.execute(
            "SELECT sum(unpriced_requests) FROM mart.spend_daily WHERE day BETWEEN ?::DATE - 90 AND ?", [moment, moment]
        ).fetchall()[0]
    assert told["apiledger_unpriced_requests"] == unpriced > 0
    assert told["apiledger_published_version"] == 1
    assert abs(told["apiledger_published_age_seconds"] - (moment - UNTIL).total_seconds()) < 60
    assert 50 <= told["apiledger_last_pass_age_seconds"] < 110
    assert told["apiledger_last_pass_success"] == 0
    assert told['apiledger_landed_rows{source="gateway_jsonl"}'] == 48211
    assert told['apiledger_quarantined_rows{source="gateway_jsonl"}'] == 2
    assert told['apiledger_inbox_waiting_files{gateway="gateway_jsonl"}'] == 1
    assert told['apiledger_connections{state="working"}'] == 0
    assert told['apiledger_outbox_mails{state="waiting"}'] == 0
    assert told['apiledger_store_bytes{store="published"}'] > 100_000
    assert [word for word in ("Acme", "Beta", "search", "team.example") if word in text] == []


def test_a_label_is_told_in_quotes() -> None:
    """A backslash, a quote and a new line are what the format says they are."""
    family = metrics.Family("apiledger_a", "b\\\nc", (({"d": 'e"\\\n'}, 1),))
    assert (
        metrics.text([family])
        == '# HELP apiledger_a b\\\\\\nc\n# TYPE apiledger_a gauge\napiledger_a{d="e\\"\\\\\\n"} 1\n'
    )
