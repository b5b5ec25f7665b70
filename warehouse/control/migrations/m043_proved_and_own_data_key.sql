ALTER TABLE session ADD COLUMN proved_at TEXT;
UPDATE session SET proved_at = created_at;
