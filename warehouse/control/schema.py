"""The tables of control.sqlite as numbered migrations: each runs once, in order, after a copy of what was there."""

import sqlite3

from warehouse.control import hold_tables, right_tables
from warehouse.errors import WarehouseError
from warehouse.home import Home

# Never edit a migration that has been released: append the next.
MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "m001_numbers_and_receipts",
        """
        CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
        CREATE TABLE data_key (
            account_no INTEGER PRIMARY KEY, wrapped TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
        CREATE TABLE outside_id (
            no INTEGER PRIMARY KEY, kind TEXT NOT NULL, gateway TEXT NOT NULL, account_no INTEGER NOT NULL,
            lookup BLOB NOT NULL, sealed TEXT NOT NULL, first_seen_at TEXT NOT NULL,
            UNIQUE (kind, lookup)) STRICT;
        CREATE INDEX outside_id_account ON outside_id (account_no);
        CREATE TABLE label (
            no INTEGER NOT NULL, label TEXT NOT NULL, valid_from TEXT NOT NULL, valid_to TEXT,
            PRIMARY KEY (no, valid_from)) STRICT;
        CREATE TABLE client (
            client_no INTEGER PRIMARY KEY, day TEXT NOT NULL, account_no INTEGER NOT NULL,
            lookup BLOB NOT NULL UNIQUE, sealed_ip TEXT, sealed_user_agent TEXT) STRICT;
        CREATE INDEX client_day ON client (day);
        CREATE TABLE load (
            load_no INTEGER PRIMARY KEY AUTOINCREMENT, gateway TEXT NOT NULL,
            file_sha256 BLOB NOT NULL, file_bytes INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('begun', 'landed')), begun_at TEXT NOT NULL, landed_at TEXT,
            rows INTEGER, quarantined INTEGER, first_at TEXT, last_at TEXT, input_tokens INTEGER, output_tokens INTEGER,
            logged_cost_usd TEXT) STRICT;
        CREATE UNIQUE INDEX load_file ON load (gateway, file_sha256) WHERE state = 'landed';
        CREATE TABLE load_day (
            load_no INTEGER NOT NULL REFERENCES load (load_no) ON DELETE CASCADE, day TEXT NOT NULL,
            rows INTEGER NOT NULL, PRIMARY KEY (load_no, day)) STRICT;
        CREATE TABLE quarantine (
            file_sha256 BLOB NOT NULL, line_no INTEGER NOT NULL, gateway TEXT NOT NULL, bytes INTEGER NOT NULL,
            reason TEXT NOT NULL, seen_at TEXT NOT NULL, PRIMARY KEY (file_sha256, line_no)) STRICT;
        CREATE TABLE odd_key (
            gateway TEXT NOT NULL, name TEXT NOT NULL, lines INTEGER NOT NULL, PRIMARY KEY (gateway, name)) STRICT;
        """,
    ),
    (
        "m002_connections",
        """
        CREATE TABLE connection (
            connection_no INTEGER PRIMARY KEY, provider TEXT NOT NULL, account_no INTEGER NOT NULL,
            is_operator INTEGER NOT NULL, created_at TEXT NOT NULL, read_until TEXT,
            refused_key BLOB, refused_at TEXT) STRICT;
        CREATE TABLE pull (
            pull_no INTEGER PRIMARY KEY AUTOINCREMENT,
            connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
            begun_at TEXT NOT NULL, completed_at TEXT) STRICT;
        CREATE TABLE report_day (
            connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
            report TEXT NOT NULL, day TEXT NOT NULL, pull_no INTEGER NOT NULL REFERENCES pull (pull_no),
            rows INTEGER NOT NULL, sha256 BLOB NOT NULL, read_on TEXT NOT NULL,
            PRIMARY KEY (connection_no, report, day)) STRICT;
        """,
    ),
    (
        "m003_retention",
        """
        CREATE TABLE closed_day (
            gateway TEXT NOT NULL, day TEXT NOT NULL, closed_at TEXT NOT NULL, PRIMARY KEY (gateway, day)) STRICT;
        CREATE TABLE expiry (
            expiry_no INTEGER PRIMARY KEY AUTOINCREMENT, ran_at TEXT NOT NULL, clause TEXT NOT NULL,
            place TEXT NOT NULL, things INTEGER NOT NULL, first_day TEXT, last_day TEXT,
            digest TEXT NOT NULL, chain TEXT NOT NULL) STRICT;
        CREATE INDEX expiry_ran_at ON expiry (ran_at);
        ALTER TABLE load ADD COLUMN late_rows INTEGER NOT NULL DEFAULT 0;
        """,
    ),
    (
        "m004_budgets",
        """
        CREATE TABLE budget (
            budget_no INTEGER NOT NULL, version INTEGER NOT NULL, account_no INTEGER NOT NULL, project_no INTEGER,
            monthly_usd TEXT NOT NULL, thresholds TEXT NOT NULL, zone TEXT NOT NULL, sealed_address TEXT,
            set_at TEXT NOT NULL, ended_at TEXT,
            PRIMARY KEY (budget_no, version)) STRICT;
        CREATE UNIQUE INDEX budget_scope ON budget (account_no, coalesce(project_no, 0)) WHERE ended_at IS NULL;
        CREATE TABLE mail (
            mail_no INTEGER PRIMARY KEY AUTOINCREMENT, account_no INTEGER NOT NULL,
            class TEXT NOT NULL CHECK (class IN ('budget', 'balance', 'security', 'policy', 'account')),
            message_id TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'dead', 'withdrawn')),
            queued_at TEXT NOT NULL, next_at TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
            lease_no INTEGER NOT NULL DEFAULT 0, leased_until TEXT, handed_at TEXT,
            may_repeat INTEGER NOT NULL DEFAULT 0, reason TEXT, unreachable INTEGER NOT NULL DEFAULT 0,
            ended_at TEXT) STRICT;
        CREATE INDEX mail_due ON mail (next_at) WHERE state IN ('queued', 'sending');
        CREATE TABLE alert (
            account_no INTEGER NOT NULL, budget_no INTEGER NOT NULL, budget_version INTEGER NOT NULL,
            period_start_utc TEXT NOT NULL, threshold_percent INTEGER NOT NULL, spent_usd TEXT NOT NULL,
            unpriced_requests INTEGER NOT NULL, published_version INTEGER NOT NULL, crossed_at TEXT NOT NULL,
            mail_no INTEGER NOT NULL REFERENCES mail (mail_no) ON DELETE CASCADE,
            PRIMARY KEY (account_no, budget_no, budget_version, period_start_utc, threshold_percent),
            FOREIGN KEY (budget_no, budget_version) REFERENCES budget (budget_no, version) ON DELETE CASCADE) STRICT;
        CREATE INDEX alert_mail ON alert (mail_no);
        """,
    ),
    (
        "m005_sources",
        """
        ALTER TABLE connection ADD COLUMN source TEXT NOT NULL DEFAULT '';
        UPDATE connection SET source = provider;
        """,
    ),
    (
        "m006_security_mail",
        """
        ALTER TABLE connection ADD COLUMN used_key BLOB;
        ALTER TABLE connection ADD COLUMN used_since TEXT;
        ALTER TABLE connection ADD COLUMN skipped TEXT;
        ALTER TABLE connection ADD COLUMN skipped_since TEXT;
        CREATE TABLE refusal (
            mail_no INTEGER PRIMARY KEY REFERENCES mail (mail_no) ON DELETE CASCADE,
            connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
            refused_at TEXT NOT NULL, read_until TEXT) STRICT;
        CREATE INDEX refusal_connection ON refusal (connection_no);
        """,
    ),
    (
        "m008_cloud_bills",
        """
        ALTER TABLE connection ADD COLUMN payer_no INTEGER;
        CREATE TABLE bill_file (
            source TEXT NOT NULL, sha256 BLOB NOT NULL, taken_at TEXT NOT NULL, charges INTEGER NOT NULL,
            left_out INTEGER NOT NULL, quarantined INTEGER NOT NULL, PRIMARY KEY (source, sha256)) STRICT;
        CREATE TABLE bill_cursor (
            source TEXT NOT NULL, place BLOB NOT NULL, first_day TEXT NOT NULL, read_to TEXT NOT NULL,
            PRIMARY KEY (source, place)) STRICT;
        """,
    ),
    (
        "m009_coverage",
        """
        ALTER TABLE connection ADD COLUMN dialect TEXT;
        CREATE TABLE coverage (
            connection_no INTEGER NOT NULL REFERENCES connection (connection_no) ON DELETE CASCADE,
            topic TEXT NOT NULL, note TEXT NOT NULL, noted_at TEXT NOT NULL,
            PRIMARY KEY (connection_no, topic)) STRICT;
        """,
    ),
    (
        "m010_watched_files",
        """
        CREATE TABLE watched (
            place TEXT NOT NULL, lookup BLOB NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL,
            read_to INTEGER NOT NULL, tail BLOB, carried TEXT, seen_on TEXT NOT NULL,
            PRIMARY KEY (place, lookup)) STRICT, WITHOUT ROWID;
        """,
    ),
    (
        "m011_invoices",
        """
        CREATE TABLE plan (
            plan_no INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, provider TEXT NOT NULL,
            account_no INTEGER NOT NULL, covers_account TEXT, monthly_usd TEXT NOT NULL, seats INTEGER NOT NULL,
            starts_on TEXT NOT NULL, ends_on TEXT, covers TEXT NOT NULL, added_at TEXT NOT NULL) STRICT;
        CREATE TABLE invoice (
            provider TEXT NOT NULL, number TEXT NOT NULL, account_no INTEGER NOT NULL, period_start TEXT NOT NULL,
            period_end TEXT NOT NULL, amount_usd TEXT NOT NULL, tax_usd TEXT, credits_usd TEXT, plan TEXT,
            added_at TEXT NOT NULL, PRIMARY KEY (provider, number)) STRICT;
        CREATE TABLE month_close (
            month TEXT PRIMARY KEY, closed_at TEXT NOT NULL, manifest_sha256 TEXT NOT NULL) STRICT;
        """,
    ),
    (
        "m012_zone",
        """
        CREATE TABLE zone (account_no INTEGER PRIMARY KEY, zone TEXT NOT NULL, set_at TEXT NOT NULL) STRICT;
        """,
    ),
    (
        "m013_members",
        """
        CREATE TABLE account (
            account_no INTEGER PRIMARY KEY, is_operator INTEGER NOT NULL, created_at TEXT NOT NULL) STRICT;
        CREATE UNIQUE INDEX account_operator ON account (is_operator) WHERE is_operator = 1;
        CREATE TABLE member (
            member_no INTEGER PRIMARY KEY,
            account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('owner', 'editor', 'viewer')), projects TEXT,
            lookup BLOB UNIQUE, sealed_email TEXT, password_hash TEXT,
            policy_version TEXT NOT NULL, is_of_age INTEGER NOT NULL, created_at TEXT NOT NULL) STRICT;
        CREATE INDEX member_account ON member (account_no);
        CREATE TABLE session (
            lookup BLOB PRIMARY KEY, member_no INTEGER NOT NULL REFERENCES member (member_no) ON DELETE CASCADE,
            created_at TEXT NOT NULL, seen_at TEXT NOT NULL, idle_until TEXT NOT NULL, ends_at TEXT NOT NULL,
            ended_at TEXT, opened_account_no INTEGER) STRICT;
        CREATE INDEX session_member ON session (member_no);
        CREATE TABLE ticket (
            lookup BLOB PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('link', 'reset', 'invitation')),
            account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
            member_no INTEGER REFERENCES member (member_no) ON DELETE CASCADE,
            sealed_email TEXT, role TEXT, projects TEXT,
            made_at TEXT NOT NULL, expires_at TEXT NOT NULL, used_at TEXT) STRICT;
        CREATE TABLE throttle (
            lookup BLOB PRIMARY KEY, failures INTEGER NOT NULL, last_at TEXT NOT NULL) STRICT;
        CREATE TABLE known_place (lookup BLOB PRIMARY KEY, seen_at TEXT NOT NULL) STRICT;
        CREATE TABLE claim (
            label TEXT NOT NULL, account_no INTEGER NOT NULL REFERENCES account (account_no) ON DELETE CASCADE,
            claimed_at TEXT NOT NULL, ended_at TEXT) STRICT;
        CREATE UNIQUE INDEX claim_label ON claim (label) WHERE ended_at IS NULL;
        CREATE TABLE opening (
            opening_no INTEGER PRIMARY KEY AUTOINCREMENT, member_no INTEGER NOT NULL, account_no INTEGER NOT NULL,
            sealed_reason TEXT NOT NULL, opened_at TEXT NOT NULL, closed_at TEXT) STRICT;
        """,
    ),
    (
        "m014_erasure",
        """
        CREATE TABLE erasure (
            erasure_no INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL CHECK (kind IN ('account', 'user', 'end_user')),
            step TEXT NOT NULL CHECK (step IN ('begun', 'deleted', 'published', 'done')),
            begun_at TEXT NOT NULL, done_at TEXT, counts TEXT NOT NULL, sealed TEXT) STRICT;
        CREATE TABLE erasure_receipt (
            receipt_no INTEGER PRIMARY KEY AUTOINCREMENT,
            erasure_no INTEGER NOT NULL REFERENCES erasure (erasure_no), receipt TEXT NOT NULL,
            chain TEXT NOT NULL) STRICT;
        CREATE INDEX erasure_pending ON erasure (erasure_no) WHERE step <> 'done';
        CREATE TABLE tombstone (
            number INTEGER PRIMARY KEY, kind TEXT NOT NULL, gateway TEXT NOT NULL, lookup BLOB NOT NULL,
            erased_at TEXT NOT NULL,
            erasure_no INTEGER NOT NULL REFERENCES erasure (erasure_no)) STRICT;
        CREATE INDEX tombstone_lookup ON tombstone (kind, lookup);
        CREATE TABLE erased_load (
            erasure_no INTEGER NOT NULL REFERENCES erasure (erasure_no), load_no INTEGER NOT NULL, day TEXT NOT NULL,
            rows INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
            logged_cost_usd TEXT NOT NULL, PRIMARY KEY (erasure_no, load_no, day)) STRICT;
        """,
    ),
    ("m024_hold", hold_tables.MIGRATION),
    ("m020_right", right_tables.SCRIPT),
)


