"""The sandbox's providers are reached by the sandbox alone, bill what its log tells, and misbehave when told to."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from pipelines.bills.biller import billers
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull, pull_all
from pipelines.cli import cli
from pipelines.errors import PipelineError
from pipelines.passage import run_pass
from pipelines.sandbox import bill_file, customer, misbehaviour, providers, sandbox_home, witness
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.ground_truth import GroundTruth
from retention import hunter, policy
from tests.pipelines.test_service import graphql, run_status, wait_until
from warehouse import database
from warehouse.control import credit, prepaid
from warehouse.home import PROJECT, Home

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
VARIABLES = ("OPENAI_ADMIN_KEY", "ANTHROPIC_ADMIN_KEY", "APILEDGER_OPENAI_API", "APILEDGER_ANTHROPIC_API")
ALWAYS = date(2000, 1, 1), date(2100, 1, 1)
# A pull of each takes its time; what all of them do is shown by one test.
TWO = ("openai", "anthropic")

# What the company runs past its gateway: spans and sessions, each call of the truth once.
OWN = """
    SELECT day, project, provider, model, sum(requests)::BIGINT AS requests,
        sum(error_requests)::BIGINT AS error_requests, sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens, sum(cache_read_tokens)::BIGINT AS cached_tokens
    FROM mart.spend_daily WHERE account = 'own' AND basis = 'log' GROUP BY ALL ORDER BY ALL"""


@pytest.fixture
def sandbox(tmp_path: Path, master_key: str) -> Home:
    """A sandbox home of five days up to NOW."""
    assert master_key
    home = Home(tmp_path / "sandbox")
    sandbox_home.make(home, NOW, seed=5, calls=900, days=5, providers=TWO)
    return home


def pulled(home: Home, now: datetime) -> dict[str, Pulled]:
    """What each provider's pull gave, as a pass does it."""
    with providers.connected(home):
        return {told.provider: told for told in pull_all(home, now, lambda *_: None)}


def raw_dollars(home: Home) -> Decimal:
    """What OpenAI's newest pulls say of each day, added up."""
    with database.held(home.build_lock), database.build(home) as build:
        query = """SELECT sum(amount_usd) FROM raw_openai.costs
                   WHERE (pull_no, day) IN (SELECT (max(pull_no), day) FROM raw_openai.costs GROUP BY day)"""
        ((usd,),) = build.execute(query).fetchall()
    return Decimal(usd)


