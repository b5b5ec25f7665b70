"""Stripe: each settled payment is entered once, what is given back is taken back, and nothing else of it is kept."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pipelines.bills.billing_api import Clock
from pipelines.cli import cli
from pipelines.errors import ProviderError
from pipelines.payments import booking, health, pull
from pipelines.providers import stripe
from pipelines.sandbox import stripe_api
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.stripe_api import CARD, MAIL, NAME, Payments
from tests.pipelines.gateway_log import line, put, take_in
from warehouse import database
from warehouse.control import credit, prepaid
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (naive moments are UTC here)
AT = NOW - timedelta(days=2)
KEY = "rk_test_canary_41c07be2"
CENT = 10**7
# Nobody waits for a made-up API.
CLOCK = Clock(sleep=lambda _: None, jitter=lambda: 1.0)


@dataclass
class Shop:
    """A home whose operator sells credits through a made-up Stripe."""

    home: Home
    payments: Payments
    api: AdminApi

    def run(self, now: datetime = NOW) -> pull.Paid:
        """What a pass does of payments: ask, and enter."""
        paid = pull.pull_or_say(self.home, now, lambda *_: None, CLOCK)
        with database.held(self.home.build_lock), database.build(self.home) as build:
            booking.book(self.home, build, now)
        return paid

    def say(self, *arguments: str) -> str:
        """`apiledger credits ...`; what it says."""
        done = CliRunner().invoke(cli, ["credits", *arguments, "--home", str(self.home.root)])
        assert done.exit_code == 0, done.exception
        return done.output

    def left(self, account: str) -> int:
        """An account's credits in cents."""
        with database.control(self.home) as control:
            return credit.balance(control, prepaid.account(control, account)) // CENT

    def open(self) -> list[tuple[object, ...]]:
        """What is in nobody's credits."""
        with database.held(self.home.build_lock), database.build(self.home) as build:
            return build.execute("SELECT reason, amount_minor, currency FROM model.unclaimed_payment").fetchall()


