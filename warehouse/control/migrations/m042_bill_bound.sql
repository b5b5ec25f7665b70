CREATE TABLE billed_organisation (
    connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
    lookup BLOB NOT NULL, told_at TEXT NOT NULL, PRIMARY KEY (connection_no, lookup)) STRICT;
CREATE TABLE bill_bound (
    connection_no INTEGER PRIMARY KEY REFERENCES connection (connection_no) ON DELETE CASCADE,
    lands_from TEXT NOT NULL, refused_days INTEGER NOT NULL) STRICT;