def test_pieces_of_a_bill_are_the_bill_of_the_whole(sandbox: Home) -> None:
    """A month and what went on after it, in pieces of any length, bill what one truth of all of it bills."""
    truths = [GroundTruth.make(5, NOW, days=5, calls=900, sources=witness.SOURCES)]
    since = NOW
    for minutes in (5, 300, 47, 1500):
        until = since + timedelta(minutes=minutes)
        sandbox_home.go_on(sandbox, until)
        truths.append(GroundTruth.next_calls(5, since, until, 900 // 5, witness.SOURCES))
        since = until
    whole = GroundTruth(pl.concat(truth.calls for truth in truths))
    for provider in TWO:
        bill, of_whole = bill_file.read(sandbox, provider), Bill.of(whole, provider)
        assert bill.usage.equals(of_whole.usage)
        assert bill.lines.equals(of_whole.lines)
        assert bill.tools.equals(of_whole.tools)
        assert bill_file.bill_file(sandbox, provider).stat().st_mode & 0o077 == 0


def test_a_sandbox_pulls_its_own_bill_and_goes_on(sandbox: Home) -> None:
    """A pass of the sandbox reads both bills whole; the days that follow come with the next ones."""
    told = pulled(sandbox, NOW)
    assert {name: one.skipped for name, one in told.items()} == {"openai": None, "anthropic": None}
    assert raw_dollars(sandbox) == bill_file.read(sandbox, "openai").amount(ALWAYS[0], NOW.date())
    later = NOW + timedelta(days=2)
    sandbox_home.go_on(sandbox, later)
    assert pulled(sandbox, later)["openai"].new_days == 2
    assert raw_dollars(sandbox) == bill_file.read(sandbox, "openai").amount(ALWAYS[0], later.date())


@pytest.mark.soak
def test_every_source_of_the_company_shows_its_bill_from_the_one_truth(tmp_path: Path, master_key: str) -> None:
    """Spend is each bill to the pico-dollar, the cloud's file too; what the log lacks has its cause; a purse falls."""
    assert master_key
    home, later = Home(tmp_path / "sandbox"), NOW + timedelta(hours=14)
    sandbox_home.make(home, NOW, seed=5, calls=1_500, days=3)
    misbehave(home, "openrouter", "500", "cut")
    misbehave(home, "vercel", "torn")
    with providers.connected(home):
        assert pull(home, billers()["deepseek"], NOW, lambda *_: None).skipped is None
        sandbox_home.go_on(home, later)
        run_pass(home, later, lambda *_: None)
    assert [path.name for path in (home.inbox / "focus").iterdir()] == []
    # A clause holds whatever is made up, too.
    assert hunter.offences(home, policy.load()) == []
    with database.published(home) as connection:
        for provider in ("openai", "anthropic", "openrouter", "vercel", "google"):
            query = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = ? AND day < ? AND basis <> 'plan'"
            ((spend,),) = connection.execute(query, [provider, later.date()]).fetchall()
            assert spend == bill_file.read(home, provider).amount(ALWAYS[0], later.date()), provider
        causes = connection.execute("SELECT DISTINCT provider, cause FROM mart.difference_cause").fetchall()
        assert {cause for provider, cause in causes if provider in {"openrouter", "vercel"}} <= {"cancelled_streams"}
        assert [cause for provider, cause in causes if provider == "google"] == []
        assert not {"unexplained", "unpriced"} & {cause for _, cause in causes}
        query = "SELECT sum(amount_usd) FROM model.estimated_spend JOIN model.connection USING (connection_no)"
        ((estimated,),) = connection.execute(f"{query} WHERE provider = 'deepseek'").fetchall()
        own = connection.execute(OWN).pl()
        sums = "sum(covered_requests)::BIGINT, sum(fee_usd), sum(covered_list_cost_usd)"
        paid = connection.execute(f"SELECT plan, {sums} FROM mart.plan_value GROUP BY plan").fetchall()
        worth = {plan: told for plan, *told in paid}
    after_first = GroundTruth.next_calls(5, NOW, later, 1_500 // 3, witness.SOURCES)
    assert estimated == Bill.of(after_first, "deepseek").amount(*ALWAYS) > 0
    before = GroundTruth.make(5, NOW, days=3, calls=1_500, sources=witness.SOURCES)
    truth = GroundTruth(pl.concat([before.calls, after_first.calls]))
    of_own = truth.totals().filter(pl.col("account") == "own").select(own.columns)
    assert_frame_equal(own, of_own)
    assert {*of_own["project"]} == {"site-search", "newsletter", "checkout", "warehouse-app"}
    for plan, agent in (("Claude Team", "claude_code"), ("Gemini Code Assist", "gemini_cli")):
        requests, fee, listed = worth[plan]
        assert requests == truth.told_by(agent).height > 0
        assert fee > 0
        assert listed > 0


def test_a_home_of_real_rows_never_meets_them(sandbox: Home, tmp_path: Path) -> None:
    """Neither key nor address for a home without the mark, though it has a file of bills, or for one without bills."""
    real = Home(tmp_path / "own").make()
    bill_file.add(real, GroundTruth.make(5, NOW, days=1, calls=20))
    made_up = Home(tmp_path / "bare").make(sandbox=True)
    for home in (real, made_up):
        assert providers.drawn(home, lambda port, _: port) == {}
        with providers.connected(home):
            assert not set(VARIABLES) & os.environ.keys()
        assert pulled(home, NOW) == {}
    assert set(providers.drawn(sandbox, lambda port, taken: port + len(taken))) == set(VARIABLES)


def test_a_real_key_is_never_sent_and_comes_back(sandbox: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the sandbox pulls, another key stands in the environment; afterwards the owner's does again."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-the-owners-own-77c1")
    with providers.connected(sandbox):
        first = os.environ["OPENAI_ADMIN_KEY"]
        assert first.startswith("made-up-")
        assert os.environ["APILEDGER_OPENAI_API"].startswith("http://127.0.0.1:")
    with providers.connected(sandbox):
        assert os.environ["OPENAI_ADMIN_KEY"] not in {first, "sk-admin-the-owners-own-77c1"}
    assert os.environ["OPENAI_ADMIN_KEY"] == "sk-admin-the-owners-own-77c1"
    assert "APILEDGER_OPENAI_API" not in os.environ
    assert pulled(sandbox, NOW)["openai"].skipped is None
    files = [path for path in sandbox.root.rglob("*") if path.is_file()]
    assert [path for path in files if b"made-up-openai-" in path.read_bytes()] == []


def misbehave(home: Home, *arguments: str) -> str:
    """Run `apiledger sandbox misbehave` and return what it says."""
    done = CliRunner().invoke(cli, ["sandbox", "misbehave", *arguments, "--home", str(home.root)])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_person_makes_them_misbehave(tmp_path: Path, master_key: str) -> None:
    """Faults are taken one a request; a late or restated day lasts until told otherwise; without words all is well."""
    assert master_key
    # A provider is late by the day that it is.
    now, sandbox = datetime.now(UTC), Home(tmp_path / "sandbox")
    sandbox_home.make(sandbox, now, seed=5, calls=900, days=5, providers=TWO)
    assert "2 requests go wrong" in misbehave(sandbox, "openai", "gap", "--times", "2")
    for left in (1, 0):
        assert "leaves out a day" in str(pulled(sandbox, now)["openai"].skipped)
        assert len(misbehaviour.read(sandbox)["openai"].faults) == left
    bill = bill_file.read(sandbox, "openai")
    day = now.date() - timedelta(days=2)
    misbehave(sandbox, "openai", "--late", "2")
    assert pulled(sandbox, now)["openai"].skipped is None
    assert raw_dollars(sandbox) == bill.amount(ALWAYS[0], day)
    misbehave(sandbox, "openai", "--late", "0", "--restate", str(day), "1.5")
    pulled(sandbox, now)
    restated = bill.restated({day: Decimal("1.5")}).amount(ALWAYS[0], now.date())
    assert raw_dollars(sandbox) == restated > bill.amount(ALWAYS[0], now.date())
    assert "0 requests go wrong, 0 days are late, no day restated" in misbehave(sandbox, "openai")
    pulled(sandbox, now)
    assert raw_dollars(sandbox) == bill.amount(ALWAYS[0], now.date())


@pytest.mark.parametrize(
    "arguments",
    [
        ["openai", "200"],
        ["openai", "cut:x"],
        ["openai", "--restate", "today", "1"],
        ["openai", "--restate", "2026-06-29", "NaN"],
        ["openai", "nonsense"],
    ],
)
def test_what_is_no_fault_is_refused(arguments: list[str], sandbox: Home) -> None:
    """A word that means nothing changes nothing and is said."""
    done = CliRunner().invoke(cli, ["sandbox", "misbehave", *arguments, "--home", str(sandbox.root)])
    assert isinstance(done.exception, PipelineError)
    assert misbehaviour.read(sandbox) == {}


def test_no_real_home_is_made_to_misbehave(tmp_path: Path) -> None:
    """The command is for a sandbox with bills."""
    real = Home(tmp_path / "own").make()
    done = CliRunner().invoke(cli, ["sandbox", "misbehave", "openai", "429", "--home", str(real.root)])
    assert isinstance(done.exception, PipelineError)
    assert not (real.root / "providers").exists()


@pytest.mark.soak
def test_up_shows_log_and_bill_and_pulls_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `up` spend is the bill to the cent, the providers answer, and the schedule's own job reads what is new."""
    monkeypatch.setenv("APILEDGER_SANDBOX_HOME", str(tmp_path / "made-up"))
    home = Home.sandbox()

    def apiledger(*arguments: str) -> str:
        code = "from pipelines.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        return done.stdout

    apiledger("sandbox", "--calls", "3000", "--days", "4")
    try:
        assert "openai" in apiledger("up")
        assert "made-up-bills" in apiledger("status")
        bills = {provider: bill_file.read(home, provider) for provider in (*TWO, "openrouter", "vercel", "google")}
        with database.published(home) as connection:
            ((as_of,),) = connection.execute("SELECT as_of FROM mart.published").fetchall()
            for provider, bill in bills.items():
                query = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = ? AND day < ? AND basis <> 'plan'"
                assert connection.execute(query, [provider, as_of.date()]).fetchall() == [
                    (bill.amount(ALWAYS[0], as_of.date()),)
                ]
        day = as_of.date() - timedelta(days=1)
        misbehave(home, "openai", "429", "cut", "--restate", str(day), "3")
        launch = (
            'mutation{launchRun(executionParams:{selector:{repositoryLocationName:"apiledger",jobName:"bills",'
            'repositoryName:"__repository__"},mode:"default"}){__typename ... on LaunchRunSuccess{run{runId}}}}'
        )
        run = wait_until(lambda: graphql(home, launch)["launchRun"].get("run"))["runId"]
        assert wait_until(lambda: {"SUCCESS", "FAILURE"} & {run_status(home, run)}, 120) == {"SUCCESS"}
        with database.published(home) as connection:
            query = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = 'openai' AND day = ?"
            restated = bills["openai"].restated({day: Decimal(3)})
            assert connection.execute(query, [day]).fetchall() == [(restated.amount(day, as_of.date()),)]
        assert misbehaviour.read(home)["openai"].faults == []
    finally:
        apiledger("stop")


def test_a_made_up_account_pays_ahead_by_the_week(sandbox: Home) -> None:
    """Each week once, whatever goes on; its credits add up, and it is nobody else's calls that are deducted."""
    with database.control(sandbox) as control:
        number = prepaid.account(control, customer.ACCOUNT)
        before = credit.lifetime(control, number)
    assert before > 0
    for minutes in (5, 90):
        sandbox_home.go_on(sandbox, NOW + timedelta(minutes=minutes))
    with database.control(sandbox) as control:
        assert credit.lifetime(control, number) == before
    sandbox_home.go_on(sandbox, NOW + timedelta(days=7))
    with database.control(sandbox) as control:
        assert credit.lifetime(control, number) > before
        assert credit.accounts(control) == [number]
        assert credit.wrong(control) == []
