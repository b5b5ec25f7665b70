"""The tables of holds in control.sqlite: what a hold is of, and what it kept of rows that went."""

MIGRATION = """
CREATE TABLE hold (
    hold_no INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('legal', 'tax', 'dispute')), provider TEXT, invoice TEXT,
    first_day TEXT NOT NULL, last_day TEXT NOT NULL, basis TEXT NOT NULL, reason TEXT NOT NULL,
    begun_at TEXT NOT NULL, expires_on TEXT NOT NULL, ended_at TEXT) STRICT;
CREATE TABLE hold_account (
    hold_no INTEGER NOT NULL REFERENCES hold (hold_no) ON DELETE CASCADE, account_no INTEGER NOT NULL,
    PRIMARY KEY (hold_no, account_no)) STRICT;
CREATE TABLE held_entry (
    hold_no INTEGER NOT NULL REFERENCES hold (hold_no) ON DELETE CASCADE, account_no INTEGER NOT NULL,
    day TEXT NOT NULL, source TEXT NOT NULL CHECK (source IN ('log', 'month', 'bill', 'fee', 'invoice')),
    provider TEXT NOT NULL, number TEXT NOT NULL, requests INTEGER, amount_usd TEXT,
    PRIMARY KEY (hold_no, account_no, day, source, provider, number)) STRICT;
CREATE TABLE held_request (
    hold_no INTEGER NOT NULL REFERENCES hold (hold_no) ON DELETE CASCADE, account_no INTEGER NOT NULL,
    request_no INTEGER NOT NULL, requested_at TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    outcome TEXT NOT NULL, service_tier TEXT, input_tokens INTEGER, output_tokens INTEGER,
    list_cost_usd TEXT, logged_cost_usd TEXT, price_version TEXT, PRIMARY KEY (hold_no, request_no)) STRICT;
"""
