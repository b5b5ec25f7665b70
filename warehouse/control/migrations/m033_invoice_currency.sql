CREATE TABLE invoice_in_any_currency (
    provider TEXT NOT NULL, number TEXT NOT NULL, account_no INTEGER NOT NULL, period_start TEXT NOT NULL,
    period_end TEXT NOT NULL, amount_usd TEXT, tax_usd TEXT, credits_usd TEXT, plan TEXT, added_at TEXT NOT NULL,
    currency TEXT, billed_amount TEXT, billed_tax TEXT, billed_credits TEXT,
    CHECK ((currency IS NULL) = (amount_usd IS NOT NULL)), CHECK ((currency IS NULL) = (billed_amount IS NULL)),
    PRIMARY KEY (provider, number)) STRICT;
INSERT INTO invoice_in_any_currency
    SELECT provider, number, account_no, period_start, period_end, amount_usd, tax_usd, credits_usd, plan, added_at,
        NULL, NULL, NULL, NULL FROM invoice;
DROP TABLE invoice;
ALTER TABLE invoice_in_any_currency RENAME TO invoice;
ALTER TABLE held_entry ADD COLUMN currency TEXT;
ALTER TABLE held_entry ADD COLUMN billed_amount TEXT;
