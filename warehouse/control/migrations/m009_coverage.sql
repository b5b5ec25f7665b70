ALTER TABLE connection ADD COLUMN dialect TEXT;
CREATE TABLE coverage (
    connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
    topic TEXT NOT NULL, note TEXT NOT NULL, noted_at TEXT NOT NULL,
    PRIMARY KEY (connection_no, topic)) STRICT;
