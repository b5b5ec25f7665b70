"""The later tables of people in the control store: what they accepted, and the letters they wait for."""

MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "m018_policy_acceptance",
        """
        CREATE TABLE policy_text (
            text_no INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, sha256 TEXT NOT NULL,
            is_material INTEGER NOT NULL, changed TEXT NOT NULL, noted_at TEXT NOT NULL) STRICT;
        CREATE TABLE acceptance (
            member_no INTEGER NOT NULL REFERENCES member (member_no) ON DELETE CASCADE, account_no INTEGER NOT NULL,
            text_no INTEGER NOT NULL, version TEXT NOT NULL, accepted_at TEXT NOT NULL,
            PRIMARY KEY (member_no, text_no)) STRICT;
        INSERT INTO acceptance SELECT member_no, account_no, 0, policy_version, created_at FROM member;
        """,
    ),
    (
        "m019_letters_and_protection",
        """
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
        """,
    ),
)
