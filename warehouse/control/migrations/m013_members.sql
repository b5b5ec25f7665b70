CREATE TABLE account (
    account_no INTEGER PRIMARY KEY, is_operator INTEGER NOT NULL, created_at TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX account_operator ON account (is_operator) WHERE is_operator = 1;
CREATE TABLE member (
    member_no INTEGER PRIMARY KEY,
    account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('owner', 'editor', 'viewer')), projects TEXT,
    lookup BLOB UNIQUE, sealed_email TEXT, password_hash TEXT,
    policy_version TEXT NOT NULL, is_of_age INTEGER NOT NULL, created_at TEXT NOT NULL) STRICT;
CREATE INDEX member_account ON member (account_no);
CREATE TABLE session (
    lookup BLOB PRIMARY KEY, member_no INTEGER NOT NULL REFERENCES member (member_no) ON DELETE CASCADE,
    created_at TEXT NOT NULL, seen_at TEXT NOT NULL, idle_until TEXT NOT NULL, ends_at TEXT NOT NULL,
    ended_at TEXT, opened_account_no INTEGER) STRICT;
CREATE INDEX session_member ON session (member_no);
CREATE TABLE ticket (
    lookup BLOB PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('link', 'reset', 'invitation')),
    account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
    member_no INTEGER REFERENCES member (member_no) ON DELETE CASCADE,
    sealed_email TEXT, role TEXT, projects TEXT,
    made_at TEXT NOT NULL, expires_at TEXT NOT NULL, used_at TEXT) STRICT;
CREATE TABLE throttle (
    lookup BLOB PRIMARY KEY, failures INTEGER NOT NULL, last_at TEXT NOT NULL) STRICT;
CREATE TABLE known_place (lookup BLOB PRIMARY KEY, seen_at TEXT NOT NULL) STRICT;
CREATE TABLE claim (
    label TEXT NOT NULL, account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
    claimed_at TEXT NOT NULL, ended_at TEXT) STRICT;
CREATE UNIQUE INDEX claim_label ON claim (label) WHERE ended_at IS NULL;
CREATE TABLE opening (
    opening_no INTEGER PRIMARY KEY AUTOINCREMENT, member_no INTEGER NOT NULL, account_no INTEGER NOT NULL,
    sealed_reason TEXT NOT NULL, opened_at TEXT NOT NULL, closed_at TEXT) STRICT;
