CREATE TABLE connection (
    connection_no INTEGER PRIMARY KEY, provider TEXT NOT NULL, account_no INTEGER NOT NULL,
    is_operator INTEGER NOT NULL, created_at TEXT NOT NULL, read_until TEXT,
    refused_key BLOB, refused_at TEXT) STRICT;
CREATE TABLE pull (
    pull_no INTEGER PRIMARY KEY AUTOINCREMENT,
    connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
    begun_at TEXT NOT NULL, completed_at TEXT) STRICT;
CREATE TABLE report_day (
    connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
    report TEXT NOT NULL, day TEXT NOT NULL, pull_no INTEGER NOT NULL REFERENCES pull (pull_no),
    rows INTEGER NOT NULL, sha256 BLOB NOT NULL, read_on TEXT NOT NULL,
    PRIMARY KEY (connection_no, report, day)) STRICT;
