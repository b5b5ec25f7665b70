CREATE TABLE policy_text (
    text_no INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, sha256 TEXT NOT NULL,
    is_material INTEGER NOT NULL, changed TEXT NOT NULL, noted_at TEXT NOT NULL) STRICT;
CREATE TABLE acceptance (
    member_no INTEGER NOT NULL REFERENCES member (member_no) ON DELETE CASCADE, account_no INTEGER NOT NULL,
    text_no INTEGER NOT NULL, version TEXT NOT NULL, accepted_at TEXT NOT NULL,
    PRIMARY KEY (member_no, text_no)) STRICT;
INSERT INTO acceptance SELECT member_no, account_no, 0, policy_version, created_at FROM member;
