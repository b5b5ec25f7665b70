CREATE TABLE closed_day (
    gateway TEXT NOT NULL, day TEXT NOT NULL, closed_at TEXT NOT NULL, PRIMARY KEY (gateway, day)) STRICT;
CREATE TABLE expiry (
    expiry_no INTEGER PRIMARY KEY AUTOINCREMENT, ran_at TEXT NOT NULL, clause TEXT NOT NULL,
    place TEXT NOT NULL, things INTEGER NOT NULL, first_day TEXT, last_day TEXT,
    digest TEXT NOT NULL, chain TEXT NOT NULL) STRICT;
CREATE INDEX expiry_ran_at ON expiry (ran_at);
ALTER TABLE load ADD COLUMN late_rows INTEGER NOT NULL DEFAULT 0;