@pytest.fixture
def shop(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Two accounts that a log has named, and Stripe on loopback."""
    assert master_key
    payments = Payments()
    with stripe_api.serve(payments, KEY) as api:
        monkeypatch.setenv(stripe.KEY_VARIABLE, KEY)
        monkeypatch.setenv(stripe.ADDRESS_VARIABLE, api.address)
        with database.control(home) as control, database.transaction(control):
            OutsideIds(control, Vault(control, NOW), NOW).accounts("gateway_jsonl", ["acme", "beta"])
        yield Shop(home, payments, api)


def test_a_payment_is_credited_once_however_often_it_is_told(shop: Shop) -> None:
    """Whole, without the fee; a refund takes its part back, a dispute all, and gives it again when it is won."""
    first = shop.payments.pay("cus_Anna", 5_000, AT)
    shop.payments.pay_out(4_000, AT)
    assert shop.run().new == 1
    assert shop.open() == [("unclaimed", 5_000, "USD")]
    shop.say("claim", "cus_Anna", "acme")
    assert shop.run().new == 0
    assert shop.left("acme") == 5_000
    assert shop.open() == []
    shop.payments.give_back(first, 1_250, AT + timedelta(hours=1))
    second = shop.payments.pay("cus_Anna", 2_000, AT + timedelta(hours=2))
    shop.payments.dispute(second, AT + timedelta(hours=3))
    shop.run()
    assert shop.left("acme") == 3_750
    shop.payments.dispute(second, AT + timedelta(hours=4), won=True)
    shop.run()
    assert shop.left("acme") == 5_750
    assert "Builder, $57.50 paid in; $192.50 more is Growth" in shop.say("tier", "acme")
    with database.control(shop.home) as control:
        before = credit.tail(control)
        assert credit.wrong(control) == []
    shop.run(NOW + timedelta(days=1))
    with database.control(shop.home) as control:
        assert credit.tail(control) == before


@pytest.mark.clause("VA-2.2")
def test_no_card_number_name_or_mail_is_in_any_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in metadata, the named field among it, in details and descriptions: no byte of it rests."""
    monkeypatch.setenv(stripe.FIELD_VARIABLE, "account")
    shop.payments.pay("cus_Anna", 5_000, AT, metadata={"account": CARD})
    shop.payments.pay("cus_Bela", 700, AT, metadata={"account": CARD.replace(" ", "")})
    shop.payments.pay("cus_Cleo", 900, AT, metadata={"account": "acme", "pan": CARD})
    shop.payments.give_back(shop.payments.pay("cus_Cleo", 100, AT), 100, AT)
    shop.say("claim", "cus_Anna", "beta")
    assert take_in(shop.home).paid.new == 5
    assert (shop.left("acme"), shop.left("beta")) == (900, 5_000)
    files = [path for path in shop.home.root.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        content = path.read_bytes()
        for needle in (CARD, CARD.replace(" ", ""), NAME, MAIL, KEY, "cus_Anna"):
            assert needle.encode() not in content, (path.name, needle)
    # Every text that rests in a table, by Luhn: the columns are few, and none of their digits is a card's.
    with database.held(shop.home.build_lock), database.build(shop.home) as build:
        rows = build.execute("FROM raw_stripe.transactions").fetchall()
    with database.control(shop.home) as control:
        rows += control.execute("SELECT cause, payment FROM credit_tx").fetchall()
        rows += control.execute("SELECT label FROM label").fetchall()
    assert [
        row for row in rows if any(stripe.has_card_number(str(value)) for value in row if isinstance(value, str))
    ] == []


@pytest.mark.clause("VA-2.2")
@given(digits=st.text("0123456789", min_size=12, max_size=18), apart=st.sampled_from(["", " ", "-"]))
def test_a_card_number_is_known_by_its_check_digit(digits: str, apart: str) -> None:
    """Exactly one last digit of ten makes a number that checks, however it is written, and it names no account."""
    found = [last for last in "0123456789" if stripe.has_card_number(apart.join([*digits, last]))]
    if len(digits) == 12:
        assert len(found) == 1
    assert found
    assert stripe.account_named(f"card {apart.join([*digits, found[0]])}"[:64]) is None or len(digits) > 18


def test_whose_a_payment_is_goes_by_claim_then_by_the_named_field(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dated claim wins; a claim that moves, moves what was paid since its day, and its refunds with it."""
    monkeypatch.setenv(stripe.FIELD_VARIABLE, "account")
    early = shop.payments.pay("cus_Anna", 1_000, AT - timedelta(days=9), metadata={"account": "acme"})
    shop.payments.pay("cus_Anna", 2_000, AT, metadata={"account": "acme"})
    shop.payments.pay(None, 400, AT, metadata={"account": "not a name\nat all"})
    shop.run()
    assert shop.left("acme") == 3_000
    shop.say("claim", "cus_Anna", "beta", "--from", str(AT.date()))
    shop.run()
    assert (shop.left("acme"), shop.left("beta")) == (1_000, 2_000)
    # It was paid when it was acme's, whoever the customer is by now.
    shop.payments.give_back(early, 250, NOW - timedelta(hours=5))
    shop.run()
    assert (shop.left("acme"), shop.left("beta")) == (750, 2_000)
    shop.say("unclaim", "cus_Anna", "--from", str(AT.date()))
    shop.run()
    assert (shop.left("acme"), shop.left("beta")) == (2_750, 0)
    assert shop.open() == [("unclaimed", 400, "USD")]
    with database.control(shop.home) as control:
        assert credit.wrong(control) == []


def test_a_whole_pass_reads_payments_and_publishes_them(shop: Shop) -> None:
    """From Stripe to the marts, and what is nobody's to the operator's terminal."""
    put(shop.home, "calls.jsonl", [line()])
    shop.payments.pay("cus_Anna", 5_000, AT)
    shop.payments.pay(None, 400, AT)
    # Credits are dollars: what was paid otherwise is said, and entered by hand or not at all.
    shop.payments.pay("cus_Anna", 777, AT, currency="eur")
    shop.say("claim", "cus_Anna", "acme")
    assert take_in(shop.home).paid.new == 3
    with database.published(shop.home) as version:
        assert version.execute("SELECT account, lifetime_usd, tier FROM mart.credit_account").fetchall() == [
            ("acme", 50, "Builder")
        ]
        assert version.execute("SELECT kind, amount_usd FROM mart.credit_daily").fetchall() == [("top_up", 50)]
    said = shop.say("unclaimed")
    assert "4.00 USD  no customer  unclaimed" in said
    assert "777 EUR (smallest unit)  cus_Anna  currency" in said


@pytest.mark.soak
def test_what_is_under_way_is_credited_once_it_is_through(shop: Shop) -> None:
    """A debit that takes a week, read again within the month once a day; until then there is nothing to spend."""
    under_way = shop.payments.pay("cus_Anna", 5_000, AT - timedelta(days=8), status="pending")
    shop.payments.pay("cus_Bela", 100, NOW - timedelta(hours=1))
    shop.run()
    shop.say("claim", "cus_Anna", "acme")
    shop.payments.pass_(under_way)
    assert shop.run().new == 0
    assert shop.run(NOW + timedelta(days=1)).new == 1
    assert shop.left("acme") == 5_000


@pytest.mark.soak
def test_shuffled_histories_end_alike(shop: Shop) -> None:
    """Told in parts, in another order, twice and over pages of a hundred: the same balance as told at once."""
    random = Random(3)  # noqa: S311 (shuffles a test's history)
    minutes = [timedelta(minutes=number) for number in range(120)]
    charges = [(shop.payments.pay("cus_Anna", 100 + n, AT + later), 100 + n) for n, later in enumerate(minutes)]
    expected = sum(cents for _, cents in charges)
    for charge, cents in charges[::7]:
        shop.payments.give_back(charge, cents // 2, AT + timedelta(hours=5))
        expected -= cents // 2
    whole = list(shop.payments.transactions)
    random.shuffle(whole)
    shop.payments.transactions[:] = whole[:70]
    assert shop.run().new == 70
    shop.say("claim", "cus_Anna", "acme")
    shop.payments.transactions[:] = whole
    shop.run()
    assert shop.left("acme") == expected
    with database.control(shop.home) as control:
        assert credit.wrong(control) == []


@pytest.mark.soak
def test_a_build_that_was_put_back_is_filled_again_and_credits_nothing_twice(shop: Shop) -> None:
    """The raw rows are gone; what was credited stays, and the rows come again."""
    shop.payments.pay("cus_Anna", 5_000, AT)
    shop.run()
    shop.say("claim", "cus_Anna", "acme")
    shop.run()
    with database.held(shop.home.build_lock), database.build(shop.home) as build:
        build.execute("DELETE FROM raw_stripe.transactions")
    assert shop.run().new == 1
    assert shop.left("acme") == 5_000


@pytest.mark.parametrize(
    "fault", ["torn", *(pytest.param(fault, marks=pytest.mark.soak) for fault in (500, 401, "drop"))]
)
def test_whatever_stripe_answers_is_whole_or_said(shop: Shop, fault: str | int) -> None:
    """A fault leaves the ledger as it was, is said without the key, and the next pull heals; the pass goes on."""
    shop.payments.pay("cus_Anna", 5_000, AT)
    shop.api.faults = [fault] * 6
    paid = shop.run()
    assert paid.skipped is not None
    assert KEY not in paid.skipped
    assert pull.health(shop.home) == (paid.skipped, NOW)
    shop.api.faults.clear()
    assert shop.run().new == 1
    assert pull.health(shop.home) is None


def test_a_key_that_can_move_money_is_sent_nowhere(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret key is refused before anything is asked; the sandbox asks nobody but this machine."""
    assert master_key
    monkeypatch.setenv(stripe.KEY_VARIABLE, "sk_live_" + "a" * 30)
    with pytest.raises(ProviderError, match="restricted key") as refused:
        pull.pull(home, NOW, lambda *_: None)
    assert "sk_live" not in str(refused.value)
    sandbox = Home(home.root.parent / "made-up").make((), sandbox=True)
    assert not pull.is_connected(sandbox)


def test_the_answers_have_the_form_of_stripes_own(shared: Path) -> None:
    """What the made-up API answers has the fields that Stripe's published fixtures have."""
    import gzip
    import json

    file = shared / "data/stripe_openapi_fixtures/fixtures3.json.gz"
    if not file.exists():
        pytest.skip("no fixtures of Stripe's")
    with gzip.open(file) as handle:
        told = json.load(handle)["resources"]
    payments = Payments()
    charge = payments.pay("cus_Anna", 100, AT)
    payments.give_back(charge, 100, AT)
    payments.dispute(charge, AT)
    for one, kind in zip(payments.transactions, ("charge", "refund", "dispute"), strict=True):
        assert one.keys() <= told["balance_transaction"].keys()
        assert one["source"].keys() <= told[kind].keys()
    assert payments.transactions[0]["created"] == int(AT.replace(tzinfo=UTC).timestamp())
    assert re.fullmatch(r"txn_\w+", told["balance_transaction"]["id"])


def test_a_transaction_that_cannot_be_read_is_held_back_and_the_rest_lands(shop: Shop) -> None:
    """A float, a flag, a billion, an id with a blank, no charge: the other is credited, and no value repeated.

    What it was asked with is asked again once a day, until it can be read; an answer without an end is refused whole.
    """
    shop.payments.pay("cus_Anna", 5_000, AT)
    shop.payments.pay("cus_Anna", 100, AT)
    (kept, other) = shop.payments.transactions
    routes = shop.api.routes
    odd: list[dict[str, object]] = [
        {"amount": 50.5},
        {"amount": True},
        {"amount": 10**12},
        {"amount": -5_000},
        {"id": "txn 4242 4242"},
        {"created": float(kept["created"])},
        {"created": None},
        {"currency": "dollars"},
        {"source": None},
        {"source": kept["source"] | {"customer": f"{MAIL}"}},
    ]
    for change in odd:
        shop.api.routes = {"/v1/balance_transactions": lambda *_, told=change: page(kept | told, other)}
        paid = pull.pull_or_say(shop.home, NOW, lambda *_: None, CLOCK)
        assert (paid.skipped, paid.read, paid.held_back) == (None, 1, 1), change
        (said,) = [one.what for one in health.findings(shop.home) if "held back" in one.what]
        assert not any(word in said for word in ("4242", "dollars", MAIL, "cus_", "5000"))
    month = timedelta(days=40)
    shop.payments.pay("cus_Anna", 7, NOW + month)
    shop.api.routes = routes
    assert shop.run(NOW + month).new == 2
    assert pull.held_back(shop.home) is None
    shop.api.routes = {"/v1/balance_transactions": lambda *_: page(kept, kept)}
    assert "pages do not end" in str(pull.pull_or_say(shop.home, NOW, lambda *_: None, CLOCK).skipped)
    shop.api.routes = {"/v1/balance_transactions": lambda *_: {"data": {"id": "txn_1"}}}
    assert "without its list" in str(pull.pull_or_say(shop.home, NOW, lambda *_: None, CLOCK).skipped)


def page(*transactions: dict[str, object]) -> dict[str, object]:
    """A page of Stripe's list, the last one."""
    return {"object": "list", "has_more": False, "data": list(transactions)}
