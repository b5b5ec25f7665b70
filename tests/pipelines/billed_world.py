"""A sandbox home with its gateway's log and the two providers' admin APIs, all of one ground truth."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.bills.biller import billers
from pipelines.bills.billing_api import Clock
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull
from pipelines.sandbox import anthropic_api, openai_api, subscription, witness
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.cause import USUAL, Planted
from pipelines.sandbox.company import AGENTS, GATEWAY
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.gateway_log import take_in
from warehouse import database
from warehouse.home import Home

ENDS = datetime(2026, 6, 30, 12, tzinfo=UTC)
# Long enough after the last call for every bill of it to be settled.
LATER = datetime(2026, 8, 15, 1, tzinfo=UTC)
KEYS = {"openai": "sk-admin-canary-5f1e0c77aa21", "anthropic": "sk-ant-admin01-canary-90be44d1c3"}
_VARIABLES = {
    "openai": ("OPENAI_ADMIN_KEY", "APILEDGER_OPENAI_API"),
    "anthropic": ("ANTHROPIC_ADMIN_KEY", "APILEDGER_ANTHROPIC_API"),
}


@dataclass
class World:
    """A home, the truth its log was written from, the providers' APIs and how long each pull paused."""

    home: Home
    truth: GroundTruth
    apis: dict[str, AdminApi]
    pauses: list[float]

    def pull(self, provider: str, now: datetime = LATER) -> Pulled:
        """Pull one provider without ever waiting."""
        clock = Clock(sleep=self.pauses.append, jitter=lambda: 1.0)
        return pull(self.home, billers()[provider], now, lambda *_: None, clock)

    def take_in(self, now: datetime = LATER) -> None:
        """One whole pass."""
        take_in(self.home, now)

    def query(self, sql: str, *bound: Any) -> list[tuple[Any, ...]]:
        """Ask the newest published version."""
        with database.published(self.home) as connection:
            return connection.execute(sql, list(bound)).fetchall()

    def billed(self, provider: str) -> Decimal:
        """What the provider bills in all: the oracle."""
        return self.apis[provider].bill.amount(date(2000, 1, 1), date(2100, 1, 1))


@contextmanager
def world(
    folder: Path,
    environment: pytest.MonkeyPatch,
    seed: int = 1,
    days: int = 7,
    calls: int = 400,
    ends: datetime = ENDS,
    planted: Planted = USUAL,
    held_back: timedelta = timedelta(),
    sources: tuple[str, ...] = (GATEWAY,),
) -> Iterator[World]:
    """Make a world: its log waits in the inbox, its APIs answer, its keys are in the environment.

    `planted` makes bills differ from the log; of the last calls, those `held_back` are not in the log yet.
    `sources` tell of the calls; where developers' agents are among them, so are the plans that pay for these.
    """
    truth = GroundTruth.make(seed, ends, days=days, calls=calls, sources=sources)
    home = Home(folder / "sandbox").make((GATEWAY,), sandbox=True)
    witness.tell(truth, home, until=ends - held_back)
    if {*AGENTS} & {*sources}:
        subscription.take_out(home, (ends - timedelta(days=days)).date(), ends)
    with (
        openai_api.serve(Bill.of(truth, "openai", planted), KEYS["openai"]) as openai,
        anthropic_api.serve(Bill.of(truth, "anthropic", planted), KEYS["anthropic"]) as anthropic,
    ):
        apis = {"openai": openai, "anthropic": anthropic}
        for name, (key, address) in _VARIABLES.items():
            environment.setenv(key, KEYS[name])
            environment.setenv(address, apis[name].address)
        yield World(home, truth, apis, [])
