"""The tables of keys to providers' bills and of rules that claim labels, as migrations of the control store."""

CREDENTIAL = """
    CREATE TABLE credential (
        connection_no INTEGER PRIMARY KEY REFERENCES connection (connection_no) ON DELETE CASCADE,
        account_no INTEGER NOT NULL, provider TEXT NOT NULL, label TEXT NOT NULL,
        sealed_key TEXT, hint TEXT, lookup BLOB,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'working', 'refused', 'removed')),
        beyond TEXT, added_at TEXT NOT NULL, checked_at TEXT, removed_at TEXT,
        CHECK ((state = 'removed') = (sealed_key IS NULL)), CHECK ((sealed_key IS NULL) = (lookup IS NULL)),
        UNIQUE (account_no, provider, label)) STRICT;
    CREATE UNIQUE INDEX credential_key ON credential (provider, lookup);
"""

CLAIM_RULE = """
    CREATE TABLE claim_rule (
        pattern TEXT NOT NULL, account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
        set_at TEXT NOT NULL, ended_at TEXT) STRICT;
    CREATE UNIQUE INDEX claim_rule_pattern ON claim_rule (pattern) WHERE ended_at IS NULL;
"""
