ALTER TABLE connection ADD COLUMN source TEXT NOT NULL DEFAULT '';
UPDATE connection SET source = provider;
