"""A plan is spend by its fee; what it covers counts and costs nothing, and its worth is shown beside, never added."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import cli
from pipelines.exports import export
from pipelines.providers import claude_code
from retention import hunter, policy
from tests.pipelines.gateway_log import NOW, line, one, put, query, take_in
from tests.pipelines.sessions import answered, append
from tests.templates import Templates
from warehouse.home import Home

CLAUDE = {"provider": "anthropic", "model": "claude-sonnet-4-5", "input_tokens": 100_000, "output_tokens": 0}
ADD = ("plan", "add", "claude max", "--provider", "anthropic", "--monthly", "200", "--seats", "2")


def told(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(cli, list(arguments))


def _used(home: Home) -> None:
    days = ("2026-10-05", "2026-11-01", "2026-11-20")
    calls = [line(request_id=day, ts=f"{day}T10:00:00Z", **CLAUDE) for day in days]
    put(home, "a.jsonl", [*calls, line(request_id="other", ts="2026-11-20T10:00:00Z", input_tokens=400_000)])
    take_in(home)


@pytest.fixture
def used(templates: Templates, home: Home, master_key: str) -> Home:
    """Three calls of October and November at list price 0.30 USD each, and one at another provider."""
    assert master_key
    return templates.once(home, _used)


def cover(*options: str) -> None:
    """Add a plan that pays for the gateway's calls, from the 1st of November."""
    done = told(*ADD, "--from", "2026-11-01", "--covers", "gateway_jsonl", *options)
    assert done.exit_code == 0, done.output


def test_the_fee_is_spend_and_what_it_covers_is_not(used: Home) -> None:
    """The days of November so far are 21/30 of 400 USD; the calls of before, and of others, keep their price."""
    before = one(used, "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = 'anthropic'")
    assert before == Decimal("0.9")
    cover()
    take_in(used)
    assert query(
        used,
        """SELECT basis, sum(cost_usd), sum(requests), sum(input_tokens), count(DISTINCT day)
           FROM mart.spend_daily WHERE provider = 'anthropic' AND day >= '2026-11-01' GROUP BY basis ORDER BY basis""",
    ) == [("log", Decimal(0), 2, 200_000, 2), ("plan", Decimal(280), 0, 0, 21)]
    spent = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = 'anthropic'"
    assert one(used, f"{spent} AND day < '2026-11-01'") == Decimal("0.3")
    assert one(used, "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = 'openai'") > 1
    assert one(used, "SELECT sum(cost_usd) FROM mart.spend_hourly WHERE provider = 'anthropic'") == Decimal("0.3")


def test_the_worth_stands_beside_the_fee(used: Home) -> None:
    """Fee, covered use at list price and their ratio; each source keeps what it says by itself."""
    cover()
    take_in(used)
    assert query(
        used, "SELECT month, plan, fee_usd, covered_requests, covered_list_cost_usd, value_ratio FROM mart.plan_value"
    ) == [(date(2026, 11, 1), "claude max", Decimal(280), 2, Decimal("0.6"), Decimal("0.0021"))]
    assert query(
        used,
        """SELECT source, sum(cost_usd), min(settlement) FROM mart.spend_by_source
           WHERE provider = 'anthropic' GROUP BY source ORDER BY source""",
    ) == [("log", Decimal("0.9"), "provisional"), ("plan", Decimal(280), "settled")]


