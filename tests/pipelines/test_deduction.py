"""What is deducted is what calls cost, rounded once, whatever moves them: late rows, prices, terms, plans, kills."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random

import duckdb
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.cli import cli
from pipelines.materialization import build_credits
from tests.conftest import MASTER_KEY
from tests.pipelines.gateway_log import line, put, take_in
from warehouse import database
from warehouse.control import audit, credit, plan, prepaid, restriction
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import PROJECT, Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (naive moments are UTC here)
DAY = date(2026, 11, 20)
Rows = dict[tuple[int, date, str | None], Decimal | None]


def rounded(usd: Decimal) -> int:
    """Dollars in nano-dollars, half-even."""
    return int((usd * 10**9).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@dataclass
class Books:
    """A home whose build's days are written by hand."""

    home: Home
    build: duckdb.DuckDBPyConnection

    def account(self, name: str, factor: str, since: date = DAY - timedelta(days=9)) -> int:
        """A new account, prepaid from a day on."""
        with database.control(self.home) as control:
            with database.transaction(control):
                ids = OutsideIds(control, Vault(control, NOW), NOW)
                number = ids.accounts("gateway_jsonl", [name])[name]
            prepaid.put(control, prepaid.Terms(number, since, is_prepaid=True, factor=Decimal(factor)), NOW)
        return number

    def use(self, rows: Rows) -> int:
        """Let these be all the usage there is, also of who is not in it; how many deductions that makes."""
        self.build.execute("DELETE FROM model.usage_daily")
        for (account, day, model), cost in rows.items():
            self.build.execute(
                """INSERT INTO model.usage_daily (day, gateway, account_no, provider, model, requests, list_cost_usd,
                     unpriced_requests) VALUES (?, 'gateway_jsonl', ?, 'openai', ?, 1, ?, 0)""",
                [day, account, model, cost],
            )
        build_credits.build_credits(self.home, self.build, NOW.date())
        return build_credits.deduct(self.home, self.build, NOW)

    def taken(self, account: int) -> int:
        """What is deducted of an account, in nano-dollars."""
        with database.control(self.home) as control:
            assert credit.wrong(control) == []
            return -credit.balance(control, account)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """One home for all of them; each test has accounts of its own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        home = Home(tmp_path_factory.mktemp("books") / "own").make()
        with database.build(home) as build:
            yield Books(home, build)


@pytest.fixture(autouse=True)
def _key(master_key: str) -> None:
    assert master_key


_COSTS = st.one_of(st.none(), st.decimals(0, 10**4, places=12))
_USAGE = st.dictionaries(
    st.tuples(st.integers(0, 1), st.integers(-1, 3), st.sampled_from(["gpt-4o", None])), _COSTS, max_size=8
)


@pytest.mark.clause("VA-4.2")
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_USAGE, min_size=1, max_size=2), factors=st.tuples(*[st.decimals("0.000001", 5, places=6)] * 2))
def test_the_ledgers_sum_is_the_usage_rounded_once(
    books: Books, steps: list[dict[tuple[int, int, str | None], Decimal | None]], factors: tuple[Decimal, Decimal]
) -> None:
    """Two accounts at factors of their own, usage that comes and goes; a day too early, a model without a price."""
    accounts = [books.account(f"a{os.urandom(8).hex()}", f"{factor:f}", DAY) for factor in factors]
    for usage in steps:
        rows: Rows = {
            (accounts[who], DAY + timedelta(days=after), model): cost for (who, after, model), cost in usage.items()
        }
        books.use(rows)
        for account, factor in zip(accounts, factors, strict=True):
            worth = [cost for (whose, day, _), cost in rows.items() if whose == account and day >= DAY and cost]
            assert books.taken(account) == rounded(sum(worth, Decimal(0)) * factor)
        assert books.use(rows) == 0


def test_other_terms_hold_from_their_day_on(books: Books) -> None:
    """A markup from the second day, an end on the third: each day at its own, and back where that is taken back."""
    account = books.account("terms", "1", DAY)
    rows: Rows = {(account, DAY + timedelta(days=after), "gpt-4o"): Decimal(10) for after in range(3)}
    books.use(rows)
    assert books.taken(account) == 30 * 10**9
    with database.control(books.home) as control:
        for after, is_prepaid, factor in ((1, True, "1.2"), (2, False, "1")):
            day = DAY + timedelta(days=after)
            prepaid.put(control, prepaid.Terms(account, day, is_prepaid=is_prepaid, factor=Decimal(factor)), NOW)
    books.use(rows)
    assert books.taken(account) == 22 * 10**9
    with database.control(books.home) as control:
        control.execute("DELETE FROM credit_terms WHERE account_no = ? AND from_day > ?", (account, str(DAY)))
    books.use(rows)
    assert books.taken(account) == 30 * 10**9


def test_what_a_plan_pays_for_is_not_deducted(books: Books) -> None:
    """The plan costs its fee; a plan that is taken back leaves the calls to be deducted."""
    account = books.account("covered", "1", DAY)
    rows: Rows = {(account, DAY, "gpt-4o"): Decimal(10)}
    books.build.execute(
        "INSERT INTO model.plan_cover VALUES (1, 'gateway_jsonl', 'openai', ?, ?, ?)", [account, DAY, plan.NO_END]
    )
    books.use(rows)
    assert books.taken(account) == 0
    books.build.execute("DELETE FROM model.plan_cover")
    books.use(rows)
    assert books.taken(account) == 10 * 10**9


def test_days_that_have_expired_stay_deducted(books: Books) -> None:
    """Their calls are gone and so is their day: what was deducted was theirs."""
    account = books.account("old", "1", DAY)
    books.use({(account, DAY, "gpt-4o"): Decimal(10), (account, DAY + timedelta(days=1), "o3"): Decimal(1)})
    books.build.execute("INSERT INTO model.expired_before VALUES ('usage_daily', ?)", [DAY + timedelta(days=1)])
    books.use({})
    books.build.execute("DELETE FROM model.expired_before")
    assert books.taken(account) == 10 * 10**9


def test_two_gateways_that_name_one_account_are_one_ledger(books: Books) -> None:
    """Its calls under the other gateway's number are deducted from the same credits."""
    account = books.account("both", "1", DAY)
    with database.control(books.home) as control, database.transaction(control):
        other = OutsideIds(control, Vault(control, NOW), NOW).accounts("litellm", ["both"])["both"]
    assert other != account
    books.use({(account, DAY, "gpt-4o"): Decimal(1), (other, DAY, "gpt-4o"): Decimal(2)})
    assert books.taken(account) == 3 * 10**9
    assert books.taken(other) == 0


