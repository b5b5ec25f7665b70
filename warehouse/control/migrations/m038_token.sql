CREATE TABLE token (
    token_no INTEGER PRIMARY KEY AUTOINCREMENT,
    account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
    member_no INTEGER NOT NULL REFERENCES member (member_no) ON DELETE CASCADE,
    lookup BLOB NOT NULL UNIQUE, hint TEXT NOT NULL, sealed_name TEXT NOT NULL,
    made_at TEXT NOT NULL, used_on TEXT, expires_at TEXT) STRICT;
CREATE INDEX token_account ON token (account_no);
CREATE INDEX token_member ON token (member_no);
CREATE TABLE pass_end (
    place INTEGER PRIMARY KEY CHECK (place = 1), ended_at TEXT NOT NULL, is_good INTEGER NOT NULL, good_at TEXT) STRICT;