def test_a_seat_pays_for_the_sessions_of_its_agent(
    home: Home, master_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claude Code's own sessions: their calls count, cost nothing beside the fee, and have a worth."""
    assert master_key
    folder = tmp_path / "claude/projects"
    append(folder / "p/a.jsonl", answered(1, 0), answered(2, 5))
    monkeypatch.setenv(claude_code.SETTING, str(folder))
    cover("--covers", "claude_code")
    take_in(home)
    assert query(
        home, "SELECT basis, sum(requests), sum(cost_usd) FROM mart.spend_daily GROUP BY basis ORDER BY basis"
    ) == [("log", 2, Decimal(0)), ("plan", 0, Decimal(280))]
    (worth,) = query(home, "SELECT covered_requests, covered_list_cost_usd > 0 FROM mart.plan_value")
    assert worth == (2, True)


def test_only_the_calls_of_its_account_are_covered(used: Home) -> None:
    """A seat of one account pays for nobody else; a new account of the same name is covered from its first pass."""
    put(used, "b.jsonl", [line(request_id="b", ts="2026-11-20T11:00:00Z", account_id="beta", **CLAUDE)])
    take_in(used)
    cover("--account", "acme")
    take_in(used)
    costs = "SELECT account, sum(cost_usd) FROM mart.spend_daily WHERE day = '2026-11-20' AND basis = 'log'"
    assert query(used, f"{costs} AND provider = 'anthropic' GROUP BY account ORDER BY account") == [
        ("acme", Decimal(0)),
        ("beta", Decimal("0.3")),
    ]


def test_a_fee_leaves_as_a_purchase(used: Home, tmp_path: Path) -> None:
    """FOCUS: a recurring purchase a day, usage beside it for nothing; the files add up to spend."""
    cover()
    take_in(used)
    made = export.focus(used, str(tmp_path), NOW)
    assert made.cost_usd == one(used, "SELECT sum(cost_usd) FROM mart.spend_daily")
    assert query(
        used,
        """SELECT ChargeCategory, ChargeFrequency, sum(BilledCost), count(*), any_value(PricingUnit),
             bool_and(ConsumedQuantity IS NULL)
           FROM mart.focus_1_2 WHERE x_Basis = 'plan' GROUP BY ALL""",
    ) == [("Purchase", "Recurring", Decimal(280), 21, "Days", True)]
    assert json.loads((tmp_path / export.MANIFEST).read_text())["rows"] == made.rows


def test_an_ended_plan_covers_no_more(used: Home) -> None:
    """The day after its end a call costs its price again; the fee of the days before stays."""
    cover()
    assert told("plan", "end", "claude max", "--until", "2026-11-10").exit_code == 0
    take_in(used)
    assert one(used, "SELECT sum(cost_usd) FROM mart.spend_daily WHERE day = '2026-11-20' AND basis = 'log'") > 1
    assert one(used, "SELECT round(sum(cost_usd), 2) FROM mart.spend_daily WHERE basis = 'plan'") == Decimal("133.33")


def test_a_day_more_is_a_version_more_and_nothing_new_is_none(used: Home) -> None:
    """A pass the same day publishes nothing; the next day has its share of the fee."""
    cover()
    take_in(used)
    assert take_in(used).version is None
    assert take_in(used, datetime(2026, 11, 22, 0, 5, tzinfo=UTC)).version is not None
    assert one(used, "SELECT max(day)::VARCHAR FROM mart.spend_daily WHERE basis = 'plan'") == "2026-11-22"


def test_two_plans_never_pay_for_the_same_call(used: Home) -> None:
    """Nor does one run twice; with other days, another gateway or another account it does."""
    cover("--account", "acme")
    twice = told(*ADD, "--from", "2026-11-20")
    assert "runs on those days already" in str(twice.exception)
    other = ("plan", "add", "team", "--provider", "anthropic", "--monthly", "25", "--from", "2026-11-15")
    assert "pays for the calls of gateway_jsonl" in str(told(*other, "--covers", "gateway_jsonl").exception)
    assert told(*other, "--covers", "litellm").exit_code == 0
    assert told("plan", "end", "claude max", "--until", "2026-11-19").exit_code == 0
    assert told(*ADD, "--from", "2026-11-20").exit_code == 0
    assert told("plan", "list").output.count("claude max") == 2
    assert used.root.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--monthly", "0"), "above 0"),
        (("--monthly", "€200"), "above 0"),
        (("--monthly", "200", "--currency", "EUR"), "kept in USD"),
        (("--monthly", "200", "--until", "2026-09-30"), "ends on the day it begins or later"),
        (("--monthly", "200", "--account", "nobody"), "no log has named that account"),
    ],
)
def test_what_makes_no_sense_is_refused(used: Home, options: tuple[str, ...], said: str) -> None:
    """One sentence, and nothing is kept."""
    refused = told("plan", "add", "p", "--provider", "anthropic", "--from", "2026-10-01", *options)
    assert said in str(refused.exception)
    assert "No plan" in told("plan", "list", "--home", str(used.root)).output


def test_a_plan_entered_wrongly_is_gone_with_its_days(used: Home) -> None:
    """As if it had never been; what is kept of it has a clause."""
    cover()
    take_in(used)
    assert hunter.offences(used, policy.load()) == []
    assert told("plan", "remove", "claude max").exit_code == 0
    take_in(used)
    assert one(used, "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = 'anthropic'") == Decimal("0.9")
