ALTER TABLE erasure ADD COLUMN subject TEXT NOT NULL DEFAULT 'account'
    CHECK (subject IN ('account', 'member', 'user', 'end_user'));
UPDATE erasure SET subject = kind;
ALTER TABLE erasure DROP COLUMN kind;
ALTER TABLE erasure RENAME COLUMN subject TO kind;
DELETE FROM known_place;
DELETE FROM throttle;
ALTER TABLE known_place ADD COLUMN member_no INTEGER REFERENCES member (member_no) ON DELETE CASCADE;
ALTER TABLE throttle ADD COLUMN member_no INTEGER REFERENCES member (member_no) ON DELETE CASCADE;
CREATE INDEX known_place_member ON known_place (member_no);
CREATE INDEX throttle_member ON throttle (member_no);
