"""A day of many rows is made in parts: the same rows, in less memory."""

import json
import subprocess
import sys
import threading
from datetime import date, datetime
from operator import itemgetter
from pathlib import Path

import duckdb
import pytest

from pipelines.gateways import litellm_file
from pipelines.materialization import call_reader
from pipelines.materialization.call_reader import Load, Run
from tests.benchmarks import contract_rows
from tests.pipelines.gateway_log import call, line, one, put, take_in
from tests.pipelines.test_build import state
from tests.pipelines.test_litellm_file import record
from warehouse import database
from warehouse.home import PROJECT, Home
from warehouse.models import requests
from warehouse.prices import PriceBook

# In a file: without one DuckDB takes the program for a person and draws bars.
_PASS = """
import resource, sys
from datetime import datetime
from pathlib import Path
from warehouse.models import requests
from pipelines.passage import run_pass
from warehouse.home import Home
requests.FRAME_ROWS = int(sys.argv[2])
run_pass(Home(Path(sys.argv[1])), datetime(2026, 11, 20, 12), lambda *_: None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pass here has its key."""
    return master_key


def test_in_parts_or_whole_the_rows_are_the_same(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls told twice, or on the day before, tries that failed before they were served, tags: parts change no row."""
    put(home, "a.jsonl", [line(request_id=f"id-{n}", ts="2026-11-17T23:59:59Z") for n in (3, 13, 44)])
    take_in(home)
    calls = [
        call(request_id=f"id-{n}", ts=f"2026-11-18T10:{n:02}:00Z", tags=[f"t{n % 3}"], latency_ms=100 + n % 2)
        for n in range(60)
    ]
    again = [call(request_id=f"id-{n}", ts="2026-11-18T23:59:59Z", output_tokens=7) for n in range(0, 60, 7)]
    put(home, "b.jsonl", map(json.dumps, [*calls, *again]))
    tries = [
        record(litellm_file.payload_sql, {"litellm_call_id": f"id-{n}", "id": f"up-{status}", "status": status}, {})
        for n in range(40)
        for status in (("failure", "success") if n % 4 else ("success",))
    ]
    put(home, "a.jsonl", tries, "litellm")
    take_in(home)
    whole = state(home)
    assert len(whole["requests"]) == 60 + 40
    assert sum(map(itemgetter(-1), whole["latency_hourly"])) == 60 + 40
    assert one(home, "SELECT count(*) FROM model.requests WHERE requested_at < '2026-11-18'") == 3
    monkeypatch.setattr(requests, "FRAME_ROWS", 9)
    put(home, "c.jsonl", map(json.dumps, calls))
    put(home, "b.jsonl", reversed(tries), "litellm")
    take_in(home)
    assert state(home) == whole


def test_a_part_in_which_nothing_is_adds_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """More parts than calls: some are empty, and the roll-ups are those of the calls."""
    monkeypatch.setattr(requests, "FRAME_ROWS", 1)
    put(home, "a.jsonl", [line(request_id="x", ts="2026-11-18T10:00:00Z", input_tokens=5) for _ in range(9)])
    take_in(home)
    assert one(home, "SELECT sum(requests) FROM model.usage_hourly") == 1
    assert one(home, "SELECT sum(input_tokens) FROM model.usage_daily") == 5


def test_a_day_between_two_that_are_made_stays_as_it_is(home: Home) -> None:
    """Days with a gap are made in one run, and what lies in the gap is neither made again nor written twice."""
    days = ("2026-11-16", "2026-11-17", "2026-11-18")
    put(home, "a.jsonl", [line(request_id=f"first-{day}", ts=f"{day}T10:00:00Z") for day in days])
    take_in(home)
    put(home, "b.jsonl", [line(request_id=f"late-{day}", ts=f"{day}T11:00:00Z") for day in (days[0], days[2])])
    assert take_in(home).built.days == [date(2026, 11, 16), date(2026, 11, 18)]
    assert one(home, "SELECT count(*) FROM model.requests") == 5
    assert one(home, "SELECT sum(requests) FROM model.usage_daily WHERE day = '2026-11-17'") == 1


def test_what_cannot_be_read_ahead_is_an_error_where_it_is_taken(home: Home) -> None:
    """The thread that reads ends with the reader; a run before the one that cannot be read is whole."""
    put(home, "a.jsonl", [line(request_id="a", ts="2026-11-16T10:00:00Z")])
    take_in(home)
    days = [date(2026, 11, 16), date(2026, 11, 17)]
    first, second = (
        Run([day], [Load(day, name, 1, 1)]) for day, name in zip(days, ("gateway_jsonl", "litellm"), strict=True)
    )
    with database.build(home) as build:
        build.execute("CREATE SCHEMA raw_litellm")
        build.execute("CREATE TABLE raw_litellm.calls (request_id VARCHAR, requested_at TIMESTAMP)")
        with call_reader.opened(build, PriceBook.load()) as reader:
            whole, broken = reader.reading(first), reader.reading(second)
            assert [calls.height for calls in whole.calls(broken)] == [1]
            with pytest.raises(duckdb.BinderException):
                next(broken.calls())
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


@pytest.mark.soak
def test_parts_take_less_memory_than_the_whole(tmp_path: Path) -> None:
    """A day of 1.6 million calls in parts: at least a sixth less than in one, its pass's own needs included."""
    peaks_mb = []
    (program := tmp_path / "one_pass.py").write_text(_PASS)
    for part_rows in (10_000_000, requests.FRAME_ROWS):
        home = Home(tmp_path / f"{part_rows}").make(("gateway_jsonl",))
        log = home.inbox / "gateway_jsonl" / "day.jsonl"
        contract_rows.write(log, 1_600_000, first_day=datetime(2026, 11, 18), days=1)  # noqa: DTZ001 (UTC)
        command = [sys.executable, f"{program}", f"{home.root}", f"{part_rows}"]
        done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
        peaks_mb.append(int(done.stdout))
    assert peaks_mb[1] <= peaks_mb[0] * 5 / 6, peaks_mb
