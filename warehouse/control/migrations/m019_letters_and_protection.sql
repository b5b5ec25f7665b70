CREATE TABLE letter (
    mail_no INTEGER PRIMARY KEY REFERENCES mail (mail_no) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('reset', 'invitation', 'address', 'address_changed',
        'password_changed')),
    account_no INTEGER, member_no INTEGER, lookup BLOB, sealed_email TEXT, role TEXT, projects TEXT,
    asked_at TEXT NOT NULL) STRICT;
CREATE TABLE ticket_anew (
    lookup BLOB PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('link', 'reset', 'invitation', 'address')),
    account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
    member_no INTEGER REFERENCES member (member_no) ON DELETE CASCADE,
    sealed_email TEXT, role TEXT, projects TEXT,
    made_at TEXT NOT NULL, expires_at TEXT NOT NULL, used_at TEXT) STRICT;
INSERT INTO ticket_anew SELECT * FROM ticket;
DROP TABLE ticket;
ALTER TABLE ticket_anew RENAME TO ticket;
CREATE TABLE auditor (
    member_no INTEGER PRIMARY KEY REFERENCES member (member_no) ON DELETE CASCADE,
    named_at TEXT NOT NULL) STRICT;
CREATE TABLE look (
    look_no INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('on', 'off', 'auditor', 'detail')), member_no INTEGER,
    sealed_reason TEXT NOT NULL, looked_at TEXT NOT NULL) STRICT;
