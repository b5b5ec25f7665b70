CREATE TABLE erasure (
    erasure_no INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('account', 'user', 'end_user')),
    step TEXT NOT NULL CHECK (step IN ('begun', 'deleted', 'published', 'done')),
    begun_at TEXT NOT NULL, done_at TEXT, counts TEXT NOT NULL, sealed TEXT) STRICT;
CREATE TABLE erasure_receipt (
    receipt_no INTEGER PRIMARY KEY AUTOINCREMENT,
    erasure_no INTEGER NOT NULL REFERENCES erasure (erasure_no), receipt TEXT NOT NULL,
    chain TEXT NOT NULL) STRICT;
CREATE INDEX erasure_pending ON erasure (erasure_no) WHERE step <> 'done';
CREATE TABLE tombstone (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, gateway TEXT NOT NULL, lookup BLOB NOT NULL,
    erased_at TEXT NOT NULL,
    erasure_no INTEGER NOT NULL REFERENCES erasure (erasure_no)) STRICT;
CREATE INDEX tombstone_lookup ON tombstone (kind, lookup);
CREATE TABLE erased_load (
    erasure_no INTEGER NOT NULL REFERENCES erasure (erasure_no), load_no INTEGER NOT NULL, day TEXT NOT NULL,
    rows INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    logged_cost_usd TEXT NOT NULL, PRIMARY KEY (erasure_no, load_no, day)) STRICT;
