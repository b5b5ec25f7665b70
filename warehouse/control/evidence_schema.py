"""The tables of what can be shown: the audit chain, self-audits, disclosures; migrations of control.sqlite."""

# Never edit a migration that has been released: append the next.
MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "m022_audit",
        """
        CREATE TABLE audit (
            audit_no INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, act TEXT NOT NULL, actor_no INTEGER,
            object_no INTEGER, detail TEXT NOT NULL, chain TEXT NOT NULL) STRICT;
        CREATE INDEX audit_at ON audit (at);
        CREATE TABLE self_audit (
            ran_at TEXT NOT NULL, name TEXT NOT NULL, wrong INTEGER NOT NULL, audit_no INTEGER NOT NULL,
            PRIMARY KEY (ran_at, name)) STRICT;
        """,
    ),
    (
        "m023_disclosure",
        """
        CREATE TABLE disclosure (
            disclosure_no INTEGER PRIMARY KEY AUTOINCREMENT, account_no INTEGER,
            ground TEXT NOT NULL CHECK (ground IN ('law', 'safety', 'merger', 'consent')),
            sealed_reason TEXT NOT NULL, recipient TEXT NOT NULL, asked_by INTEGER NOT NULL, asked_at TEXT NOT NULL,
            approved_by INTEGER CHECK (approved_by <> asked_by), approved_at TEXT, made_at TEXT) STRICT;
        """,
    ),
)
