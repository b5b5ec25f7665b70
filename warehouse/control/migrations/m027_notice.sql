CREATE TABLE notice (
    mail_no INTEGER PRIMARY KEY REFERENCES mail (mail_no) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('sign_in', 'failed_sign_ins', 'password_changed', 'address_changed',
        'key_added', 'key_replaced', 'key_removed', 'policy_changed', 'account_idle', 'request_answered')),
    account_no INTEGER NOT NULL, member_no INTEGER NOT NULL REFERENCES member (member_no) ON DELETE CASCADE,
    sealed_email TEXT, about_no INTEGER, happened_at TEXT NOT NULL) STRICT;
CREATE INDEX notice_member ON notice (member_no);
CREATE TABLE told (
    member_no INTEGER NOT NULL REFERENCES member (member_no) ON DELETE CASCADE, account_no INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('failed_sign_ins', 'policy_changed', 'account_idle')),
    about_no INTEGER NOT NULL, queued_at TEXT NOT NULL, lasts_until TEXT, sent_at TEXT,
    PRIMARY KEY (member_no, kind, about_no)) STRICT;
CREATE TABLE account_use (
    account_no INTEGER PRIMARY KEY REFERENCES account (account_no) ON DELETE CASCADE, used_on TEXT NOT NULL) STRICT;
ALTER TABLE policy_text ADD COLUMN in_force TEXT;
ALTER TABLE policy_text ADD COLUMN holds_on TEXT;
DELETE FROM mail WHERE mail_no IN (
    SELECT mail_no FROM letter WHERE kind IN ('address_changed', 'password_changed'));
