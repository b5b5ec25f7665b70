"""Bills that were corrected: the older word goes after its days, the newest stays, and spend is the same."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.orchestration import retain
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.ground_truth import GroundTruth
from retention import hunter
from tests.pipelines.billed_world import LATER, World, world
from tests.retention.gateway_days import reading
from tests.templates import Templates
from warehouse import database
from warehouse.home import Home

_SPEND = "SELECT * FROM mart.spend_daily ORDER BY ALL"
_RAW = {"costs": "raw_openai.costs", "usage": "raw_openai.usage_completions"}
_NOON = LATER.replace(tzinfo=None)


@pytest.fixture
def corrected(
    templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str
) -> Iterator[World]:
    """A week whose bill was told, modelled, and in the next two hours told lower and lower."""
    assert master_key
    with world(tmp_path, monkeypatch) as made:

        def corrected(home: Home) -> None:
            made.pull("openai")
            made.take_in()
            for hours in (1, 2):
                made.apis["openai"].bill = _lower(made, hours)
                with database.control(home) as control:
                    control.execute("UPDATE connection SET read_until = '2026-06-20'")
                assert made.pull("openai", LATER + timedelta(hours=hours)).rows > 0

        templates.once(made.home, corrected)
        made.apis["openai"].bill = _lower(made, 2)
        yield made


def _lower(made: World, hours: int) -> Bill:
    return Bill.of(GroundTruth(made.truth.calls.gather_every(3 + hours)), "openai")


def _raw(made: World, *, newest: bool) -> list[tuple[Any, ...]]:
    """The raw rows of pulls that are, or are not, the newest of their day."""
    with database.control(made.home) as control:
        told = control.execute("SELECT report, pull_no, day FROM report_day").fetchall()
    is_newest = "IN" if newest else "NOT IN"
    with database.read_only(made.home.build_file) as build:
        return [
            row
            for report, table in _RAW.items()
            for row in build.execute(
                f"SELECT * FROM {table} WHERE pull_no || '/' || day {is_newest} (SELECT unnest(?)) ORDER BY ALL",
                [[f"{pull}/{day}" for name, pull, day in told if name == report]],
            ).fetchall()
        ]


def _night(made: World, days: int) -> dict[str, int]:
    read = reading(_NOON + timedelta(days=days))
    return retain.expire_home(made.home, read, lambda *_: None, clock_is_right=True).by_clause()


@pytest.mark.soak
@pytest.mark.clause("VA-6.1")
def test_what_was_said_before_goes_and_the_newest_stays(corrected: World) -> None:
    """After ninety days of the newer word; the models, spend and what the next pull finds are what they were."""
    corrected.take_in(LATER + timedelta(hours=2))
    spend, newest, old = corrected.query(_SPEND), _raw(corrected, newest=True), _raw(corrected, newest=False)
    assert len(old) > 10
    assert not {"R-pulls", "R-pull-receipts"} & _night(corrected, 90).keys()
    assert _raw(corrected, newest=False) == old
    taken = _night(corrected, 91)
    # The pulls themselves still told the newest word of other reports' days.
    assert taken["R-pulls"] >= len(old)
    assert _raw(corrected, newest=False) == []
    assert _raw(corrected, newest=True) == newest
    assert corrected.query(_SPEND) == spend
    with database.control(corrected.home) as control:
        control.execute("UPDATE connection SET read_until = '2026-06-20'")
    assert corrected.pull("openai", LATER + timedelta(days=92)).rows == 0
    corrected.take_in(LATER + timedelta(days=92))
    assert corrected.query(_SPEND) == spend


@pytest.mark.soak
def test_a_word_that_no_model_was_made_of_replaces_nothing(corrected: World) -> None:
    """While the newer pull waits for its pass, the older one is all that the models have."""
    old = _raw(corrected, newest=False)
    assert "R-pulls" not in _night(corrected, 91)
    assert _raw(corrected, newest=False) == old


@pytest.mark.soak
def test_a_missed_night_is_told(corrected: World) -> None:
    """The table and how many pulls of a day are overdue, two nights after they should have gone."""
    corrected.take_in(LATER + timedelta(hours=2))
    with database.build(corrected.home) as build, database.control(corrected.home) as control:
        said = {
            days: [
                each
                for each in hunter.overdue(
                    build,
                    control,
                    retain.policy_of(corrected.home),
                    _NOON + timedelta(days=days),
                    retain.report_tables(),
                )
                if each.startswith("R-pulls")
            ]
            for days in (91, 92)
        }
    assert said[91] == []
    assert {each.partition(" holds")[0] for each in said[92]} >= {f"R-pulls: {table}" for table in _RAW.values()}


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
def test_a_backfill_beside_a_bill_brings_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str
) -> None:
    """Logs of days whose calls are gone are refused and the bill is read again: spend is the same to the digit."""
    assert master_key
    with world(tmp_path, monkeypatch) as made:
        inbox = made.home.inbox / "gateway_jsonl"
        logs = {path.name: gzip.decompress(path.read_bytes()) for path in inbox.glob("*.gz")}
        made.pull("openai")
        made.take_in()
        spend = made.query(_SPEND)
        assert _night(made, 91)["R-requests"] > 100
        assert made.query(_SPEND) == spend
        for name, content in logs.items():
            # A file with the same bytes is known: this one is told as another.
            (inbox / f"again-{name}").write_bytes(gzip.compress(content + b"\n"))
        with database.control(made.home) as control:
            control.execute("UPDATE connection SET read_until = '2026-06-20'")
        later = LATER + timedelta(days=92)
        assert made.pull("openai", later).rows == 0
        made.take_in(later)
        assert made.query(_SPEND) == spend
        assert made.query("SELECT count(*) FROM model.requests") == [(0,)]
        with database.control(made.home) as control:
            ((refused,),) = control.execute("SELECT sum(late_rows) FROM load").fetchall()
            assert control.execute("SELECT count(*) FROM client").fetchall() == [(0,)]
        assert refused == made.query("SELECT sum(requests) FROM model.usage_monthly")[0][0]
