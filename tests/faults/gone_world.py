"""A home whose account was erased, with all that still tells of it: a provider, payments, an older build, a backup."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from pipelines.backups import backup
from pipelines.bills.biller import billers
from pipelines.bills.billing_api import Clock
from pipelines.bills.pull import pull
from pipelines.payments import pull as payments_pull
from pipelines.providers import stripe
from pipelines.sandbox import openai_api, stripe_api
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.cause import USUAL
from pipelines.sandbox.ground_truth import GroundTruth
from pipelines.sandbox.stripe_api import Payments
from tests.conftest import MASTER_KEY
from tests.faults import offers
from tests.pipelines.backed_up_world import quiet
from tests.pipelines.gateway_log import put, take_in
from tests.retention.erased_world import NOW, Canary, erased
from tests.retention.people_world import moved_in
from warehouse import database
from warehouse.control import credential, payment_claim
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

ANNE, BELA = Canary(1), Canary(2)
# The erasure, and when what was before it is offered.
THEN, LATER = NOW + timedelta(minutes=30), NOW + timedelta(hours=1)
ADMIN_KEY, CUSTOMER, ORGANISATION = "sk-admin-canary-5f1e0c77aa21", "cus_canary41c07b", "canary-org-41c07b"
OPENAI = billers()["openai"]
CLOCK = Clock(sleep=lambda _: None, jitter=lambda: 1.0)
_CARD_KEY = "rk_test_canary_41c07be2"
_SERVICES = '[[service]]\ncloud = "*"\nname = "*"\nprovider = "openai"\n'


@dataclass(frozen=True)
class Gone:
    """A home whose account was erased, what it was before, and what still tells of it outside."""

    home: Home
    older: bytes
    calls: bytes
    target: Path
    api: AdminApi
    payments: Payments
    variables: dict[str, str]
    rows: dict[str, int]

    def now(self) -> dict[str, int]:
        """The rows of every raw table of calls, charges and payments that may tell of somebody."""
        with database.read_only(self.home.build_file) as build:
            tables = build.execute(
                """SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE schema_name LIKE 'raw%'
                   AND (table_name IN ('calls', 'transactions') OR table_name LIKE 'cost%'
                     OR table_name LIKE 'usage%')"""
            ).fetchall()
            counts = {table: build.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for (table,) in tables}
        return {table: count for table, count in counts.items() if count}

    def assert_none(self) -> None:
        """Nothing has landed, and no word of theirs is in any file."""
        assert all(count <= self.rows.get(table, 0) for table, count in self.now().items()), self.now()
        assert ANNE.found(self.home) == {}
        with database.read_only(self.home.build_file) as build:
            labels = {label for (label,) in build.execute("SELECT label FROM model.account").fetchall()}
        assert labels <= {"own", BELA.account} | {name for name in labels if name.startswith("account ")}


def worlds(folder: Path) -> Iterator[Gone]:
    """An account with calls on two roads, a bill, a payment and a backup is erased; another one stays.

    For a fixture of a module.
    """
    with pytest.MonkeyPatch.context() as environment, _outside() as (api, paid, payments):
        (folder / "keys").mkdir()
        variables = {
            "APILEDGER_MASTER_KEY": MASTER_KEY,
            "APILEDGER_KEY_FILE": str(folder / "keys" / "key"),
            "APILEDGER_OPENAI_API": api.address,
            stripe.KEY_VARIABLE: _CARD_KEY,
            stripe.ADDRESS_VARIABLE: paid.address,
            stripe.FIELD_VARIABLE: "account",
        }
        environment.delenv("OPENAI_ADMIN_KEY", raising=False)
        for name, value in variables.items():
            environment.setenv(name, value)
        home = Home(folder / "own").make()
        (home.root / "services.toml").write_text(_SERVICES)
        first = put(home, "calls.jsonl", [offers.gateway_line(ANNE, f"call-{n}", n) for n in range(6)])
        calls = first.read_bytes()
        put(home, "bela.jsonl", BELA.lines())
        put(home, "rows.jsonl", [json.dumps(offers.spend_log(ANNE, f"row-{n}", n)) for n in range(6)], "litellm")
        take_in(home)
        people = moved_in(home, ANNE)
        with database.control(home) as control:
            vault = Vault(control, NOW)
            credential.add(control, vault, people.account_no, "openai", "main", ADMIN_KEY, NOW)
            one = credential.of_account(control, people.account_no)[0].connection_no
            with database.transaction(control):
                ids = OutsideIds(control, vault, NOW)
                number = ids.accounts("gateway_jsonl", [ANNE.account])[ANNE.account]
            payment_claim.put(control, CUSTOMER, number, NOW.date(), NOW)
        assert pull(home, OPENAI, NOW, quiet, CLOCK, connection_no=one).rows > 0
        payments.pay(CUSTOMER, 5_000, NOW - timedelta(days=1))
        assert payments_pull.pull(home, NOW, quiet, CLOCK).new == 1
        take_in(home)
        target = folder / "elsewhere"
        backup.make(home, str(target), NOW, quiet)
        older = home.build_file.read_bytes()
        erased(home, "account", str(people.account_no), now=THEN)
        gone = Gone(home, older, calls, target, api, payments, variables, {"raw_gateway_jsonl.calls": 6})
        gone.assert_none()
        yield gone


@contextmanager
def _outside() -> Iterator[tuple[AdminApi, AdminApi, Payments]]:
    """What is asked: a provider's bill of the week before, and a processor of payments."""
    truth, payments = GroundTruth.make(1, NOW.replace(tzinfo=UTC), days=7, calls=60), Payments()
    with (
        openai_api.serve(Bill.of(truth, "openai", USUAL), ADMIN_KEY) as api,
        stripe_api.serve(payments, _CARD_KEY) as paid,
    ):
        api.says = (("openai-organization", ORGANISATION),)
        yield api, paid, payments
