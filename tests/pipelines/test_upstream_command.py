"""`apiledger connect claim`: of two connections at one provider each pays for what its upstreams' claims say."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from tests.pipelines.bill_folder import NOW, Folder, as_csv, row
from tests.pipelines.gateway_log import line, put, query, rows, take_in
from tests.retention.erased_world import erased
from tests.templates import Templates
from warehouse import database
from warehouse.control import upstream_claim
from warehouse.home import Home

DAYS = range(1, 9)
# A million tokens of it.
PRICE = Decimal("5.50")
# Tokens a day of two accounts, by upstream; the provider counts some more at the second.
SENT = {"bedrock/main": 200_000, "bedrock/lab": 100_000}
STRAY = 40_000
BILL = {"111": Decimal(2 * 200_000) * PRICE / 10**6, "222": Decimal(2 * 100_000 + STRAY) * PRICE / 10**6}
LOGGED = {"111": BILL["111"], "222": BILL["222"] - STRAY * PRICE / 10**6}
UNCHANGED = ("model.requests", "model.usage_hourly", "model.usage_daily", "model.usage_monthly")


def call(day: int, account: str, upstream: Any, **fields: Any) -> str:
    """A call of the log."""
    told = {"request_id": f"{account}-{upstream}-{day}", "ts": f"2026-10-{day:02}T10:00:00Z", "account_id": account}
    tokens = {"input_tokens": SENT.get(upstream, 100_000), "output_tokens": 0}
    return line(**told, **tokens, upstream=upstream, provider="bedrock", model="claude-opus-4-6", **fields)


def billed(day: int, payer: str) -> dict[str, str]:
    """A line of one payer's bill, with the tokens that it is for."""
    told = {"BillingAccountId": payer, "ConsumedUnit": "tokens", "x_UsageType": "USE1-claude-opus-4-6-input-tokens"}
    return row(day, f"{BILL[payer]}", ConsumedQuantity=f"{BILL[payer] * 10**6 / PRICE:.0f}", **told)


@pytest.fixture
def world(home: Home, master_key: str, templates: Templates) -> Folder:
    """Eight days of two accounts' calls, and the operator's two bills of them."""
    assert master_key
    folder = Folder(home)

    def taken_in(_: object) -> None:
        folder.drop("bill.csv", as_csv(billed(day, payer) for day in DAYS for payer in BILL))
        put(home, "a.jsonl", [call(day, each, to) for day in DAYS for each in ("acme", "beta") for to in SENT])
        folder.pull()

    templates.once(home, taken_in)
    return folder


def ask(world: Folder, *words: str) -> str:
    """What a command of the group says."""
    found = CliRunner().invoke(cli, ["connect", *words, "--home", str(world.home.root)])
    assert found.exit_code == 0, found.output or found.exception
    return found.output


def numbers(world: Folder) -> dict[str, int]:
    """The connection of each payer."""
    told = world.query("SELECT connection_no, sum(amount_usd) FROM model.bill_day GROUP BY 1")
    by_bill = {usd: number for number, usd in told}
    return {payer: by_bill[usd * len(DAYS)] for payer, usd in BILL.items()}


def claim_both(world: Folder, *words: str) -> None:
    """Claim each upstream for its connection, and make a pass."""
    of = numbers(world)
    ask(world, "claim", "bedrock/main", str(of["111"]), *words)
    ask(world, "claim", "*/lab", str(of["222"]), *words)
    take_in(world.home, NOW)


def spend(world: Folder, where: str = "true") -> dict[tuple[int | None, str], Decimal | None]:
    """What is in the sum, by connection and basis."""
    told = f"SELECT connection_no, basis, sum(cost_usd) FROM mart.spend_daily WHERE {where} GROUP BY ALL"
    return {(number, basis): usd for number, basis, usd in world.query(told)}


def causes(world: Folder, where: str = "true") -> dict[tuple[int, str], Decimal]:
    """Why bills are more than the log, by connection."""
    told = f"SELECT connection_no, cause, sum(amount_usd) FROM mart.difference_cause WHERE {where} GROUP BY ALL"
    return {(number, cause): usd for number, cause, usd in world.query(told)}