@pytest.mark.clause("VA-8.4")
def test_a_restricted_account_is_not_deducted_until_that_is_lifted(books: Books) -> None:
    """Nothing moves while it lasts, in neither direction; lifted, what its calls cost by then is deducted."""
    account = books.account("restricted", "1", DAY)
    books.use({(account, DAY, "gpt-4o"): Decimal(4), (account, DAY, "o3"): Decimal(4)})
    with database.control(books.home) as control:
        restriction.begin(control, account, [account], NOW)
    books.use({(account, DAY, "gpt-4o"): Decimal(9)})
    assert books.taken(account) == 8 * 10**9
    with database.control(books.home) as control:
        restriction.lift(control, account, NOW)
    books.use({(account, DAY, "gpt-4o"): Decimal(9)})
    assert books.taken(account) == 9 * 10**9


def test_a_copy_of_another_ledger_is_made_anew(books: Books) -> None:
    """A build that was put back has fewer rows, or others: the marts' copy is the ledger's again."""
    account = books.account("copied", "1", DAY)
    rows: Rows = {(account, DAY, "gpt-4o"): Decimal(3)}
    books.use(rows)
    books.build.execute("DELETE FROM model.credit_entry WHERE tx_no % 2 = 0")
    assert books.use(rows) == 0
    with database.control(books.home) as control:
        tail = credit.tail(control)
    assert books.build.execute("SELECT count(*), max(tx_no) FROM model.credit_entry").fetchone() == tail


_DEDUCTS = """
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from warehouse import database
from warehouse.control import credit
from warehouse.home import Home

cells = [credit.Cell(7, date(2026, 11, 20), "openai", f"m{number}") for number in range(400)]
with database.control(Home(Path(sys.argv[1]))) as control:
    print("begun", flush=True)
    for turn in range(1, 10_000):
        worth = [(cell, Decimal(turn) / 8) for cell in cells]
        with database.transaction(control):
            credit.deduct(control, worth, datetime(2026, 11, 21))
"""


