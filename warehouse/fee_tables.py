"""The tables of subscriptions and of invoices, as `control.sqlite` keeps them and as days know them."""

from warehouse.coverage_tables import FX
from warehouse.tables import MONEY, Column, Table

_PLAN_NO = Column("plan_no", "BIGINT", "As in model.plan.")
_PROVIDER = Column("provider", "VARCHAR", "Who sells it.")
_ACCOUNT_NO = Column("account_no", "BIGINT", "The account that pays; as in model.account.")
_NUMBER = Column("number", "VARCHAR", "The invoice's number, as the provider writes it.")

PLAN = Table(
    "model",
    "plan",
    "One row per subscription: a fee with dates, whatever is used.",
    (
        Column("plan_no", "BIGINT", "Our own number."),
        Column("plan", "VARCHAR", "The name it was given; a changed fee is another row of the same name."),
        _PROVIDER,
        _ACCOUNT_NO,
        Column("monthly_usd", MONEY, "The fee of one seat for a month."),
        Column("seats", "BIGINT", "How many seats."),
        Column("starts_on", "DATE", "The first UTC day; on its day of the month each month of the plan begins."),
        Column("ends_on", "DATE", "The last UTC day; NULL while it runs."),
        Column("covers", "VARCHAR", "The gateways whose calls it pays for, with a comma between them."),
    ),
)
PLAN_COVER = Table(
    "model",
    "plan_cover",
    "Which calls a plan pays for: of a gateway, at its provider, of an account, between two days.",
    (
        _PLAN_NO,
        Column("gateway", "VARCHAR", "The source of the log, as in model.usage_daily."),
        Column("provider", "VARCHAR", "Who ran the model."),
        Column("account_no", "BIGINT", "The account the log named."),
        Column("starts_on", "DATE", "The first UTC day."),
        Column("ends_on", "DATE", "The last UTC day; 9999-12-31 while the plan runs."),
    ),
)
PLAN_DAY = Table(
    "model",
    "plan_day",
    "One row per plan and UTC day that has begun: the fee of its month, split over the month's days exactly.",
    (
        Column("day", "DATE", "The UTC day."),
        _PLAN_NO,
        _PROVIDER,
        _ACCOUNT_NO,
        Column("fee_usd", MONEY, "The day's share: the days of a whole month add up to the fee."),
    ),
)
INVOICE = Table(
    "model",
    "invoice",
    "One row per invoice that was entered.",
    (
        _PROVIDER,
        _ACCOUNT_NO,
        _NUMBER,
        Column("period_start", "DATE", "The first day it covers."),
        Column("period_end", "DATE", "The last day it covers."),
        Column("amount_usd", MONEY, "What is to be paid, tax and credits included; NULL where no rate is known."),
        Column("tax_usd", MONEY, "The tax in it; NULL where the bill's own lines say it."),
        Column("credits_usd", MONEY, "The credits in it, below zero; NULL where the bill's own lines say them."),
        Column("plan", "VARCHAR", "The plan it is for; NULL: for the provider's bill."),
        Column("added_at", "TIMESTAMP", "When it was entered, UTC."),
        Column("currency", "VARCHAR", "ISO 4217; NULL where it is USD."),
        Column("billed_amount", MONEY, "What is to be paid, in that currency; NULL where it is USD."),
        Column("billed_tax", MONEY, "The tax in it, in that currency."),
        Column("billed_credits", MONEY, "The credits in it, in that currency."),
        *FX,
    ),
)
INVOICE_DAY = Table(
    "model",
    "invoice_day",
    "Which invoices a day's bill, or a day's fee, is on: one row each, and one for what is on none yet beside others.",
    (
        Column("day", "DATE", "The UTC day."),
        Column("connection_no", "BIGINT", "Whose bill; NULL for a plan's fee."),
        Column("plan_no", "BIGINT", "Whose fee; NULL for a bill."),
        Column("number", "VARCHAR", "The invoice's number, as the provider writes it; NULL: none that was entered."),
        Column(
            "settlement", "VARCHAR", "invoiced; corrected where the bill moved after it was entered; NULL without one."
        ),
        Column("is_main", "BOOLEAN", "Whether it has most of the day, and with it the detail: one row a day."),
        Column("amount_usd", MONEY, "What its lines of the day add up to; NULL where it has all of the day."),
        Column("billed_amount", MONEY, "The same in the currency it is billed in; NULL where that is USD, too."),
    ),
)

FEE_TABLES = (PLAN, PLAN_COVER, PLAN_DAY, INVOICE, INVOICE_DAY)
