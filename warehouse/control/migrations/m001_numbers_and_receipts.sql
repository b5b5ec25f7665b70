CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE data_key (
    account_no INTEGER PRIMARY KEY, wrapped TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
CREATE TABLE outside_id (
    no INTEGER PRIMARY KEY, kind TEXT NOT NULL, gateway TEXT NOT NULL, account_no INTEGER NOT NULL,
    lookup BLOB NOT NULL, sealed TEXT NOT NULL, first_seen_at TEXT NOT NULL,
    UNIQUE (kind, lookup)) STRICT;
CREATE INDEX outside_id_account ON outside_id (account_no);
CREATE TABLE label (
    no INTEGER NOT NULL, label TEXT NOT NULL, valid_from TEXT NOT NULL, valid_to TEXT,
    PRIMARY KEY (no, valid_from)) STRICT;
CREATE TABLE client (
    client_no INTEGER PRIMARY KEY, day TEXT NOT NULL, account_no INTEGER NOT NULL,
    lookup BLOB NOT NULL UNIQUE, sealed_ip TEXT, sealed_user_agent TEXT) STRICT;
CREATE INDEX client_day ON client (day);
CREATE TABLE load (
    load_no INTEGER PRIMARY KEY AUTOINCREMENT, gateway TEXT NOT NULL,
    file_sha256 BLOB NOT NULL, file_bytes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('begun', 'landed')), begun_at TEXT NOT NULL, landed_at TEXT,
    rows INTEGER, quarantined INTEGER, first_at TEXT, last_at TEXT, input_tokens INTEGER, output_tokens INTEGER,
    logged_cost_usd TEXT) STRICT;
CREATE UNIQUE INDEX load_file ON load (gateway, file_sha256) WHERE state = 'landed';
CREATE TABLE load_day (
    load_no INTEGER NOT NULL REFERENCES load (load_no) ON DELETE CASCADE, day TEXT NOT NULL,
    rows INTEGER NOT NULL, PRIMARY KEY (load_no, day)) STRICT;
CREATE TABLE quarantine (
    file_sha256 BLOB NOT NULL, line_no INTEGER NOT NULL, gateway TEXT NOT NULL, bytes INTEGER NOT NULL,
    reason TEXT NOT NULL, seen_at TEXT NOT NULL, PRIMARY KEY (file_sha256, line_no)) STRICT;
CREATE TABLE odd_key (
    gateway TEXT NOT NULL, name TEXT NOT NULL, lines INTEGER NOT NULL, PRIMARY KEY (gateway, name)) STRICT;
