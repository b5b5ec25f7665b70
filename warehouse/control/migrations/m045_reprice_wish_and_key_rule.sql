CREATE TABLE reprice_wish (
    wish_no INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, first_day TEXT NOT NULL,
    asked_at TEXT NOT NULL) STRICT;
CREATE TABLE key_rule (
    rule_no INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, pattern TEXT NOT NULL, project TEXT NOT NULL,
    first_day TEXT NOT NULL, last_day TEXT, set_at TEXT NOT NULL, CHECK (first_day <= last_day)) STRICT;