@pytest.mark.clause("VA-4.2")
@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.soak)])
def test_a_kill_between_entries_leaves_whole_transactions(home: Home, kills: int) -> None:
    """Killed at any moment: what is there adds up, and is a whole turn; the next one goes on from it."""
    random = Random(kills)  # noqa: S311 (draws a moment)
    with database.control(home):
        pass
    for _ in range(kills):
        with subprocess.Popen(
            [sys.executable, "-c", _DEDUCTS, str(home.root)], stdout=subprocess.PIPE, cwd=PROJECT
        ) as child:
            assert child.stdout
            assert child.stdout.readline()
            time.sleep(random.uniform(0.01, 0.25))
            child.send_signal(signal.SIGKILL)
        with database.control(home) as control:
            assert credit.wrong(control) == []
            used = credit.used(control, 7)
        assert used % 50 == 0
    assert used > 0


@pytest.mark.clause("VA-4.2")
def test_calls_are_deducted_from_the_first_pass_to_a_late_row(home: Home) -> None:
    """By the command line and whole passes: what the ledger takes is what spend_daily says, times the markup."""
    named = ["--home", str(home.root)]

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["credits", *arguments, *named])
        assert done.exit_code == 0, done.exception
        return done.output

    def spent() -> Decimal:
        with database.published(home) as version:
            query = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE account = 'acme'"
            row = version.execute(query).fetchone()
        assert row
        return Decimal(row[0])

    assert "No account has credits" in said("list")
    with database.control(home) as control, database.transaction(control):
        OutsideIds(control, Vault(control, NOW), NOW).accounts("gateway_jsonl", ["acme"])
    put(home, "a.jsonl", [line(request_id=f"r{n}", input_tokens=1_001 + n) for n in range(20)])
    said("prepaid", "acme", "--from", "2026-11-01", "--factor", "20%")
    assert "0.000000000" in said("balance", "acme")
    take_in(home)
    assert Decimal(said("balance", "acme")) == -Decimal(rounded(spent() * Decimal("1.2"))).scaleb(-9)
    put(home, "late.jsonl", [line(request_id="late", input_tokens=77_777)])
    take_in(home, NOW.replace(tzinfo=UTC))
    said("adjust", "acme", "--usd", "5", "--reason", "credits to start with")
    left = Decimal(5) - Decimal(rounded(spent() * Decimal("1.2"))).scaleb(-9)
    assert Decimal(said("balance", "acme")) == left
    rows = said("statement", "acme", "--days", "2026-11").splitlines()
    assert [row.split(",")[2] for row in rows] == ["kind", "deduction", "deduction", "adjustment"]
    assert "Free, $0.00 paid in; $5.00 more is Starter" in said("tier", "acme")
    with database.control(home) as control:
        acts = [act.act for act in audit.acts(control, datetime.min, datetime.max)]  # noqa: DTZ901 (all there are)
        sealed = control.execute("SELECT sealed_reason FROM credit_tx WHERE kind = 'adjustment'").fetchall()
    assert [act for act in acts if act.startswith("credits.")] == [
        "credits.prepaid",
        "credits.adjusted",
    ]
    assert "credits to start with" not in sealed[0][0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prepaid", "acme", "--factor", "-1"], "a factor is above 0"),
        (["prepaid", "acme", "--factor", "nan"], "a factor is above 0"),
        (["prepaid", "acme", "--factor", "1.0000001"], "six places"),
        (["adjust", "acme", "--usd", "1e-10", "--reason", "too small"], "nine places"),
        (["adjust", "acme", "--usd", "5", "--reason", "why"], "8 characters"),
        (["balance", "nobody"], "no log or payment has named that account"),
        (["claim", "Ida Quellmann", "acme"], "a customer is Stripe's id"),
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(home: Home, arguments: list[str], said: str) -> None:
    """One sentence, no entry, no act."""
    with database.control(home) as control, database.transaction(control):
        OutsideIds(control, Vault(control, NOW), NOW).accounts("gateway_jsonl", ["acme"])
    done = CliRunner().invoke(cli, ["credits", *arguments, "--home", str(home.root)])
    assert done.exit_code != 0
    assert said in done.output + str(done.exception)
    with database.control(home) as control:
        assert credit.tail(control) == (0, 0)
        assert control.execute("SELECT count(*) FROM credit_terms").fetchone() == (0,)
