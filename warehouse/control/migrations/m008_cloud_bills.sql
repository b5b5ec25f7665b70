ALTER TABLE connection ADD COLUMN payer_no INTEGER;
CREATE TABLE bill_file (
    source TEXT NOT NULL, sha256 BLOB NOT NULL, taken_at TEXT NOT NULL, charges INTEGER NOT NULL,
    left_out INTEGER NOT NULL, quarantined INTEGER NOT NULL, PRIMARY KEY (source, sha256)) STRICT;
CREATE TABLE bill_cursor (
    source TEXT NOT NULL, place BLOB NOT NULL, first_day TEXT NOT NULL, read_to TEXT NOT NULL,
    PRIMARY KEY (source, place)) STRICT;
