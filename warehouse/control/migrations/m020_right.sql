CREATE TABLE rights_request (
    request_no INTEGER PRIMARY KEY AUTOINCREMENT, account_no INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'rectification', 'erasure', 'restriction', 'objection', 'withdrawal')),
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'refused')),
    asked_at TEXT NOT NULL, due_on TEXT NOT NULL, ended_at TEXT, sealed_note TEXT, sealed_answer TEXT) STRICT;
CREATE INDEX rights_request_account ON rights_request (account_no);
CREATE TABLE restriction (
    account_no INTEGER PRIMARY KEY, owner_no INTEGER NOT NULL, since TEXT NOT NULL, load_no INTEGER NOT NULL,
    lifted_at TEXT) STRICT;
CREATE TABLE objection (
    account_no INTEGER NOT NULL, purpose TEXT NOT NULL CHECK (purpose IN ('alerts', 'agent_sessions')),
    objected_at TEXT NOT NULL, PRIMARY KEY (account_no, purpose)) STRICT;
CREATE TABLE consent (
    connection_no INTEGER PRIMARY KEY REFERENCES connection (connection_no) ON DELETE CASCADE,
    account_no INTEGER NOT NULL, given_at TEXT, withdrawn_at TEXT) STRICT;
CREATE TABLE rectified (
    no INTEGER NOT NULL, account_no INTEGER NOT NULL, lookup BLOB NOT NULL, rectified_at TEXT NOT NULL,
    PRIMARY KEY (no, lookup)) STRICT;
