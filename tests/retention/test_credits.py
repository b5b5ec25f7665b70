"""Credits and payments go with their account and do not come back; a hold keeps their sums; restricted, all waits."""

from collections.abc import Iterator
from datetime import UTC, date, timedelta
from decimal import Decimal

import pytest

from pipelines.payments import booking, pull
from pipelines.providers import stripe
from pipelines.sandbox import stripe_api
from pipelines.sandbox.stripe_api import Payments
from retention import hunter, policy
from tests.pipelines.gateway_log import put, take_in
from tests.retention.erased_world import NOW, Canary, erased, lived
from warehouse import database
from warehouse.control import balance_watch, credit, payment_claim, prepaid, restriction
from warehouse.control import hold as holds
from warehouse.control.vault import Vault
from warehouse.home import Home

_ANNE, _BELA = Canary(1), Canary(2)
_AT = NOW - timedelta(days=1)
_CUSTOMERS = {each: f"cus_{each.word('customer')}" for each in (_ANNE, _BELA)}


@pytest.fixture
def payments(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Payments]:
    """Two prepaid accounts with calls, each a customer who paid by claim and once by name, with a part given back."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    made = Payments()
    with stripe_api.serve(made, "rk_test") as api:
        monkeypatch.setenv(stripe.KEY_VARIABLE, "rk_test")
        monkeypatch.setenv(stripe.ADDRESS_VARIABLE, api.address)
        monkeypatch.setenv(stripe.FIELD_VARIABLE, "account")
        with database.control(home) as control:
            for each in (_ANNE, _BELA):
                number = prepaid.account(control, each.account)
                payment_claim.put(control, _CUSTOMERS[each], number, date.min, NOW)
                prepaid.put(control, prepaid.Terms(number, date(2026, 11, 1), is_prepaid=True, factor=Decimal(2)), NOW)
                vault = Vault(control, NOW)
                balance_watch.put(control, vault, number, Decimal(50), f"{each.word('low')}@example.org", NOW)
                charge = made.pay(_CUSTOMERS[each], 4_000, _AT)
                made.give_back(charge, 500, _AT)
                made.pay(None, 300, _AT, metadata={"account": each.account})
        take_in(home)
        with database.control(home) as control:
            assert balance_watch.evaluate(control, (), NOW, has_operator=False) == 2
        yield made


def _number(home: Home, whose: Canary) -> int:
    with database.control(home) as control:
        return prepaid.account(control, whose.account)


def _books(home: Home, account_no: int) -> dict[str, int]:
    query = "SELECT book, sum(amount_nano) FROM credit_entry WHERE account_no = ? GROUP BY book"
    with database.control(home) as control:
        assert credit.wrong(control) == []
        return dict(control.execute(query, (account_no,)).fetchall())


@pytest.mark.clause("AL-4.2")
@pytest.mark.clause("VA-6.2")
def test_an_erased_accounts_credits_are_gone_but_for_what_a_hold_keeps(home: Home, payments: Payments) -> None:
    """No byte of hers, no row of ledger, claims, mails or payments; sums under the hold; nothing of hers lands."""
    anne, bela = _number(home, _ANNE), _number(home, _BELA)
    before, others = _books(home, anne), _books(home, bela)
    assert before["stripe"] == -3_800 * 10**7
    with database.control(home) as control:
        basis = ("HGB 257, GDPR 17(3)(b)", "tax audit 2026")
        hold_no = holds.add(control, "tax", [anne], (date.min, date.max), basis, date(2027, 12, 31), NOW)
    erased(home, "account", _ANNE.account)
    assert _ANNE.found(home) == {}
    assert _books(home, anne) == {}
    assert _books(home, bela) == others
    with database.control(home) as control:
        entries = holds.entries(control, hold_no)
        kept = {kind: Decimal(str(usd)) for _, _, kind, of, _, _, usd, *_ in entries if of in {"stripe", "credits"}}
        rows = {
            table: control.execute(f"SELECT count(*) FROM {table} WHERE account_no = ?", (anne,)).fetchone()[0]
            for table in ("credit_tx", "credit_terms", "credit_claim", "credit_watch", "credit_notice", "mail")
        }
    assert kept["top_up"] == 43
    assert kept["refund"] == -5
    deducted = sum((Decimal(str(usd)) for _, _, kind, _, _, _, usd, *_ in entries if kind == "deduction"), Decimal(0))
    assert credit.nano(deducted) == -before["usage"]
    assert set(rows.values()) == {0}
    # All is offered again, with a refund that is told late of a moment before the erasure: nothing of hers lands.
    payments.give_back("ch_madeup0001", 100, _AT)
    assert pull.pull_or_say(home, NOW + timedelta(days=1), lambda *_: None) == pull.Paid(read=7)
    with database.held(home.build_lock), database.build(home) as build:
        assert build.execute("SELECT count(*) FROM raw_stripe.transactions").fetchone() == (3,)
        booking.book(home, build, NOW)
    assert _books(home, anne) == {}
    assert _books(home, bela) == others
    assert hunter.offences(home, policy.load()) == []


@pytest.mark.soak
@pytest.mark.clause("VA-8.4")
def test_a_restricted_account_is_neither_deducted_nor_credited_until_it_is_lifted(
    home: Home, payments: Payments
) -> None:
    """What lands meanwhile waits: calls, payments and refunds; lifted, all of it is entered on its own day."""
    anne = _number(home, _ANNE)
    before = _books(home, anne)
    with database.control(home) as control:
        numbers = [number for number, ledger in prepaid.ledgers(control).items() if ledger == anne]
        restriction.begin(control, anne, numbers, NOW)
    payments.pay(_CUSTOMERS[_ANNE], 1_000, _AT)
    later = NOW + timedelta(hours=1)
    put(home, "more.jsonl", [*_ANNE.lines([0], request_id="more")])
    take_in(home, later.replace(tzinfo=UTC))
    assert _books(home, anne) == before
    with database.control(home) as control:
        restriction.lift(control, anne, later)
    take_in(home, (later + timedelta(hours=1)).replace(tzinfo=UTC))
    after = _books(home, anne)
    assert after["stripe"] == before["stripe"] - 1_000 * 10**7
    assert after["usage"] > before["usage"]
