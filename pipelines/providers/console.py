"""Cost exports of OpenAI's and Anthropic's consoles -> raw_console.cost: the bill of a person without an admin key.

SOURCES: no vendor documents these files. OpenAI's columns stand in docs.pelanor.io/integrations/services/openai, whose
importer takes the export unchanged; Anthropic's in several independent parsers and their samples. A file with other
columns is set aside, never guessed at. It has to be the whole export of its days, unfiltered: a day told again is
replaced. A provider whose API is connected bills there, and its files are not counted as well.
"""

from datetime import timedelta
from typing import Any

from pipelines.bills import charge, delivery
from pipelines.bills.ai_service import AiServices
from pipelines.bills.biller import Biller, Report
from pipelines.bills.charge import Charge, ChargeError, Whose
from warehouse.bill_tables import AMOUNT, KEY, PROJECT, PULL
from warehouse.tables import Column, Table

RAW_COST = Table(
    "raw_console",
    "cost",
    "Consoles' cost exports: one row per day, project, key and line, per pull.",
    (
        *PULL,
        Column("export", "VARCHAR", "The form of the export: openai or anthropic."),
        PROJECT,
        KEY,
        Column("line", "VARCHAR", "OpenAI's line item; Anthropic's name of the model and kind of tokens."),
        Column("token_type", "VARCHAR", "Which class of tokens, where the export says it without doubt."),
        AMOUNT,
    ),
)
LOOKBACK_DAYS = 31
_NEEDED = (("amount_value", "cost_usd"), ("start_time", "usage_date_utc"), ("line_item", "model"))
_WANTED = (
    # OpenAI's export names its currency, Anthropic's has it in the column's name.
    ("amount_currency",),
    ("end_time",),
    ("organization_id",),
    ("project_id", "workspace"),
    ("project_name", "workspace"),
    ("api_key_id",),
    ("token_type",),
)
_TOKENS = {"input_no_cache": "uncached_tokens", "input_cache_read": "cache_read_tokens"}


def _charges(row: tuple[Any, ...], _: AiServices) -> list[Charge]:
    """A row's charge; ChargeError where it is none."""
    cost, starts_text, line, currency, ends_text, payer, project, name, key, kind = row
    provider = "openai" if currency is not None else "anthropic"
    starts, amount = charge.moment(starts_text), charge.amount(cost)
    ends = charge.moment(ends_text) if ends_text else starts + timedelta(days=1)
    if amount is None or ends <= starts or (currency or "usd").lower() != "usd":
        raise ChargeError("no amount of US dollars, or a time that ends before it begins")
    words = {
        "export": provider,
        "project": project,
        "project_name": name,
        "key": key,
        "line": line if provider == "openai" or not kind else f"{line}, {kind}",
        "token_type": _TOKENS.get(kind or ""),
    }
    told = tuple((name, None if value is None else str(value)) for name, value in words.items())
    return [Charge(provider, str(payer or ""), starts, ends, provider, told, {"amount_usd": amount}, spreads=True)]


def _whose(row: tuple[Any, ...], _: AiServices) -> Whose:
    return "openai" if row[3] is not None else "anthropic", str(row[5] or ""), row[1], row[4]


BILLER = Biller(
    name="console",
    title="Consoles' cost exports",
    lookback_days=LOOKBACK_DAYS,
    reports=(Report("costs", "costs", RAW_COST, part="export"),),
    files=delivery.Files(
        variable="APILEDGER_CONSOLE", columns=(*_NEEDED, *_WANTED), needed=len(_NEEDED), charges=_charges, whose=_whose
    ),
)
