"""The command line says what is so, exactly, quickly, and ends with the right code."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from pipelines.commands import query
from pipelines.commands import today as figures
from pipelines.errors import PipelineError, QueryError
from pipelines.sandbox import sandbox_home
from tests.templates import Templates
from warehouse import database
from warehouse.home import PROJECT, Home

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
HEAVY = ("dagster", "dlt", "great_expectations", "streamlit", "polars", "pandas", "numpy", "pyarrow", "rich")
CALLS = """
{"request_id": "a", "ts": "2026-03-31T10:00:00Z", "account_id": "acme", "key_id": "k", "provider": "openai",
 "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 100, "status": "ok", "latency_ms": 10}
{"request_id": "b", "ts": "2026-03-01T10:00:00Z", "account_id": "acme", "key_id": "k", "provider": "openai",
 "model": "gpt-4o", "input_tokens": 3000, "output_tokens": 300, "status": "ok", "latency_ms": 10}
{"request_id": "c", "ts": "2026-02-28T23:59:59Z", "account_id": "acme", "key_id": "k", "provider": "openai",
 "model": "gpt-4o", "input_tokens": 2000, "output_tokens": 200, "status": "ok", "latency_ms": 10}
{"request_id": "d", "ts": "2026-03-02T10:00:00Z", "account_id": "acme", "key_id": "k", "provider": "nobody",
 "model": "=unheard-of", "input_tokens": 5, "output_tokens": 5, "status": "ok", "latency_ms": 10}
{"request_id": "e", "ts": "2026-02-01T00:00:00Z", "account_id": "acme", "key_id": "k", "provider": "openai",
 "model": "gpt-4o", "input_tokens": 0, "output_tokens": 0, "status": 429, "latency_ms": 10}
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep homes and key of a test in its own folder."""
    monkeypatch.setenv("APILEDGER_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("APILEDGER_SANDBOX_HOME", str(tmp_path / "made-up"))
    monkeypatch.setenv("APILEDGER_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("APILEDGER_MASTER_KEY", raising=False)


@pytest.fixture
def served(templates: Templates, surroundings: None, master_key: str) -> Home:
    """The own home after one pass over five calls."""
    assert surroundings is None
    assert master_key
    return templates.once(Home.own().make(), _served)


def _served(home: Home) -> None:
    inbox = home.inbox / "gateway_jsonl"
    inbox.mkdir(parents=True, mode=0o700, exist_ok=True)
    lines = [json.dumps(json.loads(line)) for line in CALLS.replace(",\n ", ", ").strip().splitlines()]
    (inbox / "calls.jsonl").write_text("\n".join(lines) + "\n")
    # A file that was written this very second may still grow, and is left for the next pass.
    os.utime(inbox / "calls.jsonl", (time.time() - 60, time.time() - 60))
    assert apiledger("run").returncode == 0


def apiledger(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a process of its own."""
    code = "from pipelines.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)


def test_a_pass_says_what_it_took_and_a_second_finds_nothing(served: Home) -> None:
    """Five calls are taken once; the pass after that publishes nothing."""
    assert database.current_version(served) == 2
    again = apiledger("run")
    assert again.returncode == 0
    assert "nothing new to publish" in again.stdout
    assert database.current_version(served) == 2


def test_today_adds_up_exactly(served: Home) -> None:
    """Day, month and the same days of the shorter month before it, from prices known by heart."""
    with database.published(served) as connection:
        found = figures.read(connection, NOW)
    # gpt-4o: 2.50 and 10 dollars a million.
    assert found.today_usd == Decimal("0.0035")
    assert found.month_usd == Decimal("0.0140")
    assert found.before_usd == Decimal("0.0070")
    assert found.today_requests == 1
    assert sum(count for _, count in found.unpriced) == 1
    told = "\n".join(figures.told(found, NOW))
    assert "$0.0035 in 1 requests" in told
    assert "+100.0 % against the same days of last month: $0.0070" in told
    assert "2 hours ago (gateway_jsonl)" in told


def test_a_part_of_a_month_is_nothing_to_compare_with(served: Home) -> None:
    """Where the calls begin within the month before, a change would be made up."""
    with database.published(served) as connection:
        found = figures.read(connection, NOW - timedelta(days=40))
    assert found.before_usd is None
    assert "since 01 Feb, with no month before to compare with" in "\n".join(figures.told(found, NOW))


def test_today_needs_no_service_and_no_heavy_import(served: Home) -> None:
    """The command answers from the published version alone."""
    assert served.people_file.exists()
    code = (
        "import sys; sys.argv = ['apiledger', 'today']; from pipelines.cli import main\ntry: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print('IMPORTED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    shown, _, imported = done.stdout.partition("IMPORTED")
    assert "This month" in shown
    assert set(imported.split()).isdisjoint(HEAVY)


def test_sql_gives_exact_decimals_in_every_format(served: Home) -> None:
    """Twelve places come out as they are stored, as strings, and never with an exponent."""
    question = (
        "SELECT 0.000000000001::DECIMAL(38,12) AS cost_usd, sum(requests) AS n, NULL AS nothing FROM mart.spend_daily"
    )
    assert served.people_file.exists()
    assert json.loads(apiledger("sql", question, "--format", "json").stdout) == [
        {"cost_usd": "0.000000000001", "n": 5, "nothing": None}
    ]
    assert apiledger("sql", question, "--format", "csv").stdout == "cost_usd,n,nothing\n0.000000000001,5,\n"
    assert "0.000000000001" in apiledger("sql", question).stdout


def test_sql_reads_the_version_and_nothing_else(served: Home, tmp_path: Path) -> None:
    """Writing, files, settings and nonsense are refused with DuckDB's reason and exit code 2."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    assert database.current_version(served) == 2
    for question in (
        "DELETE FROM model.requests",
        "CREATE TABLE x (a INT)",
        f"SELECT * FROM '{tmp_path}/secret.csv'",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        "SET enable_external_access = true",
        f"ATTACH '{tmp_path}/other.duckdb'",
        "SELECT nothing FROM nowhere",
    ):
        done = apiledger("sql", question)
        assert done.returncode == 2, question
        assert done.stderr.startswith("apiledger: ")
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_query_without_end_is_ended(served: Home) -> None:
    """The limit holds while DuckDB counts, and the connection's answer is a sentence."""
    with database.published(served) as connection:
        started = time.monotonic()
        with pytest.raises(QueryError, match=r"longer than 0\.5 s"):
            query.ask(connection, "SELECT sum(range) FROM range(100000000000)", limit_s=0.5)
        assert time.monotonic() - started < 5


def test_what_is_shown_steers_neither_terminal_nor_spreadsheet() -> None:
    """An escape sequence is shown as a question mark; a formula in CSV is text, and a number stays one."""
    answer = query.Answer(("name", "cost_usd"), [("\x1b[2J=1+1", Decimal("-1.5")), ("=1+1", None)])
    assert "\x1b" not in "".join(query.told(answer, "table"))
    assert list(query.told(answer, "csv"))[1:] == ["\x1b[2J=1+1,-1.5", "'=1+1,"]
    assert json.loads("".join(query.told(answer, "json")))[0] == {"name": "\x1b[2J=1+1", "cost_usd": "-1.5"}
    assert list(query.told(query.Answer(("a",), []), "json")) == ["[]"]


def test_without_a_version_each_command_says_the_next_step() -> None:
    """A home that is not there is one sentence and exit code 1, and looking makes none."""
    for command in (["today"], ["sql", "SELECT 1"]):
        done = apiledger(*command)
        assert done.returncode == 1
        assert "run `apiledger run` once" in done.stderr
        assert "Traceback" not in done.stderr
    assert apiledger("status").returncode == 0
    assert not Home.own().root.exists()
    assert not Home.sandbox().root.exists()


def test_the_sandbox_is_made_goes_on_and_is_what_commands_mean_until_there_is_a_log(tmp_path: Path) -> None:
    """`sandbox` twice writes no call twice; a home with a file in its inbox takes over."""
    runner = CliRunner()
    assert runner.invoke(cli, ["sandbox", "--calls", "2000", "--days", "3", "--seed", "7"]).exit_code == 0
    mark = sandbox_home.Mark.read(Home.sandbox())
    assert mark is not None
    assert (mark.seed, mark.calls, mark.days) == (7, 2000, 3)
    assert apiledger("run").returncode == 0
    with database.published(Home.sandbox()) as connection:
        assert connection.execute("SELECT sum(requests)::BIGINT FROM mart.spend_daily").fetchall() == [(2000,)]
    assert apiledger("today").stdout.startswith("Made-up data")

    later = datetime.fromtimestamp(datetime.fromisoformat(mark.written_until).timestamp() + 7200, UTC)
    days = 1 + (later.date() - datetime.fromisoformat(mark.written_until).date()).days
    # A file a UTC day of the log and one of the spans, and either may have had no call.
    assert 1 <= sandbox_home.go_on(Home.sandbox(), later) <= 2 * days
    assert sandbox_home.go_on(Home.sandbox(), later) == 0

    inbox = tmp_path / "own" / "inbox" / "gateway_jsonl"
    inbox.mkdir(parents=True)
    (inbox / "calls.jsonl").write_text("")
    assert str(tmp_path / "own") in apiledger("status").stdout


def test_a_home_of_real_rows_is_never_taken_for_the_sandbox(tmp_path: Path) -> None:
    """What is in a folder without the mark stays."""
    kept = tmp_path / "real" / "kept"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(PipelineError, match="is no sandbox"):
        sandbox_home.make(Home(tmp_path / "real"), NOW)
    assert kept.read_text() == "mine"


@pytest.mark.soak
def test_up_serves_the_sandbox_and_stop_leaves_nothing() -> None:
    """From nothing to two answering addresses in one command, and back, with the real definitions and dashboard."""
    assert apiledger("sandbox", "--calls", "2000", "--days", "3").returncode == 0
    try:
        up = apiledger("up")
        assert up.returncode == 0, up.stderr
        assert "sandbox of made-up data" in up.stdout
        assert "It runs already" in apiledger("up").stdout
        addresses = [line.split()[-1] for line in up.stdout.splitlines() if line.startswith(("Dashboard", "Dagster "))]
        assert len(addresses) == 2
        assert "not answering" not in apiledger("status").stdout
    finally:
        stopped = apiledger("stop")
    assert "Stopped" in stopped.stdout
    for address in addresses:
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", int(address.rsplit(":", 1)[1]))) != 0
    assert "Nothing was running" in apiledger("stop").stdout
