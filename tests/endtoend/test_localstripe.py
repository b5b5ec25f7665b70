"""Payments through localstripe, a Stripe that was not written here: paid, given back in parts, entered to the cent."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.payments import booking, pull
from pipelines.providers import stripe
from tests.pipelines.mail_trap import free_port
from warehouse import database
from warehouse.control import credit, payment_claim, prepaid
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

pytestmark = pytest.mark.soak
KEY, CARD = "sk_test_12345", "4242424242424242"
CENT = 10**7


class LocalStripe:
    """The server, asked as a shop would ask it."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **fields: str) -> dict[str, Any]:
        """POST a form where there are fields, else GET; the answer."""
        data = urllib.parse.urlencode(fields).encode() if fields else None
        request = urllib.request.Request(  # noqa: S310 (loopback)
            f"{self.address}/v1/{path}", data, {"Authorization": f"Bearer {KEY}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (loopback)
            told: dict[str, Any] = json.load(answer)
        return told

    def pay(self, customer: str, cents: int) -> str:
        """A customer's card is charged; the charge's id."""
        card = {"card[number]": CARD, "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123"}
        method = self.ask("payment_methods", type="card", **card)["id"]
        self.ask(f"payment_methods/{method}/attach", customer=customer)
        asked = {"amount": str(cents), "currency": "usd", "customer": customer, "payment_method": method}
        intent = self.ask("payment_intents", confirm="true", **asked, **{"metadata[note]": f"card {CARD}"})
        charge: str = intent["latest_charge"]["id"]
        return charge


@pytest.fixture
def server() -> Iterator[LocalStripe]:
    """A server on a port of its own, with nothing in it."""
    program = shutil.which("localstripe")
    if program is None:
        pytest.skip("no localstripe on PATH: `pip install localstripe==1.15.10` in an environment of its own")
    made = LocalStripe(port := free_port())
    command = [program, "--port", str(port), "--from-scratch"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    made.ask("customers")
                    break
                except OSError:
                    assert time.monotonic() < deadline, "localstripe does not start"
                    time.sleep(0.1)
            yield made
        finally:
            process.kill()


def test_what_a_shop_takes_and_gives_back_is_what_an_account_has(
    server: LocalStripe, home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty payments and ten refunds of two customers, told twice: to the cent, each once, no card in any file."""
    assert master_key
    monkeypatch.setenv(stripe.KEY_VARIABLE, KEY)
    monkeypatch.setenv(stripe.ADDRESS_VARIABLE, server.address)
    customers = [server.ask("customers", email="payer@payer.example")["id"] for _ in range(2)]
    expected = [0, 0]
    now = datetime.now(UTC).replace(tzinfo=None)
    for number in range(30):
        charge = server.pay(customers[number % 2], 500 + number)
        expected[number % 2] += 500 + number
        if number % 3 == 0:
            server.ask("refunds", charge=charge, amount=str(100 + number))
            expected[number % 2] -= 100 + number
    with database.control(home) as control:
        with database.transaction(control):
            OutsideIds(control, Vault(control, now), now).accounts("gateway_jsonl", ["acme", "beta"])
        numbers = [prepaid.account(control, name) for name in ("acme", "beta")]
        for customer, number in zip(customers, numbers, strict=True):
            payment_claim.put(control, customer, number, now.date().min, now)
    for entered in (40, 0):
        # It knows no filter by time, so all is asked each time, as after a build that was lost.
        assert pull.pull(home, now, lambda *_: None).new == 40
        with database.held(home.build_lock), database.build(home) as build:
            assert booking.book(home, build, now) == entered
            build.execute("DELETE FROM raw_stripe.transactions")
    with database.control(home) as control:
        assert [credit.lifetime(control, number) for number in numbers] == [cents * CENT for cents in expected]
        assert credit.wrong(control) == []
    for path in (path for path in home.root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not any(needle in content for needle in (CARD.encode(), b"payer@payer.example", KEY.encode()))
