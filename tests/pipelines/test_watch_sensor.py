"""The sensor of watched logs: a pass when there is news, and none while one is under way."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.commands.chosen_home import chosen_home
from pipelines.gateways import litellm_objects
from pipelines.orchestration import watch_sensor
from pipelines.providers import claude_code
from tests.pipelines.gateway_log import take_in
from tests.pipelines.sessions import answered, append
from warehouse.home import Home


@dg.op
def _nothing() -> None:
    """Do nothing: the job is only asked for."""


@dg.job
def a_pass() -> None:
    """Stand where the real pass stands."""
    _nothing()


def tick(home: Home, cursor: str | None = None, *, busy: bool = False) -> tuple[str, str | None]:
    """Evaluate the sensor once: what it asked for or why not, and its cursor after."""
    sensor = watch_sensor.watched(home, a_pass, lambda *_: busy)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        answer = sensor(context)
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        said = answer.tags["watched"] if isinstance(answer, dg.RunRequest) else str(answer.skip_message)
        return said, context.cursor


@pytest.mark.usefixtures("master_key")
def test_a_pass_starts_when_a_session_grew(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing without the setting; then once a file is there and once it grew; never while a pass is under way."""
    path = append(tmp_path / "sessions/a.jsonl", answered(1, 0))
    take_in(home)
    assert tick(home) == ("nothing is watched", None)
    monkeypatch.setenv(claude_code.SETTING, str(path.parent))
    assert tick(home) == ("folders", None)
    assert tick(home, busy=True) == ("a pass is under way", None)
    take_in(home)
    assert tick(home) == ("nothing new", None)
    append(path, answered(2, 5))
    assert tick(home) == ("folders", None)
    monkeypatch.setenv(claude_code.SETTING, str(tmp_path / "nowhere"))
    assert tick(home) == ("folders", None), "what cannot be read is said by the pass"


@pytest.mark.usefixtures("master_key")
def test_a_remote_place_is_visited_every_five_minutes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensor asks no bucket itself: it counts the minutes since the last visit."""
    take_in(home)
    monkeypatch.setenv(litellm_objects.SETTING, "s3://bucket/litellm")
    said, cursor = tick(home)
    assert said == "remote"
    assert cursor is not None
    assert tick(home, cursor) == ("nothing new", cursor)
    earlier = (datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=6)).isoformat()
    assert tick(home, earlier)[0] == "remote"


def test_what_is_watched_makes_the_own_home_the_one_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who switched a folder on does not get the sandbox, where that folder is none."""
    assert chosen_home(None) == Home.sandbox()
    monkeypatch.setenv(claude_code.SETTING, str(tmp_path))
    assert chosen_home(None) == Home.own()
    made_up = Home(tmp_path / "made-up").make(sandbox=True)
    assert tick(made_up) == ("nothing is watched", None)
