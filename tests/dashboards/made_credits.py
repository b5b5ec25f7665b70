"""Made-up credits for the pages: an account well off, one below its line, and what moved both day by day."""

TABLES = """
CREATE TABLE mart.credit_account (account VARCHAR, balance_usd DECIMAL(38,12), is_prepaid BOOLEAN, prepaid_from DATE,
    factor DECIMAL(8,6), low_usd DECIMAL(38,12), lifetime_usd DECIMAL(38,12), tier VARCHAR, next_tier VARCHAR,
    missing_usd DECIMAL(38,12), unpriced_requests BIGINT);
CREATE TABLE mart.credit_daily (day DATE, account VARCHAR, kind VARCHAR, provider VARCHAR, model VARCHAR,
    amount_usd DECIMAL(38,12), entries BIGINT);
CREATE TABLE model.unclaimed_payment (day DATE, kind VARCHAR, customer_no BIGINT, amount_minor BIGINT, currency VARCHAR,
    reason VARCHAR);
CREATE TABLE mart.credit_balance (day DATE, account VARCHAR, moved_usd DECIMAL(38,12), balance_usd DECIMAL(38,12));
"""
ROWS = """
INSERT INTO mart.credit_daily
SELECT $until::DATE - n::INTEGER, account, 'deduction', 'openai', 'canary-' || account || '-model' || part,
    -0.25 * weight * part, 1
FROM range(40) AS days(n), range(1, 11) AS parts(part), (VALUES ('Acme', 1), ('Beta GmbH', 2)) AS a(account, weight);
INSERT INTO mart.credit_daily
SELECT $until::DATE - 40, account, kind, NULL, NULL, amount, 1
FROM (VALUES ('Acme', 'top_up', 1000.0), ('Acme', 'refund', -150.0), ('Beta GmbH', 'top_up', 1100.0))
    AS paid(account, kind, amount);
INSERT INTO mart.credit_balance
SELECT day, account, sum(amount_usd), sum(sum(amount_usd)) OVER (PARTITION BY account ORDER BY day)
FROM mart.credit_daily GROUP BY day, account;
INSERT INTO model.unclaimed_payment VALUES ($until::DATE, 'top_up', 4242, 2550, 'USD', 'unclaimed'),
    ($until::DATE - 1, 'refund', NULL, -900, 'EUR', 'currency');
INSERT INTO mart.credit_account
SELECT account, sum(amount_usd), true, $until::DATE - 40, CASE WHEN account = 'Acme' THEN 1.2 ELSE 1 END,
    CASE WHEN account = 'Acme' THEN 20 ELSE 50 END, coalesce(sum(amount_usd) FILTER (kind <> 'deduction'), 0),
    'canary-' || account || '-tier', CASE WHEN account = 'Acme' THEN '<b>Scale</b>' END,
    CASE WHEN account = 'Acme' THEN 150 ELSE 0 END, CASE WHEN account = 'Acme' THEN 1 ELSE 0 END
FROM mart.credit_daily GROUP BY account;
"""
