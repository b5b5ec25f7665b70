CREATE TABLE reprice_wish (
    wish_no INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, first_day TEXT NOT NULL,
    asked_at TEXT NOT NULL) STRICT;
CREATE TABLE key_rule (
    rule_no INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, pattern TEXT NOT NULL, project TEXT NOT NULL,
    first_day TEXT NOT NULL, last_day TEXT, set_at TEXT NOT NULL, CHECK (first_day <= last_day)) STRICT;
CREATE TABLE pass_run (
    run_no INTEGER PRIMARY KEY AUTOINCREMENT, begun_at TEXT, ended_at TEXT NOT NULL, is_good INTEGER NOT NULL,
    files INTEGER NOT NULL, rows INTEGER NOT NULL, quarantined INTEGER NOT NULL, pulls INTEGER NOT NULL,
    newest_load INTEGER NOT NULL, newest_pull INTEGER NOT NULL) STRICT;
