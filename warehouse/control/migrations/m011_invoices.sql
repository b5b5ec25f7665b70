CREATE TABLE plan (
    plan_no INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, provider TEXT NOT NULL,
    account_no INTEGER NOT NULL, covers_account TEXT, monthly_usd TEXT NOT NULL, seats INTEGER NOT NULL,
    starts_on TEXT NOT NULL, ends_on TEXT, covers TEXT NOT NULL, added_at TEXT NOT NULL) STRICT;
CREATE TABLE invoice (
    provider TEXT NOT NULL, number TEXT NOT NULL, account_no INTEGER NOT NULL, period_start TEXT NOT NULL,
    period_end TEXT NOT NULL, amount_usd TEXT NOT NULL, tax_usd TEXT, credits_usd TEXT, plan TEXT,
    added_at TEXT NOT NULL, PRIMARY KEY (provider, number)) STRICT;
CREATE TABLE month_close (
    month TEXT PRIMARY KEY, closed_at TEXT NOT NULL, manifest_sha256 TEXT NOT NULL) STRICT;
