CREATE TABLE watched (
    place TEXT NOT NULL, lookup BLOB NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL,
    read_to INTEGER NOT NULL, tail BLOB, carried TEXT, seen_on TEXT NOT NULL,
    PRIMARY KEY (place, lookup)) STRICT, WITHOUT ROWID;
