CREATE TABLE budget (
    budget_no INTEGER NOT NULL, version INTEGER NOT NULL, account_no INTEGER NOT NULL, project_no INTEGER,
    monthly_usd TEXT NOT NULL, thresholds TEXT NOT NULL, zone TEXT NOT NULL, sealed_address TEXT,
    set_at TEXT NOT NULL, ended_at TEXT,
    PRIMARY KEY (budget_no, version)) STRICT;
CREATE UNIQUE INDEX budget_scope ON budget (account_no, coalesce(project_no, 0)) WHERE ended_at IS NULL;
CREATE TABLE mail (
    mail_no INTEGER PRIMARY KEY AUTOINCREMENT, account_no INTEGER NOT NULL,
    class TEXT NOT NULL CHECK (class IN ('budget', 'balance', 'security', 'policy', 'account')),
    message_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'dead', 'withdrawn')),
    queued_at TEXT NOT NULL, next_at TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    lease_no INTEGER NOT NULL DEFAULT 0, leased_until TEXT, handed_at TEXT,
    may_repeat INTEGER NOT NULL DEFAULT 0, reason TEXT, unreachable INTEGER NOT NULL DEFAULT 0,
    ended_at TEXT) STRICT;
CREATE INDEX mail_due ON mail (next_at) WHERE state IN ('queued', 'sending');
CREATE TABLE alert (
    account_no INTEGER NOT NULL, budget_no INTEGER NOT NULL, budget_version INTEGER NOT NULL,
    period_start_utc TEXT NOT NULL, threshold_percent INTEGER NOT NULL, spent_usd TEXT NOT NULL,
    unpriced_requests INTEGER NOT NULL, published_version INTEGER NOT NULL, crossed_at TEXT NOT NULL,
    mail_no INTEGER NOT NULL REFERENCES mail (mail_no) ON DELETE CASCADE,
    PRIMARY KEY (account_no, budget_no, budget_version, period_start_utc, threshold_percent),
    FOREIGN KEY (budget_no, budget_version) REFERENCES budget (budget_no, version) ON DELETE CASCADE) STRICT;
CREATE INDEX alert_mail ON alert (mail_no);
