CREATE TABLE credit_terms (
    account_no INTEGER NOT NULL, from_day TEXT NOT NULL, is_prepaid INTEGER NOT NULL, factor TEXT NOT NULL,
    set_at TEXT NOT NULL, PRIMARY KEY (account_no, from_day)) STRICT;
CREATE TABLE credit_tx (
    tx_no INTEGER PRIMARY KEY AUTOINCREMENT, tx_id TEXT NOT NULL UNIQUE, account_no INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('top_up', 'refund', 'dispute', 'deduction', 'adjustment')),
    cause TEXT NOT NULL, day TEXT NOT NULL, provider TEXT, model TEXT, usage_usd TEXT, total_usd TEXT, payment TEXT,
    sealed_reason TEXT, made_at TEXT NOT NULL,
    CHECK ((kind = 'deduction') = (usage_usd IS NOT NULL)), CHECK ((usage_usd IS NULL) = (total_usd IS NULL)),
    UNIQUE (tx_no, account_no)) STRICT;
CREATE INDEX credit_tx_cause ON credit_tx (account_no, cause);
CREATE INDEX credit_tx_kind ON credit_tx (account_no, kind, tx_no);
CREATE TABLE credit_entry (
    tx_no INTEGER NOT NULL, book TEXT NOT NULL CHECK (book IN ('customer', 'stripe', 'usage', 'adjustment')),
    account_no INTEGER NOT NULL, amount_nano INTEGER NOT NULL CHECK (amount_nano <> 0),
    PRIMARY KEY (tx_no, book),
    FOREIGN KEY (tx_no, account_no) REFERENCES credit_tx (tx_no, account_no) DEFERRABLE INITIALLY DEFERRED) STRICT;
CREATE INDEX credit_entry_account ON credit_entry (account_no, book);
CREATE TABLE credit_zero (nano INTEGER PRIMARY KEY CHECK (nano = 0)) STRICT;
INSERT INTO credit_zero VALUES (0);
CREATE TRIGGER credit_zero_stays BEFORE DELETE ON credit_zero BEGIN
    SELECT RAISE(ABORT, 'what a transaction adds up to is nothing');
END;
CREATE TABLE credit_imbalance (
    tx_no INTEGER PRIMARY KEY,
    off_nano INTEGER NOT NULL REFERENCES credit_zero (nano) DEFERRABLE INITIALLY DEFERRED) STRICT;
CREATE TRIGGER credit_entry_made AFTER INSERT ON credit_entry BEGIN
    INSERT INTO credit_imbalance VALUES (NEW.tx_no, NEW.amount_nano)
        ON CONFLICT (tx_no) DO UPDATE SET off_nano = off_nano + excluded.off_nano;
    DELETE FROM credit_imbalance WHERE tx_no = NEW.tx_no AND off_nano = 0;
END;
CREATE TRIGGER credit_entry_gone AFTER DELETE ON credit_entry BEGIN
    INSERT INTO credit_imbalance VALUES (OLD.tx_no, -OLD.amount_nano)
        ON CONFLICT (tx_no) DO UPDATE SET off_nano = off_nano + excluded.off_nano;
    DELETE FROM credit_imbalance WHERE tx_no = OLD.tx_no AND off_nano = 0;
END;
CREATE TRIGGER credit_entry_stays BEFORE DELETE ON credit_entry
    WHEN NOT EXISTS (SELECT 1 FROM tombstone WHERE kind = 'account' AND number = OLD.account_no) BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: an entry goes with its account alone');
END;
CREATE TRIGGER credit_tx_stays BEFORE DELETE ON credit_tx
    WHEN NOT EXISTS (SELECT 1 FROM tombstone WHERE kind = 'account' AND number = OLD.account_no) BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: an entry goes with its account alone');
END;
CREATE TRIGGER credit_entry_same BEFORE UPDATE ON credit_entry BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: a correction is a reversing entry');
END;
CREATE TRIGGER credit_tx_same BEFORE UPDATE ON credit_tx BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: a correction is a reversing entry');
END;
CREATE TRIGGER credit_tx_once BEFORE INSERT ON credit_tx
    WHEN EXISTS (SELECT 1 FROM credit_tx WHERE tx_no = NEW.tx_no OR tx_id = NEW.tx_id) BEGIN
    SELECT RAISE(ABORT, 'that transaction is in the ledger already');
END;
CREATE TRIGGER credit_entry_once BEFORE INSERT ON credit_entry
    WHEN EXISTS (SELECT 1 FROM credit_entry WHERE tx_no = NEW.tx_no AND book = NEW.book) BEGIN
    SELECT RAISE(ABORT, 'that entry is in the ledger already');
END;
CREATE TRIGGER credit_entry_late BEFORE INSERT ON credit_entry
    WHEN EXISTS (SELECT 1 FROM credit_tx AS later WHERE later.tx_no > NEW.tx_no AND later.account_no = NEW.account_no)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: nothing joins a transaction that is not the newest');
END;
CREATE TABLE credit_claim (
    customer_no INTEGER NOT NULL, account_no INTEGER NOT NULL, from_day TEXT NOT NULL, claimed_at TEXT NOT NULL,
    ended_on TEXT, PRIMARY KEY (customer_no, from_day)) STRICT;
CREATE INDEX credit_claim_account ON credit_claim (account_no);
CREATE TABLE credit_watch (
    account_no INTEGER PRIMARY KEY, low_nano INTEGER NOT NULL, rearm_nano INTEGER NOT NULL, sealed_address TEXT,
    is_low INTEGER NOT NULL DEFAULT 0, crossings INTEGER NOT NULL DEFAULT 0, set_at TEXT NOT NULL,
    CHECK (rearm_nano >= low_nano)) STRICT;
CREATE TABLE credit_notice (
    mail_no INTEGER PRIMARY KEY REFERENCES mail (mail_no) ON DELETE CASCADE, account_no INTEGER NOT NULL,
    balance_nano INTEGER NOT NULL, low_nano INTEGER NOT NULL, crossed_at TEXT NOT NULL) STRICT;
