ALTER TABLE connection ADD COLUMN used_key BLOB;
ALTER TABLE connection ADD COLUMN used_since TEXT;
ALTER TABLE connection ADD COLUMN skipped TEXT;
ALTER TABLE connection ADD COLUMN skipped_since TEXT;
CREATE TABLE refusal (
    mail_no INTEGER PRIMARY KEY REFERENCES mail (mail_no) ON DELETE CASCADE,
    connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
    refused_at TEXT NOT NULL, read_until TEXT) STRICT;
CREATE INDEX refusal_connection ON refusal (connection_no);
