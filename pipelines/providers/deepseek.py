"""DeepSeek's balance -> raw_deepseek.balance: a look an hour, since DeepSeek has no API of what was used or billed.

SOURCES: DeepSeek's page "Get User Balance". Amounts are decimal strings in CNY or USD, a currency a row; any of an
account's ordinary keys reads it. What the balance lost is an estimate of spend: of no model, key or project.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from pipelines.bills import odd_row
from pipelines.bills.biller import Biller, Report
from pipelines.bills.billing_api import BillingApi
from pipelines.bills.odd_row import OddRowError, literal
from pipelines.errors import ProviderError
from warehouse.bill_tables import PULL
from warehouse.tables import MONEY, Column, Table

RAW_BALANCE = Table(
    "raw_deepseek",
    "balance",
    "DeepSeek: one row per look at /user/balance and currency, once an hour.",
    (
        *PULL,
        Column("currency", "VARCHAR", "CNY or USD."),
        Column("granted_amount", MONEY, "What is left of DeepSeek's grants; it is spent first."),
        Column("topped_up_amount", MONEY, "What is left of what was paid in."),
    ),
)
_BALANCE = "/user/balance"


def _balance(api: BillingApi, first: date, after: date) -> Iterator[tuple[date, list[odd_row.Told]]]:
    del after  # a balance is of now
    seen: set[str] = set()

    def looked(info: dict[str, Any]) -> dict[str, Any]:
        names = ("total_balance", "granted_balance", "topped_up_balance")
        total, granted, topped_up = (literal(info[name]) for name in names)
        if granted + topped_up != total or info["currency"] in seen:
            raise OddRowError("a balance whose parts are not its total, or a currency twice")
        seen.add(info["currency"])
        return {"currency": info["currency"], "granted_amount": granted, "topped_up_amount": topped_up}

    infos = api.get(_BALANCE, []).get("balance_infos")
    if not isinstance(infos, list):
        raise ProviderError(f"DeepSeek {_BALANCE}: an answer without its list; nothing was stored")
    rows = odd_row.each(infos, looked)
    api.notes["estimate"] = (
        "DeepSeek tells its balance alone: what it lost between two looks an hour apart is an estimate of spend, on"
        " the day of the later look; what was spent while nobody looked for days, or while money came in, cannot be"
        " told by day, and nothing by model or key"
    )
    yield first, rows


BILLER = Biller(
    name="deepseek",
    title="DeepSeek",
    address="https://api.deepseek.com",
    key_variable="DEEPSEEK_API_KEY",
    address_variable="APILEDGER_DEEPSEEK_API",
    headers=lambda key: {"Authorization": f"Bearer {key}"},
    lookback_days=0,
    reports=(Report("balance", "balance", RAW_BALANCE, _balance),),
    key_help="make a key of its own at platform.deepseek.com/api_keys, so that it can be revoked by itself",
    policy_url="https://cdn.deepseek.com/policies/en-US/deepseek-privacy-policy.html",
    beyond=lambda _: "it may call models, which costs money; DeepSeek has no key that only reads",
)