def test_before_a_claim_calls_are_out_of_the_sum_and_the_next_command_is_said(world: Folder) -> None:
    """Both bills are the spend; the list says per upstream what its calls cost, and what may claim it."""
    of = numbers(world)
    bills = {(of[payer], "bill"): usd * len(DAYS) for payer, usd in BILL.items()}
    assert spend(world) == bills | {(None, "log"): None}
    assert sum(usd for (_, cause), usd in causes(world).items() if cause == "unclaimed") == sum(LOGGED.values()) * 8
    assert world.query("SELECT sum(requests)::INT, sum(cost_usd) FROM mart.unclaimed_daily") == [
        (32, sum(LOGGED.values()) * 8)
    ]
    said = ask(world, "claims").splitlines()
    assert said[0] == "unclaimed: bedrock/main, bedrock by gateway_jsonl: $17.60, 16 calls, 2026-10-01 to 2026-10-08"
    commands = [text.strip() for text in said if text.startswith("  ")]
    assert sorted(commands) == sorted(
        f"apiledger connect claim {upstream} {number}  # focus" for upstream in SENT for number in of.values()
    )
    assert world.home.root.joinpath("warehouse.duckdb").read_bytes().find(b"bedrock/lab") == -1


def test_after_it_each_connection_has_its_calls_and_its_own_difference(world: Folder) -> None:
    """Days, hours and calls are not rewritten; the sum is both bills to the pico, and the stray key is the second's."""
    before = [rows(world.home, table) for table in UNCHANGED]
    claim_both(world)
    assert before == [rows(world.home, table) for table in UNCHANGED]
    of = numbers(world)
    assert spend(world) == {
        (of["111"], "log"): LOGGED["111"] * 8,
        (of["111"], "bill"): Decimal(0),
        (of["222"], "log"): LOGGED["222"] * 8,
        (of["222"], "bill"): (BILL["222"] - LOGGED["222"]) * 8,
    }
    assert world.query("SELECT sum(cost_usd) FROM mart.spend_daily") == [(sum(BILL.values()) * 8,)]
    assert causes(world) == {(of["222"], "unlogged"): (BILL["222"] - LOGGED["222"]) * 8}
    assert rows(world.home, "model.unclaimed_daily") == []
    said = ask(world, "claims").splitlines()
    assert said[:2] == [
        f"claim 1: bedrock/main is paid by connection {of['111']} (bedrock); fits 2",
        f"claim 2: */lab is paid by connection {of['222']} (bedrock); fits 2",
    ]
    ask(world, "unclaim", "1")
    take_in(world.home, NOW)
    assert spend(world)[None, "log"] is None
    assert spend(world)[of["111"], "bill"] == BILL["111"] * 8


def test_a_claim_from_a_day_leaves_the_days_before_as_they_were(world: Folder) -> None:
    """Nothing of the first days moves, of spend and of why; on the later ones each call has its connection."""
    early = ("model.spend_daily", "model.spend_summary_daily", "model.reconciliation", "model.difference")
    first = "(SELECT * FROM {} WHERE day < '2026-10-05')"
    before = [rows(world.home, first.format(table)) for table in early]
    claim_both(world, "--from", "2026-10-05", "--until", "2026-10-07")
    assert before == [rows(world.home, first.format(table)) for table in early]
    of = numbers(world)
    assert set(spend(world, "day BETWEEN '2026-10-05' AND '2026-10-07'")) == {
        (number, basis) for number in of.values() for basis in ("log", "bill")
    }
    assert spend(world, "day = '2026-10-08'")[None, "log"] is None
    assert {cause for _, cause in causes(world, "day BETWEEN '2026-10-05' AND '2026-10-07'")} == {"unlogged"}
    # Another connection takes over.
    ask(world, "claim", "bedrock/main", str(of["222"]), "--from", "2026-10-07")
    take_in(world.home, NOW)
    claimed = "SELECT DISTINCT connection_no, first_day, last_day FROM model.upstream_claim ORDER BY 2, 3"
    days = [date(2026, 10, day) for day in (5, 6, 7)]
    assert set(query(world.home, claimed)) == {
        (of["111"], days[0], days[1]),
        (of["222"], days[0], days[2]),
        (of["222"], days[2], date(9999, 12, 31)),
    }


