CREATE TABLE upstream_claim (
    claim_no INTEGER PRIMARY KEY AUTOINCREMENT,
    connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
    account_no INTEGER NOT NULL, sealed_pattern TEXT NOT NULL, letters INTEGER NOT NULL, gateway TEXT,
    first_day TEXT NOT NULL, last_day TEXT NOT NULL, claimed_at TEXT NOT NULL,
    CHECK (first_day <= last_day)) STRICT;
CREATE TABLE upstream_fit (
    claim_no INTEGER NOT NULL REFERENCES upstream_claim (claim_no) ON DELETE CASCADE,
    upstream_no INTEGER NOT NULL, account_no INTEGER NOT NULL, PRIMARY KEY (claim_no, upstream_no)) STRICT;
CREATE TABLE upstream_seen (
    upstream_no INTEGER PRIMARY KEY, account_no INTEGER NOT NULL, claim_no INTEGER NOT NULL) STRICT;
