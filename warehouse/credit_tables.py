"""The tables of prepaid credits: the ledger of control.sqlite as marts read it, and how each account stands."""

from warehouse.tables import MONEY, Column, Table

# A list price of twelve places times a factor of six is exact here.
EXACT = "DECIMAL(38,18)"
_ACCOUNT_NO = Column("account_no", "BIGINT", "The account whose credits they are; as in model.account.")

PREPAID = Table(
    "model",
    "prepaid",
    "Whose calls are deducted from whose credits, between two UTC days.",
    (
        _ACCOUNT_NO,
        Column("caller_no", "BIGINT", "The account that a log names; the same one under another gateway's number."),
        Column("from_day", "DATE", "The first day."),
        Column("last_day", "DATE", "The last day; 9999-12-31 while it goes on."),
        Column("factor", "DECIMAL(8,6)", "What a dollar of list price costs the account."),
        Column("is_restricted", "BOOLEAN", "Whether nothing is deducted at present, by a right of the account."),
    ),
)
CREDIT_ENTRY = Table(
    "model",
    "credit_entry",
    "One row per transaction of the ledger, as its account sees it; append-only.",
    (
        Column("tx_no", "BIGINT", "The ledger's number, counting up."),
        _ACCOUNT_NO,
        Column("day", "DATE", "The UTC day it counts on: of a payment when it was made, of a deduction the usage's."),
        Column("kind", "VARCHAR", "top_up, refund, dispute, deduction or adjustment."),
        Column("provider", "VARCHAR", "Of a deduction: who ran the model."),
        Column("model", "VARCHAR", "Of a deduction: the model."),
        Column("amount_usd", MONEY, "By how much the balance moved, in whole nano-dollars; below 0 what was taken."),
        Column("usage_usd", EXACT, "Of a deduction: what the usage is worth, exactly, before the sum is rounded."),
        Column("made_at", "TIMESTAMP", "When it was entered, UTC."),
    ),
)
CREDIT_STATE = Table(
    "model",
    "credit_state",
    "One row per account that has credits: its terms and tier of today.",
    (
        _ACCOUNT_NO,
        Column("is_prepaid", "BOOLEAN", "Whether its calls of today are deducted."),
        Column("prepaid_from", "DATE", "The first UTC day that is deducted; NULL where none is."),
        Column("factor", "DECIMAL(8,6)", "What a dollar of list price costs it; NULL where it is not prepaid."),
        Column("low_usd", MONEY, "Below which balance a mail goes out; NULL where none is set."),
        Column("lifetime_usd", MONEY, "Settled top-ups less refunds and disputes over all time."),
        Column("tier", "VARCHAR", "The tier of that sum."),
        Column("next_tier", "VARCHAR", "The next one; NULL at the top."),
        Column("missing_usd", MONEY, "What is missing to the next one; 0 at the top."),
    ),
)

UNCLAIMED_PAYMENT = Table(
    "model",
    "unclaimed_payment",
    "One row per transaction of a payment that is in no account's credits, for the operator to look at.",
    (
        Column("day", "DATE", "The UTC day it was made."),
        Column("kind", "VARCHAR", "top_up, refund or dispute."),
        Column("customer_no", "BIGINT", "Our number for the paying customer; NULL where there was none."),
        Column("amount_minor", "BIGINT", "In the currency's smallest unit; below 0 given back."),
        Column("currency", "VARCHAR", "The currency the customer paid in, ISO 4217."),
        Column("reason", "VARCHAR", "unclaimed: nobody says whose it is; currency: it is not in USD."),
    ),
)

CREDIT_TABLES = (PREPAID, CREDIT_ENTRY, CREDIT_STATE, UNCLAIMED_PAYMENT)
