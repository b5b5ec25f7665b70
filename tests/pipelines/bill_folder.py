"""FOCUS files made by hand, dropped into a home, taken in, and asked for."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipelines.bills.biller import billers
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull
from tests.pipelines.gateway_log import take_in
from warehouse import database
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COLUMNS = """
    BilledCost BillingAccountId BillingCurrency BillingPeriodStart BillingPeriodEnd ChargeCategory ChargeClass
    ChargeDescription ChargeFrequency ChargePeriodStart ChargePeriodEnd ConsumedQuantity ConsumedUnit EffectiveCost
    ListCost ContractedCost ProviderName ServiceName SkuId x_UsageType RegionId SubAccountId SubAccountName InvoiceId
""".split()  # noqa: SIM905 (names read better than literals)


def row(day: int, billed: str, **other: str) -> dict[str, str]:
    """One FOCUS row of Bedrock for a day of October 2026; `other` are columns by their names."""
    return {
        "BilledCost": billed,
        "BillingAccountId": "111122223333",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-10-01T00:00:00Z",
        "BillingPeriodEnd": "2026-11-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": f"2026-10-{day:02}T00:00:00Z",
        "ChargePeriodEnd": f"2026-10-{day:02}T01:00:00Z",
        "EffectiveCost": billed,
        "ListCost": billed,
        "ContractedCost": billed,
        "ProviderName": "AWS",
        "ServiceName": "Amazon Bedrock",
        "SkuId": "ABC",
        "x_UsageType": "USE1-Claude4.6Opus-input-tokens-cross-region-global",
        "SubAccountId": "444455556666",
        "SubAccountName": "research",
        **other,
    }


def as_csv(rows: Iterable[dict[str, str]], names: Iterable[str] = COLUMNS) -> bytes:
    """The rows as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@dataclass
class Folder:
    """A home with its inbox of bills."""

    home: Home
    source: str = "focus"

    def drop(self, name: str, content: bytes) -> Path:
        """Put a file into the inbox."""
        path = self.home.inbox / self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def pull(self, now: datetime = NOW) -> Pulled:
        """Take in what waits and model it."""
        pulled = pull(self.home, billers()[self.source], now, lambda *_: None)
        take_in(self.home, now)
        return pulled

    def query(self, sql: str, *bound: Any) -> list[tuple[Any, ...]]:
        """Ask the newest published version."""
        with database.published(self.home) as connection:
            return connection.execute(sql, list(bound)).fetchall()

    def billed(self) -> Decimal:
        """What all bills add up to."""
        ((total,),) = self.query("SELECT coalesce(sum(amount_usd), 0) FROM model.charges")
        return Decimal(total)

    def days(self) -> dict[str, Decimal]:
        """What each day was billed."""
        return {
            str(day): total for day, total in self.query("SELECT day, sum(amount_usd) FROM model.bill_day GROUP BY 1")
        }

    def everything(self) -> list[tuple[Any, ...]]:
        """Every charge without the numbers that are drawn."""
        return self.query("SELECT * EXCLUDE (connection_no, project_no) FROM model.charges ORDER BY ALL")


def told_days(inbox: Folder, source: str = "focus") -> dict[str, tuple[int, int]]:
    """What is stored of each day, and how many of its rows are held back, one that is counted elsewhere among them."""
    pull(inbox.home, billers()[source], NOW, lambda *_: None)
    with database.control(inbox.home) as control:
        found = control.execute("SELECT day, rows, held_back + may_lack FROM report_day").fetchall()
    return {day[-2:]: (rows, held) for day, rows, held in found}
