"""The sandbox's sessions: appended to as agents do, read where they lie, and in no real home."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pipelines.errors import PipelineError
from pipelines.gateways import watch
from pipelines.gateways.provider import gateways
from pipelines.gateways.session_line import SessionLine
from pipelines.sandbox.company import AGENTS
from pipelines.sandbox.ground_truth import GroundTruth
from pipelines.sandbox.sessions import write_sessions
from warehouse.home import Home

ENDS = datetime(2026, 7, 1, tzinfo=UTC)
NOON = ENDS - timedelta(days=1, hours=12)


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    """Two days of six developers' agents."""
    return GroundTruth.make(7, ENDS, days=2, calls=400, sources=AGENTS)


@pytest.fixture
def sandbox(tmp_path: Path, master_key: str) -> Home:
    """An empty sandbox."""
    assert master_key
    return Home(tmp_path / "sandbox").make(AGENTS, sandbox=True)


def visited(home: Home) -> dict[str, int]:
    """Visit every agent's folder as a pass does; how many sessions had news."""
    found = [one for name in AGENTS for one in watch.collect(home, gateways()[name], ENDS, lambda *_: None)]
    assert [one.skipped for one in found] == [None] * len(found)
    return {one.place: one.things for one in found}


def handed_over(home: Home, agent: str) -> dict[str, SessionLine]:
    """The calls that lie in an agent's inbox, by what tells them apart."""
    lines = [line for path in (home.inbox / agent).iterdir() for line in path.read_bytes().splitlines()]
    calls = [msgspec.json.decode(line, type=SessionLine) for line in lines]
    assert [call.problem for call in calls if call.problem] == []
    return {call.id: call for call in calls}


def test_sessions_that_go_on_are_read_call_by_call(sandbox: Home, truth: GroundTruth) -> None:
    """Half a day, a visit, the rest, a visit: every call of the truth once, with its tokens, model and folder."""
    first = write_sessions(truth, sandbox, NOON)
    assert sum(visited(sandbox).values()) == len(first)
    assert sum(visited(sandbox).values()) == 0
    rest = write_sessions(GroundTruth(truth.calls.filter(pl.col("requested_at") >= NOON)), sandbox)
    assert {*first} & {*rest}
    assert sum(visited(sandbox).values()) == len(rest)
    for agent in AGENTS:
        found = [
            (
                call.us,
                call.project_name,
                call.provider,
                call.model,
                call.input_tokens,
                call.output_tokens,
                call.cache_read_tokens,
                call.reasoning_out_tokens,
            )
            for call in handed_over(sandbox, agent).values()
        ]
        columns = ("project", "provider", "model", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
        told = truth.told_by(agent)
        assert sorted(found) == sorted(
            (round(row["requested_at"].timestamp() * 1e6), *(row[name] for name in columns))
            for row in told.iter_rows(named=True)
        )
        assert set(told["status"]) == {"ok"}


def test_what_an_agent_writes_is_private_and_in_a_sandbox_alone(
    sandbox: Home, truth: GroundTruth, home: Home, tmp_path: Path
) -> None:
    """A real home is refused, and so is a folder that leads out of the sandbox, to write and to read."""
    write_sessions(truth, sandbox)
    folder = sandbox.root / "agents"
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in (folder, *folder.rglob("*"))}
    assert modes == {(True, 0o700), (False, 0o600)}
    with pytest.raises(PipelineError, match="no folder of a sandbox"):
        write_sessions(truth, home)
    outside = tmp_path / "somebody"
    outside.mkdir()
    (sandbox.root / "agents" / "codex").rename(tmp_path / "moved")
    (sandbox.root / "agents" / "codex").symlink_to(outside)
    with pytest.raises(PipelineError, match="no folder of a sandbox"):
        write_sessions(truth, sandbox)
    with pytest.raises(PipelineError, match="no folder of a sandbox"):
        watch.collect(sandbox, gateways()["codex"], ENDS, lambda *_: None)
    assert not list(outside.iterdir())
    assert not (home.root / "agents").exists()
