"""A suite says what fell short and never what a row says; it writes nothing and reaches nobody."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from warehouse.checks import suite
from warehouse.checks.batch import Batch
from warehouse.checks.suite import Rule, between, holds, in_set, matches, not_null, unique, without
from warehouse.checks.verdict import Expectation, Verdict
from warehouse.errors import WarehouseError
from warehouse.home import PROJECT

TEXT = "canary-7f3a someone@example.com"
NUMBER = 8123450987654321
BATCH = Batch("model.requests", pa.table({"text": [TEXT, TEXT, None, "ok"], "number": [-NUMBER, -NUMBER, 5, None]}))
RULES = (
    matches("text", "ok"),
    without("text", "canary"),
    in_set("text", ["ok"]),
    unique("text"),
    unique("number"),
    unique("text", "number"),
    between("number", 0),
    *not_null("text", "number"),
)
# Plants the canaries in a version and runs every check on it, all logging shown, all connections and writes told.
CHILD = """
import logging, os, sys
logging.basicConfig(level=logging.DEBUG)
from warehouse import database
from warehouse.checks import mart, model, raw
from warehouse.checks.batch import newest_day
from pathlib import Path
assert "great_expectations" not in sys.modules and "pandas" not in sys.modules
told = []
def hook(event, arguments):
    # urllib3 binds a port of ::1 to learn whether there is IPv6; nothing leaves by that.
    if event.startswith("socket.") and event not in {"socket.__new__", "socket.gethostname", "socket.bind"}:
        told.append(event)
    if event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1]):
        told.append(f"{event} of {arguments[0]}")
    if event == "os.rename":
        told.append(f"{event} of {arguments[0]}")
sys.addaudithook(hook)
connection = database.read_only(Path(sys.argv[1]))
day = newest_day(connection, "model.requests")
for verdict in (
    raw.check(connection, "gateway_jsonl", day), model.check(connection, day), mart.check(connection, day)
):
    print(verdict, len(verdict.failed), "failed")
assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
print("told:", told)
"""


def said_by_great_expectations() -> str:
    """Everything in Great Expectations' own results."""
    return json.dumps(suite._validated(BATCH, RULES).to_json_dict(), default=str)


def test_great_expectations_own_results_hold_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of rule fails on the canaries and none repeats them; asked the usual way, it would."""
    assert "canary-7f3a" not in said_by_great_expectations()
    assert str(NUMBER) not in said_by_great_expectations()
    monkeypatch.setattr(suite, "_COUNTS_ONLY", {"result_format": "BASIC"})
    assert "canary-7f3a" in said_by_great_expectations()
    assert str(NUMBER) in said_by_great_expectations()


def test_a_verdict_counts_what_fell_short() -> None:
    """In the suite's order, with NULL left to its own rule; duplicates are all counted."""
    verdict = suite.held(BATCH, RULES)
    assert not verdict.passed
    assert [each.unexpected_count for each in verdict.expectations] == [2, 2, 2, 2, 2, 2, 2, 1, 1]
    assert {(each.table, each.rows, each.passed) for each in verdict.expectations} == {("model.requests", 4, False)}
    assert verdict.expectations[5].column == "text, number"
    assert verdict.failed == verdict.expectations


@pytest.mark.soak
def test_no_rows_stay_in_memory_after_a_check() -> None:
    """In a fresh process, since what keeps rows is its last context and whoever was the first to import it."""
    program = (
        "import gc; from tests.warehouse.checks.test_suite import BATCH, RULES; from warehouse.checks import suite;"
        "suite.held(BATCH, RULES); import pandas as pd; gc.collect();"
        "frames = [each for each in gc.get_objects() if isinstance(each, pd.DataFrame)];"
        "print([each.shape for each in frames if list(each.columns) == BATCH.columns.column_names])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_verdicts_of_several_tables_make_one() -> None:
    """One that fails is enough."""
    good, bad = (Expectation("x", "t", "c", passed=passed, unexpected_count=0, rows=2) for passed in (True, False))
    both = Verdict.together([Verdict(True, (good,), 2), Verdict(False, (bad,), 3)])
    assert both == Verdict(passed=False, expectations=(good, bad), rows=5)
    assert both.failed == (bad,)


@pytest.mark.parametrize("rule", [holds("nowhere"), unique("text", "nowhere"), between("text", 0)])
def test_a_rule_that_cannot_be_asked_is_an_error_without_values(
    rule: Rule, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A missing column or a text where a number belongs: table, column and rule are named."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(WarehouseError, match=f"{rule.expectation} cannot be asked of .* in model.requests") as raised:
        suite.held(BATCH, (*not_null("text"), rule))
    said: list[Any] = [repr(raised.value), caplog.text, *capfd.readouterr()]
    assert "canary-7f3a" not in "".join(said)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.soak
def test_what_a_row_says_reaches_no_log_no_disk_and_nobody(version_file: Path, tmp_path: Path) -> None:
    """A process of its own, all logging on: no canary in its output, no file, no connection, no name looked up."""
    with duckdb.connect(str(version_file)) as connection:
        for table in ("raw_gateway_jsonl.calls", "model.requests", "model.usage_hourly"):
            connection.execute(f"UPDATE {table} SET provider = ?, model = ?", [TEXT, TEXT])
            connection.execute(f"UPDATE {table} SET uncached_tokens = ?", [-NUMBER])
        connection.execute("UPDATE model.requests SET request_no = ?", [NUMBER])
        connection.execute("UPDATE model.account SET label = ?", [TEXT])
    folder = tmp_path / "empty"
    folder.mkdir()
    environment = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", CHILD, str(version_file)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("expect_column_values_to_match_regex") >= 3
    assert "told: []" in done.stdout
    for said in (done.stdout, done.stderr):
        assert "canary-7f3a" not in said
        assert str(NUMBER) not in said
    assert list(folder.rglob("*")) == []


def test_a_day_without_rows_costs_no_import() -> None:
    """Great Expectations takes seconds to import; a quiet day does not pay them."""
    program = (
        "import sys, pyarrow as pa; from warehouse.checks import suite; from warehouse.checks.batch import Batch;"
        "v = suite.held(Batch('model.requests', pa.table({'a': pa.array([], pa.int64())})), suite.not_null('a'));"
        "print(v.passed, v.rows, 'great_expectations' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "True 0 False\n"