def test_an_upstream_that_comes_up_follows_and_none_is_opened_twice(world: Folder) -> None:
    """A new account's call to the same place is paid by the same connection, in the pass that brings it."""
    claim_both(world)
    put(world.home, "b.jsonl", [call(8, "new", "bedrock/main"), call(8, "new", "elsewhere"), call(8, "new", ...)])
    take_in(world.home, NOW)
    of = numbers(world)
    new = "account = 'new' AND basis = 'log'"
    assert spend(world, f"{new} AND cost_usd IS NOT NULL") == {(of["111"], "log"): Decimal("1.1")}
    assert spend(world, f"{new} AND cost_usd IS NULL") == {(None, "log"): None}
    assert world.query("SELECT sum(cost_usd) FROM mart.spend_daily") == [(sum(BILL.values()) * 8,)]
    said = ask(world, "claims")
    assert "unclaimed: elsewhere, bedrock by gateway_jsonl: $0.55, 1 calls, 2026-10-08 to 2026-10-08" in said
    assert "unclaimed: no upstream that is named here, bedrock" in said
    with database.control(world.home) as control:
        assert control.execute("SELECT count(*) FROM upstream_seen").fetchone() == (6,)
        assert upstream_claim.follow(control, NOW.replace(tzinfo=None)) == 0


def test_a_claim_for_what_does_not_pay_counts_nothing_and_is_said(world: Folder) -> None:
    """Neither a connection of another provider nor one of an account that pays for none of these calls."""
    stamp = database.stamp(NOW.replace(tzinfo=None))
    with database.control(world.home) as control:
        (operator,) = control.execute("SELECT DISTINCT account_no FROM connection").fetchone()
        for number, provider, owner in ((71, "openai", operator), (72, "bedrock", 99)):
            control.execute(
                """INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at)
                   VALUES (?, 'focus', ?, ?, ?, ?)""",
                (number, provider, owner, owner == operator, stamp),
            )
    assert f"counts nothing: no openai call goes there that account {operator} pays for" in ask(
        world, "claim", "bedrock/*", "71"
    )
    assert "counts nothing: no bedrock call goes there that account 99 pays for" in ask(
        world, "claim", "bedrock/main", "72"
    )
    take_in(world.home, NOW)
    assert spend(world)[None, "log"] is None
    assert world.query("SELECT sum(cost_usd) FROM mart.spend_daily") == [(sum(BILL.values()) * 8,)]
    for words in (("claim", "*", "71"), ("claim", "x", "70"), ("unclaim", "70")):
        found = CliRunner().invoke(cli, ["connect", *words, "--home", str(world.home.root)])
        assert found.exception is not None, words


@pytest.mark.clause("AL-4.2")
def test_an_erased_account_takes_what_claims_fitted_along(world: Folder) -> None:
    """Of its upstreams no number is left; what the bills say stays the sum, and the other account's calls stay paid."""
    claim_both(world)
    beta = {number for (number,) in query(world.home, "SELECT account_no FROM model.account WHERE label = 'beta'")}
    erased(world.home, "account", "beta", now=NOW.replace(tzinfo=None))
    with database.control(world.home) as control:
        for table in ("upstream_fit", "upstream_seen"):
            left = {number for (number,) in control.execute(f"SELECT account_no FROM {table}")}
            assert left
            assert not left & beta
    assert not {number for (number,) in query(world.home, "SELECT account_no FROM model.upstream_claim")} & beta
    of = numbers(world)
    assert spend(world)[of["111"], "log"] == LOGGED["111"] * 8 / 2
    assert world.query("SELECT sum(cost_usd) FROM mart.spend_daily") == [(sum(BILL.values()) * 8,)]
