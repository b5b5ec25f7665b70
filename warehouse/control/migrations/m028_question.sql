CREATE TABLE rights_request_anew (
    request_no INTEGER PRIMARY KEY AUTOINCREMENT, account_no INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'rectification', 'erasure', 'restriction', 'objection', 'withdrawal',
        'question')),
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'refused')),
    asked_at TEXT NOT NULL, due_on TEXT NOT NULL, ended_at TEXT, sealed_note TEXT, sealed_answer TEXT,
    member_no INTEGER REFERENCES member (member_no) ON DELETE CASCADE) STRICT;
INSERT INTO rights_request_anew SELECT *, NULL FROM rights_request;
INSERT INTO sqlite_sequence SELECT 'rights_request_anew', 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'rights_request_anew');
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'rights_request')
    WHERE name = 'rights_request_anew' AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'rights_request');
DROP TABLE rights_request;
ALTER TABLE rights_request_anew RENAME TO rights_request;
CREATE INDEX rights_request_account ON rights_request (account_no);
CREATE INDEX rights_request_member ON rights_request (member_no);
