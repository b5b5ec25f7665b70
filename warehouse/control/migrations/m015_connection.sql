CREATE TABLE credential (
    connection_no INTEGER PRIMARY KEY REFERENCES connection (connection_no) ON DELETE CASCADE,
    account_no INTEGER NOT NULL, provider TEXT NOT NULL, label TEXT NOT NULL,
    sealed_key TEXT, hint TEXT, lookup BLOB,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'working', 'refused', 'removed')),
    beyond TEXT, added_at TEXT NOT NULL, checked_at TEXT, removed_at TEXT,
    CHECK ((state = 'removed') = (sealed_key IS NULL)), CHECK ((sealed_key IS NULL) = (lookup IS NULL)),
    UNIQUE (account_no, provider, label)) STRICT;
CREATE UNIQUE INDEX credential_key ON credential (provider, lookup);
