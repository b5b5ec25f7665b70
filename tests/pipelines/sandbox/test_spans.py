"""The sandbox's spans: read by the source as the truth has them, under old and new names, and in no real home."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.errors import PipelineError
from pipelines.gateways.record_row import SCHEMA
from pipelines.providers import otel
from pipelines.sandbox.ground_truth import GroundTruth
from pipelines.sandbox.spans import SOURCE, write_spans
from warehouse.home import Home

ENDS = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    """Five days of a service and a nightly job."""
    return GroundTruth.make(7, ENDS, days=5, calls=900, sources=(SOURCE,))


@pytest.fixture
def lines(tmp_path: Path, truth: GroundTruth) -> list[bytes]:
    """What the Collector wrote."""
    home = Home(tmp_path / "sandbox").make(sandbox=True)
    files = write_spans(truth, home)
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    return [line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_the_source_reads_each_call_of_the_truth_once(truth: GroundTruth, lines: list[bytes]) -> None:
    """Tokens, outcome, model and moment of every call; what was served around it and the agent's step are no calls."""
    calls = {}
    for line in lines:
        for told in otel.spread(line):
            assert isinstance(told, tuple), told
            call = dict(zip(SCHEMA.names, told, strict=True))
            calls[call["identity"]] = call
    outcomes = {"ok": "ok", "cancelled": "cancelled"}
    found = sorted(
        (
            call["requested_us"],
            call["project_name"],
            call["model"],
            call["input_tokens"],
            call["output_tokens"],
            call["cache_read_tokens"] or 0,
            call["reasoning_out_tokens"] or 0,
            outcomes.get(call["status"], "error"),
            call["latency_ms"],
        )
        for call in calls.values()
    )
    columns = ("project", "model", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "status")
    assert found == sorted(
        (round(row["requested_at"].timestamp() * 1e6), *(row[name] for name in columns), row["latency_ms"])
        for row in truth.calls.iter_rows(named=True)
    )
    assert {call[-2] for call in found} == {"ok", "cancelled", "error"}


def test_both_generations_of_names_are_sent(lines: list[bytes]) -> None:
    """One of the service's two libraries writes what conventions said before."""
    texts = b"\n".join(lines)
    for name in ("gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.system", "gen_ai.usage.prompt_tokens"):
        assert texts.count(json.dumps(name).encode()) > 50, name


def test_the_same_truth_writes_the_same_bytes(tmp_path: Path, truth: GroundTruth) -> None:
    """Two sandboxes of one seed hold the same files, and a real home none."""
    one, two = (write_spans(truth, Home(tmp_path / name).make(sandbox=True)) for name in ("one", "two"))
    assert [(path.name, path.read_bytes()) for path in one] == [(path.name, path.read_bytes()) for path in two]
    with pytest.raises(PipelineError, match="SANDBOX"):
        write_spans(truth, Home(tmp_path / "own").make())
    assert not list((tmp_path / "own").rglob("*.gz"))
