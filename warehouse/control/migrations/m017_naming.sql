CREATE TABLE naming (
    no INTEGER NOT NULL, account_no INTEGER NOT NULL, name TEXT, owner TEXT, tags TEXT,
    valid_from TEXT NOT NULL, valid_to TEXT, PRIMARY KEY (no, valid_from)) STRICT;
