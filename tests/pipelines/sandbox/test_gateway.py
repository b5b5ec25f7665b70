"""The sandbox's gateway: its files keep the contract, add up to the truth, and enter no real home."""

import gzip
import json
import re
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.errors import PipelineError
from pipelines.sandbox.gateway import write_logs
from pipelines.sandbox.ground_truth import TOKENS, TOTALS_BY, GroundTruth
from warehouse.home import Home

MONTH_ENDS = datetime(2026, 7, 1, tzinfo=UTC)
TEXT, COUNT = str, int
REQUIRED: dict[str, type | tuple[type, ...]] = {
    "request_id": TEXT,
    "ts": TEXT,
    "account_id": TEXT,
    "key_id": TEXT,
    "provider": TEXT,
    "model": TEXT,
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    "status": (TEXT, COUNT),
    "latency_ms": COUNT,
}
OPTIONAL: dict[str, type | tuple[type, ...]] = {
    "upstream": TEXT,
    "project": TEXT,
    "team": TEXT,
    "user_id": TEXT,
    "end_user_id": TEXT,
    "tags": list,
    "cached_tokens": COUNT,
    "reasoning_tokens": COUNT,
    "service_tier": TEXT,
    "ip": TEXT,
    "user_agent": TEXT,
    "cost": TEXT,
}
DOCUMENTATION = tuple(ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    """Twelve days of 6,000 calls."""
    return GroundTruth.make(7, MONTH_ENDS, days=12, calls=6_000)


@pytest.fixture
def sandbox(tmp_path: Path) -> Home:
    """Make a fresh home of made-up rows."""
    return Home(tmp_path / "sandbox").make(("gateway_jsonl",), sandbox=True)


def lines(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Every line of the files, in order, as a reader that knows nothing of the sandbox sees it."""
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_no_made_up_row_enters_a_real_home(home: Home, truth: GroundTruth) -> None:
    """A home without the SANDBOX mark is refused by name, with the next step, and not one file is written."""
    before = files(home.root)
    with pytest.raises(PipelineError, match="SANDBOX") as refusal:
        write_logs(truth, home)
    assert str(home.root) in str(refusal.value)
    assert "APILEDGER_SANDBOX_HOME" in str(refusal.value)
    assert files(home.root) == before


def test_a_sandbox_whose_inbox_is_a_link_to_a_real_home_is_refused(
    home: Home, sandbox: Home, truth: GroundTruth
) -> None:
    """The mark on the one home opens no way into the other's inbox."""
    real = home.inbox / "gateway_jsonl"
    real.mkdir()
    (sandbox.inbox / "gateway_jsonl").rmdir()
    (sandbox.inbox / "gateway_jsonl").symlink_to(real)
    with pytest.raises(PipelineError, match="link"):
        write_logs(truth, sandbox)
    assert not list(real.iterdir())


def test_each_utc_day_is_one_private_file_in_time_order(sandbox: Home, truth: GroundTruth) -> None:
    """A file a day, 0600, no `.part` left behind, its lines of that day alone and in order."""
    paths = write_logs(truth, sandbox)
    assert files(sandbox.inbox) == paths
    assert len(paths) == 12
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.name.endswith(".jsonl.gz")
        starts = [line["ts"] for line in lines([path])]
        assert starts == sorted(starts)
        assert {start[:10] for start in starts} == {path.name[:10]}


def test_every_line_keeps_the_contract(sandbox: Home, truth: GroundTruth) -> None:
    """Required fields are there, each field has its type, parts never exceed their whole, costs are decimal strings."""
    seen: set[str] = set()
    for line in lines(write_logs(truth, sandbox)):
        assert REQUIRED.keys() <= line.keys() <= REQUIRED.keys() | OPTIONAL.keys()
        for field, value in line.items():
            assert isinstance(value, (REQUIRED | OPTIONAL)[field]), field
            assert not isinstance(value, bool), field
        assert 0 <= line["cached_tokens"] <= line["input_tokens"]
        assert 0 <= line["reasoning_tokens"] <= line["output_tokens"]
        assert line["status"] in {200, 429, 500, 503, "cancelled"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])
        assert any(ip_address(line["ip"]) in net for net in DOCUMENTATION)
        assert Decimal(line.get("cost", "0")) >= 0
        seen |= line.keys()
    assert seen == REQUIRED.keys() | OPTIONAL.keys()


def test_the_files_add_up_to_the_truth(sandbox: Home, truth: GroundTruth) -> None:
    """Counting the written lines gives the oracle's totals exactly."""
    rows = [
        {
            "day": date.fromisoformat(line["ts"][:10]),
            "account": line["account_id"],
            "project": line.get("project"),
            "provider": line["provider"],
            "model": line["model"],
            "requests": 1,
            "error_requests": int(line["status"] in {429, 500, 503}),
            "cancelled_requests": int(line["status"] == "cancelled"),
            **{tokens: line[tokens] for tokens in TOKENS},
        }
        for line in lines(write_logs(truth, sandbox))
    ]
    written = pl.DataFrame(rows, infer_schema_length=None).group_by(TOTALS_BY).sum().sort(TOTALS_BY)
    assert_frame_equal(written, truth.totals())


def test_the_same_truth_writes_the_same_bytes(tmp_path: Path, truth: GroundTruth) -> None:
    """Two sandboxes of one seed hold the same files, byte by byte; writing again changes nothing."""
    one, two = (Home(tmp_path / name).make(sandbox=True) for name in ("one", "two"))
    first, second = write_logs(truth, one), write_logs(truth, two)
    assert [path.name for path in first] == [path.name for path in second]
    before = [path.read_bytes() for path in first]
    assert before == [path.read_bytes() for path in second]
    assert write_logs(truth, one) == first
    assert before == [path.read_bytes() for path in first]


def test_until_holds_back_what_has_not_happened(sandbox: Home, truth: GroundTruth) -> None:
    """Only calls before `until` are written; before the first call there is no file at all."""
    until = MONTH_ENDS - timedelta(days=5, hours=7)
    written = [line["request_id"] for line in lines(write_logs(truth, sandbox, until))]
    assert written == truth.calls.filter(pl.col("requested_at") < until)["request_id"].to_list()
    assert 0 < len(written) < truth.calls.height
    assert write_logs(truth, sandbox, MONTH_ENDS - timedelta(days=20)) == []


def test_a_trickle_lands_beside_the_months_files(sandbox: Home, truth: GroundTruth) -> None:
    """Files of later calls of the same day have names of their own, so that no unread file is overwritten."""
    month = write_logs(truth, sandbox)
    noon = MONTH_ENDS + timedelta(hours=12)
    morning = write_logs(GroundTruth.next_calls(7, MONTH_ENDS, noon), sandbox)
    evening = write_logs(GroundTruth.next_calls(7, noon, noon + timedelta(hours=6)), sandbox)
    assert len({*month, *morning, *evening}) == len(month) + len(morning) + len(evening)
    assert files(sandbox.inbox) == sorted([*month, *morning, *evening])


def test_the_gateways_cost_is_right_but_for_caches(sandbox: Home, truth: GroundTruth) -> None:
    """Without cached tokens it is the list price; with Anthropic's caches it is too high; unpriced models have none."""
    off = 0
    for line in lines(write_logs(truth, sandbox)):
        if line["provider"] == "self-hosted":
            assert "cost" not in line
        if line["model"] == "claude-sonnet-4-5":
            fresh = line["input_tokens"] - line["cached_tokens"]
            listed = (fresh * 3 + line["cached_tokens"] * Decimal("0.3") + line["output_tokens"] * 15) / 1_000_000
            if line["cached_tokens"]:
                off += Decimal(line["cost"]) > listed
            else:
                assert abs(Decimal(line["cost"]) - listed) < Decimal("1e-12")
    assert off > 50
    assert sum(line["provider"] == "self-hosted" for line in lines(files(sandbox.inbox))) > 0


def test_an_account_set_up_by_hand_names_no_upstream(sandbox: Home, truth: GroundTruth) -> None:
    """Which connection paid is known for three accounts and left to a claim for the fourth."""
    named = {(line["account_id"], "upstream" in line) for line in lines(write_logs(truth, sandbox))}
    assert named == {("tandem", True), ("harbor", True), ("lumen", True), ("mira", False)}
