CREATE TABLE claim_rule (
    pattern TEXT NOT NULL, account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
    set_at TEXT NOT NULL, ended_at TEXT) STRICT;
CREATE UNIQUE INDEX claim_rule_pattern ON claim_rule (pattern) WHERE ended_at IS NULL;