def apply(connection: sqlite3.Connection, home: Home) -> list[str]:
    """Bring the store to the newest form; returns the names of the migrations that ran now.

    A store with rows is copied beside itself first, so that `git pull && make up` can be taken back. A store newer
    than this program is refused.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY) STRICT")
    done = {name for (name,) in connection.execute("SELECT name FROM migration")}
    known = [name for name, _ in MIGRATIONS]
    if unknown := done - set(known):
        raise WarehouseError(
            f"{home.control_file} was written by a newer apiledger ({max(unknown)}): update the program"
        )
    due = [(name, script) for name, script in MIGRATIONS if name not in done]
    if not due:
        return []
    if done:
        target = home.control_file.with_name(f"control.before-{due[0][0]}.sqlite")
        target.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(target),))
        target.chmod(0o600)
    ran = []
    for name, script in due:
        # One transaction a migration, under the write lock: a kill in the middle leaves it undone as a whole, and of
        # two programs that start at once the second finds it done.
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not connection.execute("SELECT 1 FROM migration WHERE name = ?", (name,)).fetchone():
                for statement in filter(None, (part.strip() for part in script.split(";"))):
                    connection.execute(statement)
                connection.execute("INSERT INTO migration VALUES (?)", (name,))
                ran.append(name)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return ran
