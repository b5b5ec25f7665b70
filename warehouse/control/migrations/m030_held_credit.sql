CREATE TABLE held_entry_anew (
    hold_no INTEGER NOT NULL REFERENCES hold (hold_no) ON DELETE CASCADE, account_no INTEGER NOT NULL,
    day TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('log', 'month', 'bill', 'fee', 'invoice', 'top_up', 'refund', 'dispute',
        'deduction', 'adjustment')),
    provider TEXT NOT NULL, number TEXT NOT NULL, requests INTEGER, amount_usd TEXT,
    PRIMARY KEY (hold_no, account_no, day, source, provider, number)) STRICT;
INSERT INTO held_entry_anew SELECT * FROM held_entry;
DROP TABLE held_entry;
ALTER TABLE held_entry_anew RENAME TO held_entry;
