"""Without our own hand on either side: a real LiteLLM proxy logs, an upstream that counts and bills by itself bills."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.passage import run_pass
from tests.endtoend.billing_upstream import ADMIN_KEY, BillingUpstream
from tests.endtoend.counting_upstream import CountingUpstream, Order, mixed_orders
from tests.endtoend.litellm_proxy import OPENAI_KEY, run_traffic, running, send
from warehouse import causes
from warehouse.database import published
from warehouse.home import Home

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

CALLS, STRAY_CALLS = 400, 60
STRAY_KEY, STRAY_ID, OWN_ID = "sk-made-up-past-the-proxy", "key_past_the_proxy", "key_of_the_proxy"
CENT = Decimal("0.01")


def orders() -> list[Order]:
    """OpenAI's part of a day's mixture, with broken-off streams that are worth dollars; retries and failures in it."""
    openai = [order for order in mixed_orders(2 * CALLS) if "claude" not in order.model][:CALLS]
    return [
        replace(order, stream=True, failures=(), model="gpt-4o", completion_tokens=16_000, hang_up_after=2)
        if order.ticket % 20 == 5
        else order
        for order in openai
    ]


def stray() -> list[Order]:
    """The second key's calls."""
    first = 100_000
    return [Order(first + n, ("gpt-4o", "gpt-4o-mini")[n % 2], 20_000 + 97 * n, 900 + n) for n in range(STRAY_CALLS)]


@pytest.mark.usefixtures("master_key")
def test_what_the_proxy_never_saw_and_what_callers_broke_off_explain_the_bill(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bill less log is the second key, by name, and the cancelled streams: each within a cent, nothing unexplained."""
    home.make(("litellm",))
    with CountingUpstream() as upstream, BillingUpstream(upstream, {OPENAI_KEY: OWN_ID, STRAY_KEY: STRAY_ID}) as bill:
        with running(tmp_path / "proxy", home.inbox / "litellm", upstream) as proxy:
            sent = run_traffic(proxy, upstream, orders())
            past = send(proxy.python, upstream.url, STRAY_KEY, stray())
        monkeypatch.setenv("OPENAI_ADMIN_KEY", ADMIN_KEY)
        monkeypatch.setenv("APILEDGER_OPENAI_API", bill.url)
        # Days later, when the bill is settled.
        run_pass(home, datetime.now(UTC) + timedelta(days=5), lambda *_: None)

    ledger = upstream.ledger
    billed = sum((served.cost_usd for served in ledger.values()), Decimal(0))
    unlogged = sum((ledger[each["ticket"]].cost_usd for each in past), Decimal(0))
    broken = {call.call_id: call for call in sent if call.outcome == "cancelled"}
    with published(home) as database:

        def ask(sql: str) -> list[tuple[Any, ...]]:
            return database.execute(sql).fetchall()

        logged = dict(ask("SELECT request_id, list_cost_usd FROM model.requests"))
        found = {cause: (amount, keys) for cause, amount, keys in ask(CAUSES)}
        by_key = dict(ask(TOKENS_BY_KEY))
        ((bill_usd, log_usd, difference_usd),) = ask(
            "SELECT sum(bill_cost_usd), sum(log_cost_usd), sum(difference_usd) FROM mart.reconciliation_daily"
        )
    cancelled = sum((call.cost_usd - (logged[name] or 0) for name, call in broken.items()), Decimal(0))
    print(
        f"\n{len(sent)} calls through the proxy, {len(past)} past it, {len(broken)} broken off, "
        f"{sum(call.failed_attempts for call in sent)} failed attempts; bill {bill_usd} USD, log {log_usd} USD; "
        f"unlogged {found.get(causes.UNLOGGED)} (ledger {unlogged}), "
        f"cancelled {found.get(causes.CANCELLED)} (ledger less log {cancelled})"
    )
    assert bill_usd == billed
    assert difference_usd == bill_usd - log_usd
    assert {cause for cause, (amount, _) in found.items() if abs(amount) > CENT} == {causes.UNLOGGED, causes.CANCELLED}
    assert abs(found[causes.UNLOGGED][0] - unlogged) <= CENT
    # Its number stands for the provider's id of the second key: that key's tokens, and no other's.
    (named,) = found[causes.UNLOGGED][1]
    assert by_key[named] == sum(order.prompt_tokens + order.completion_tokens for order in stray())
    assert len(by_key) == 2
    assert abs(found[causes.CANCELLED][0] - cancelled) <= CENT
    assert causes.UNEXPLAINED not in found


TOKENS_BY_KEY = """
    SELECT key.label, sum(told.usage_tokens)
    FROM model.reconciliation AS told JOIN model.key AS key ON key.key_no = told.key_no AND key.valid_to IS NULL
    GROUP BY key.label"""
CAUSES = """
    SELECT cause, sum(amount_usd), list(DISTINCT key_label ORDER BY key_label) FILTER (key_label IS NOT NULL)
    FROM mart.difference_cause GROUP BY cause"""
