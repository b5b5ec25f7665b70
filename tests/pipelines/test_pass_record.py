"""How a pass ended is written down: by the command's own, and by Dagster's, whichever step is lost."""

from datetime import timedelta

import dagster as dg
import pytest

from pipelines import passage
from pipelines.orchestration import pass_record, pull_assets
from tests.pipelines.gateway_log import NOW, line, put, take_in
from warehouse import database, publication
from warehouse.control import pass_end, pass_run
from warehouse.control.pass_end import PassEnd
from warehouse.home import Home


def _last(home: Home) -> PassEnd | None:
    with database.control(home) as control:
        return pass_end.last(control)


def test_a_pass_says_how_it_ended(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Well; and one that broke off keeps when the last one did well."""
    assert master_key
    put(home, "a.jsonl", [line(), "no line"])
    put(home, "b.jsonl", [line(request_id="b")])
    take_in(home)
    first = NOW.replace(tzinfo=None)
    assert _last(home) == PassEnd(first, is_good=True, good_at=first)

    def lost(*_: object) -> bool:
        raise RuntimeError("lost")

    monkeypatch.setattr(publication, "due", lost)
    later = NOW + timedelta(hours=1)
    with pytest.raises(RuntimeError, match="lost"):
        passage.run_pass(home, later, lambda *_: None)
    assert _last(home) == PassEnd(later.replace(tzinfo=None), is_good=False, good_at=first)
    with database.control(home) as control:
        lost_run, first_run = pass_run.listed(control, first)
    assert (first_run.begun_at, first_run.is_good, first_run.ended_at >= first) == (first, True, True)
    assert (first_run.files, first_run.rows, first_run.quarantined, first_run.pulls) == (2, 2, 1, 0)
    assert (lost_run.is_good, lost_run.files, lost_run.rows) == (False, 0, 0)


def test_a_step_that_is_lost_in_dagster_is_a_pass_that_is(home: Home) -> None:
    """The hook is called once its retries are used up; a version that was looked after ends a pass well."""

    @dg.asset
    def step() -> None:
        raise RuntimeError("lost")

    hooked = dg.define_asset_job("tiny_pass", hooks={pass_record.failed(home)})
    definitions = dg.Definitions(assets=[step], jobs=[hooked], executor=dg.in_process_executor)
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("tiny_pass").execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    last = _last(home)
    assert last is not None
    assert (last.is_good, last.good_at) == (False, None)
    pass_record.ended(home, is_good=True)
    last = _last(home)
    assert last is not None
    assert last.good_at == last.ended_at
    with database.control(home) as control:
        runs = pass_run.listed(control, last.ended_at - timedelta(hours=1))
    assert [(one.is_good, one.begun_at) for one in runs] == [(True, None), (False, None)]


def test_a_provider_that_does_not_answer_is_no_lost_pass(home: Home) -> None:
    """The job of the bills has the hook, too, but for the steps that ask; the one after them counts."""

    @dg.asset
    def asked() -> None:
        raise RuntimeError("no answer")

    @dg.asset
    def modelled() -> None:
        raise RuntimeError("lost")

    bills = pull_assets.job(home, [asked], [modelled], [])
    definitions = dg.Definitions(assets=[asked, modelled], jobs=[bills], executor=dg.in_process_executor)
    with dg.DagsterInstance.ephemeral() as instance:
        for step, is_lost in ((asked, False), (modelled, True)):
            job = definitions.resolve_job_def("bills")
            done = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=[step.key])
            assert not done.success
            assert (_last(home) is not None) == is_lost
