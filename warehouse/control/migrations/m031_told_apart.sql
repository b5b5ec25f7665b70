CREATE TABLE told_apart (
    label TEXT PRIMARY KEY, part TEXT NOT NULL CHECK (part IN ('team', 'key')), set_at TEXT NOT NULL) STRICT;
