ALTER TABLE session ADD COLUMN proved_at TEXT;
UPDATE session SET proved_at = created_at;
ALTER TABLE credential ADD COLUMN sealed_data_key TEXT CHECK (sealed_data_key IS NULL OR state <> 'removed');
ALTER TABLE rights_request ADD COLUMN subject TEXT CHECK (subject IN ('member', 'user', 'end_user'));
ALTER TABLE rights_request ADD COLUMN sealed_wish TEXT;
