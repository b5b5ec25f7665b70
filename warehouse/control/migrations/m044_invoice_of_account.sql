CREATE TABLE invoice_of_account (
    provider TEXT NOT NULL, number TEXT NOT NULL, account_no INTEGER NOT NULL, period_start TEXT NOT NULL,
    period_end TEXT NOT NULL, amount_usd TEXT, tax_usd TEXT, credits_usd TEXT, plan TEXT, added_at TEXT NOT NULL,
    currency TEXT, billed_amount TEXT, billed_tax TEXT, billed_credits TEXT,
    CHECK ((currency IS NULL) = (amount_usd IS NOT NULL)), CHECK ((currency IS NULL) = (billed_amount IS NULL)),
    PRIMARY KEY (account_no, provider, number)) STRICT;
INSERT INTO invoice_of_account SELECT * FROM invoice;
DROP TABLE invoice;
ALTER TABLE invoice_of_account RENAME TO invoice;
