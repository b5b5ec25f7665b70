CREATE TABLE audit (
    audit_no INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, act TEXT NOT NULL, actor_no INTEGER,
    object_no INTEGER, detail TEXT NOT NULL, chain TEXT NOT NULL) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE TABLE self_audit (
    ran_at TEXT NOT NULL, name TEXT NOT NULL, wrong INTEGER NOT NULL, audit_no INTEGER NOT NULL,
    PRIMARY KEY (ran_at, name)) STRICT;
