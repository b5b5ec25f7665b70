"""The truth's bill of Google -> inbox/focus/*.csv.gz: Vertex AI's lines as a cloud delivers them, by whole days.

A cloud delivers a day once it is over, and tells it anew where it delivers it again.
"""

import csv
import gzip
import io
import os
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from pipelines.sandbox import bill_file
from warehouse import money
from warehouse.home import Home

PROVIDER = "google"
# A gateway calls Vertex AI by its owner's name; the list of services of a home says so.
_SERVICES = f"""[[service]]
cloud = "Google*"
name = "Vertex AI"
provider = "{PROVIDER}"
"""
_WORDS = {
    "input": "Text Input - Predictions",
    "cached input": "Text Input Caching - Predictions",
    "output": "Text Output - Predictions",
}
_COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SubAccountId",
    "SubAccountName",
)
_MILLION = 1_000_000


def deliver(home: Home, first: date, after: date) -> Path | None:
    """Deliver the whole days of `[first, after)` into a sandbox home's inbox, 0600; the file, None without a charge."""
    lines = bill_file.read(home, PROVIDER).lines
    rows = [row for row in lines.iter_rows(named=True) if first <= row["day"] < after]
    if not rows:
        return None
    written(home.root / "services.toml", _SERVICES.encode())
    path = home.inbox / "focus" / f"vertex-{rows[0]['day']}-{rows[-1]['day']}.csv.gz"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS)
    table.writeheader()
    table.writerows(_charges(rows))
    # No time in the header, so that the same days make the same bytes.
    written(path, gzip.compress(text.getvalue().encode(), mtime=0))
    return path


def _charges(rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for row in rows:
        amount, day = f"{money.from_pico(row['pico']):f}", row["day"]
        month = day.replace(day=1)
        words = f"{row['model'].replace('-', ' ').title()} {_WORDS[row['kind']]}"
        yield {
            "BilledCost": amount,
            "BillingAccountId": "01A2B3-MADEUP-C4D5E6",
            "BillingCurrency": "USD",
            "BillingPeriodEnd": _midnight((month + timedelta(days=31)).replace(day=1)),
            "BillingPeriodStart": _midnight(month),
            "ChargeCategory": "Usage",
            "ChargeDescription": words,
            "ChargeFrequency": "Usage-Based",
            "ChargePeriodEnd": _midnight(day + timedelta(days=1)),
            "ChargePeriodStart": _midnight(day),
            "ConsumedQuantity": str(row["tokens"]),
            "ConsumedUnit": "Tokens",
            "ContractedCost": amount,
            "EffectiveCost": amount,
            "InvoiceIssuerName": "Google Cloud",
            "ListCost": amount,
            "PricingQuantity": f"{money.usd(row['tokens']) / _MILLION:f}",
            "PricingUnit": "1000000 Tokens",
            "ProviderName": "Google Cloud",
            "PublisherName": "Google Cloud",
            "RegionId": "europe-west1",
            "ServiceCategory": "AI and Machine Learning",
            "ServiceName": "Vertex AI",
            "SkuId": f"{row['model']}/{row['kind']}",
            "SubAccountId": f"{row['project']}-madeup",
            "SubAccountName": row["project"],
        }


def _midnight(day: date) -> str:
    return f"{datetime.combine(day, time.min).isoformat()}Z"


def written(path: Path, content: bytes) -> None:
    """Write a file, 0600, whole or not at all."""
    working = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
    working.replace(path)
