"""The definitions themselves, with a stored Dagster: what ticks, what a run does, which checks hold what back."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.pipelines.gateway_log import line, one, put
from tests.retention import byte_scan
from warehouse.home import PROJECT, Home

_CANARY = "zq7 what the doctor said zq7"
_BROKEN = "UPDATE model.usage_monthly SET requests = requests + 1"
_MENDED = "UPDATE model.usage_monthly SET requests = requests - 1"
_ODD = (
    "UPDATE model.requests SET http_status = 7 WHERE request_id = 'late'; "
    "UPDATE model.revision SET revision = revision + 1"
)


def _done(*steps: str) -> list[Any]:
    """What each tick and run of them told, in order."""
    command = [sys.executable, "-m", "tests.pipelines.defined", *steps]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    # Dagster may print lines of its own between them.
    return [json.loads(said) for said in done.stdout.splitlines() if said[0] in '{"']


@pytest.mark.soak
@pytest.mark.clause("VA-3.1")
def test_what_waits_is_one_run_and_what_does_not_add_up_is_held_back(home: Home, master_key: str) -> None:
    """Thirty files and a missed hour are one pass; a broken sum makes no version, an odd row of a late day is told.

    Prompts are afterwards in no byte of Dagster's records, of its logs, or of anything else.
    """
    assert master_key
    for number in range(30):
        spoken = {"messages": [{"role": "user", "content": _CANARY}], _CANARY: 1}
        said = line(request_id=f"call-{number}", ts="2026-11-20T09:00:00Z", **spoken)
        put(home, f"{number}.jsonl", [said, f'{{"prompt": "{_CANARY}"'])
    assert byte_scan.found(home.root, rb"zq7.{1,60}zq7")
    waits, whole, waits_no_more, published, looked_at, hour, broken, mended, odd, told, later, begun = _done(
        *("tick:inbox", "run:a_pass", "tick:inbox", "tick:newly_published", "run:expectations", "tick:hourly"),
        *(f"sql:{_BROKEN}", "run:a_pass", f"sql:{_MENDED}", "call:late@2026-11-02T09:00:00Z", "run:a_pass"),
        *(f"sql:{_ODD}", "run:a_pass", "run:expectations"),
        *("begun:a_pass", "tick:hourly", "call:later@2026-11-20T10:00:00Z", "tick:inbox"),
    )
    assert (waits, waits_no_more, published, hour) == ("run", "no file waits", "run", "run")
    assert (whole["success"], looked_at["success"]) == (True, True)
    assert whole["unmet"] == looked_at["unmet"] == []
    assert looked_at["checks"] > 5
    assert (broken["success"], broken["unmet"], broken["version"]) == (False, ["conservation"], whole["version"])
    assert (mended["success"], mended["version"]) == (True, whole["version"] + 1)
    assert (odd["success"], odd["version"]) == (True, whole["version"] + 2)
    assert (looked_at["days"], told["days"]) == (["2026-11-20"], ["2026-11-20, 2026-11-02"])
    assert told["unmet"] == ["model_expectations"]
    assert later == "a pass is under way"
    assert begun == "1 files wait for the pass that is under way"
    assert one(home, "SELECT count(*) FROM model.requests") == 31
    assert (home.dagster / "history" / "runs").exists()
    assert byte_scan.found(home.root, rb"zq7.{1,60}zq7") == {}
