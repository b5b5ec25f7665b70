CREATE TABLE disclosure (
    disclosure_no INTEGER PRIMARY KEY AUTOINCREMENT, account_no INTEGER,
    ground TEXT NOT NULL CHECK (ground IN ('law', 'safety', 'merger', 'consent')),
    sealed_reason TEXT NOT NULL, recipient TEXT NOT NULL, asked_by INTEGER NOT NULL, asked_at TEXT NOT NULL,
    approved_by INTEGER CHECK (approved_by <> asked_by), approved_at TEXT, made_at TEXT) STRICT;
