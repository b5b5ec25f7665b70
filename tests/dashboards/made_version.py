"""A made-up published version: tables that stand where the mart views stand, ten weeks of plausible calls.

The rows are a pure function of `until`, so that a test can sum them by itself.
"""

from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from tests.dashboards import made_credits
from warehouse.home import Home

SCRIPT_NAME = "<script>document.title='taken'</script>"
LATEX_NAME = "$x^2$ and ![a](http://203.0.113.9/a.png)"
FORMULA_KEY = '=HYPERLINK("http://203.0.113.9","x")'

_SPEND = """
    account VARCHAR, project VARCHAR, team VARCHAR, key_label VARCHAR, provider VARCHAR, model VARCHAR,
    requests BIGINT, error_requests BIGINT, input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT,
    cost_usd DECIMAL(38,12), unpriced_requests BIGINT, basis VARCHAR, settlement VARCHAR
"""
_TABLES = f"""
CREATE SCHEMA mart;
CREATE TABLE mart.spend_hourly (hour TIMESTAMP, {_SPEND});
CREATE TABLE mart.spend_daily (day DATE, {_SPEND});
CREATE VIEW mart.spend_summary_hourly AS FROM mart.spend_hourly;
CREATE VIEW mart.spend_summary_daily AS
    SELECT *, unpriced_requests = 0 AND cost_usd IS NOT NULL AS is_priced FROM mart.spend_daily;
CREATE TABLE mart.latency_daily (day DATE, account VARCHAR, project VARCHAR, provider VARCHAR, model VARCHAR,
    bucket_ms BIGINT, requests BIGINT);
CREATE TABLE mart.freshness (source VARCHAR, last_request_at TIMESTAMP, last_landed_at TIMESTAMP, files BIGINT,
    rows BIGINT, quarantined_rows BIGINT, kind VARCHAR, last_day DATE, last_read_on DATE, skipped VARCHAR);
CREATE TABLE mart.reconciliation_daily (day DATE, account VARCHAR, provider VARCHAR, connection_no BIGINT,
    log_cost_usd DECIMAL(38,12), usage_cost_usd DECIMAL(38,12), bill_cost_usd DECIMAL(38,12),
    difference_usd DECIMAL(38,12), unexplained_usd DECIMAL(38,12), settlement VARCHAR);
CREATE TABLE mart.difference_cause (day DATE, account VARCHAR, provider VARCHAR, connection_no BIGINT, model VARCHAR,
    key_label VARCHAR, token_class VARCHAR, cause VARCHAR, amount_usd DECIMAL(38,12));
CREATE TABLE mart.reconciliation_by_key (day DATE, account VARCHAR, provider VARCHAR, connection_no BIGINT,
    model VARCHAR, key_label VARCHAR, key_account VARCHAR, log_tokens BIGINT, usage_tokens BIGINT,
    log_cost_usd DECIMAL(38,12), usage_cost_usd DECIMAL(38,12), bill_cost_usd DECIMAL(38,12),
    difference_usd DECIMAL(38,12), unexplained_usd DECIMAL(38,12), causes VARCHAR);
CREATE TABLE mart.reconciliation_by_class (day DATE, account VARCHAR, provider VARCHAR, connection_no BIGINT,
    model VARCHAR, key_label VARCHAR, token_class VARCHAR, log_tokens BIGINT, usage_tokens BIGINT,
    log_cost_usd DECIMAL(38,12), usage_cost_usd DECIMAL(38,12), bill_cost_usd DECIMAL(38,12));
CREATE TABLE mart.bill_line (day DATE, account VARCHAR, provider VARCHAR, connection_no BIGINT, key_label VARCHAR,
    service VARCHAR, line VARCHAR, model VARCHAR, charge_category VARCHAR, amount_usd DECIMAL(38,12),
    list_amount_usd DECIMAL(38,12));
CREATE TABLE mart.valued_daily (day DATE, account VARCHAR, provider VARCHAR, model VARCHAR, key_label VARCHAR,
    basis VARCHAR, requests BIGINT, unpriced_requests BIGINT, billed_cost_usd DECIMAL(38,12),
    logged_cost_usd DECIMAL(38,12), list_cost_usd DECIMAL(38,12), list_cost_now_usd DECIMAL(38,12), contract VARCHAR,
    contracted_cost_usd DECIMAL(38,12));
CREATE TABLE mart.unclaimed_daily (day DATE, account VARCHAR, payer VARCHAR, gateway VARCHAR, provider VARCHAR,
    upstream_no BIGINT, requests BIGINT, cost_usd DECIMAL(38,12));
CREATE TABLE mart.changes (day DATE, account VARCHAR, provider VARCHAR, source VARCHAR, basis VARCHAR,
    changed_at TIMESTAMP, reason VARCHAR, settlement VARCHAR, before_usd DECIMAL(38,12), after_usd DECIMAL(38,12),
    moved_usd DECIMAL(38,12), moved_requests BIGINT, moved_tokens BIGINT, age_days BIGINT);
CREATE TABLE mart.settlement_window (basis VARCHAR, source VARCHAR, provider VARCHAR, days BIGINT, p50_days BIGINT,
    p95_days BIGINT, longest_days BIGINT, watched_from DATE, settles_after_days BIGINT, told_by VARCHAR);
CREATE TABLE mart.allocated_daily (day DATE, cost_centre VARCHAR, rule VARCHAR, split VARCHAR, {_SPEND});
CREATE SCHEMA model;
CREATE TABLE model.allocation_rule (rule VARCHAR);
CREATE TABLE model.account (account_no BIGINT, label VARCHAR, valid_from TIMESTAMP, valid_to TIMESTAMP);
CREATE TABLE model.account_zone (account_no BIGINT, zone VARCHAR);
CREATE TABLE mart.spend_local_daily (day DATE, {_SPEND}, zone VARCHAR);
INSERT INTO model.account VALUES (1, 'Acme', NULL, NULL), (2, 'Beta GmbH', NULL, NULL);
CREATE TABLE mart.invoice_tie_out (provider VARCHAR, account VARCHAR, number VARCHAR, plan VARCHAR, period_start DATE,
    period_end DATE, amount_usd DECIMAL(38,12), charges_usd DECIMAL(38,12), adjustments_usd DECIMAL(38,12),
    taxes_usd DECIMAL(38,12), credited_usd DECIMAL(38,12), difference_usd DECIMAL(38,12), period_days BIGINT,
    told_days BIGINT, open_days BIGINT, status VARCHAR, added_at TIMESTAMP, currency VARCHAR,
    billed_amount DECIMAL(38,12), fx_usd_per_unit DECIMAL(38,12), fx_day DATE, told_amount DECIMAL(38,12));
CREATE TABLE mart.plan_value (month DATE, account VARCHAR, provider VARCHAR, plan VARCHAR, seats BIGINT, days BIGINT,
    fee_usd DECIMAL(38,12), covered_requests BIGINT, covered_input_tokens BIGINT, covered_output_tokens BIGINT,
    covered_list_cost_usd DECIMAL(38,12), covered_unpriced_requests BIGINT, value_ratio DECIMAL(18,4), covers VARCHAR,
    starts_on DATE, ends_on DATE);
CREATE TABLE model.project (project_no BIGINT, label VARCHAR, account_no BIGINT, valid_from TIMESTAMP,
    valid_to TIMESTAMP);
CREATE TABLE mart.failures_daily (day DATE, account VARCHAR, project VARCHAR, provider VARCHAR, model VARCHAR,
    error_requests BIGINT, error_cost_usd DECIMAL(38,12), retry_requests BIGINT, retry_cost_usd DECIMAL(38,12));
CREATE TABLE mart.last_use (account VARCHAR, project VARCHAR, key_label VARCHAR, first_day DATE, last_day DATE);
CREATE TABLE mart.name_history (kind VARCHAR, account VARCHAR, project VARCHAR, label VARCHAR, told_by VARCHAR,
    name VARCHAR, owner VARCHAR, tags VARCHAR, valid_from TIMESTAMP, valid_to TIMESTAMP);
CREATE TABLE mart.coverage (source VARCHAR, provider VARCHAR, account VARCHAR, topic VARCHAR, note VARCHAR,
    noted_at TIMESTAMP);
CREATE TABLE mart.published (version BIGINT, as_of TIMESTAMP, home VARCHAR);
"""
# provider, model, pico-dollars per input and output token (NULL: no price is known), calls an hour, latency in ms
_MODELS = """
    ('openai', 'gpt-5.2', 1750000, 14000000, 34, 1900), ('openai', 'gpt-5-mini', 250000, 2000000, 80, 700),
    ('anthropic', 'claude-opus-4-5', 5000000, 25000000, 9, 4200),
    ('anthropic', 'claude-sonnet-4-5', 3000000, 15000000, 28, 2600),
    ('google', 'gemini-3-pro', 2000000, 12000000, 14, 2300), ('google', 'gemini-2.5-flash', 300000, 2500000, 45, 600),
    ('deepseek', 'deepseek-chat', 280000, 420000, 30, 1500), ('mistral', 'mistral-large-3', 500000, 1500000, 8, 1100),
    ('openrouter', 'nova-preview', NULL, NULL, 2, 1600)
"""
_HOURS = f"""
INSERT INTO mart.spend_hourly
WITH served AS (SELECT * FROM (VALUES {_MODELS}) AS m(provider, model, pico_in, pico_out, calls, latency_ms)),
asked AS (
    SELECT * FROM (VALUES
        ('Acme', 'support-bot', 'care', 'prod-7f3a', 1.0), ('Acme', 'search', 'platform', 'prod-91bc', 0.6),
        ('Acme', $script, 'platform', 'ci-02', 0.2), ('Beta GmbH', $latex, NULL, $formula, 0.35),
        ('Beta GmbH', NULL, NULL, 'laptop', 0.1)
    ) AS a(account, project, team, key_label, weight)
), clock AS (
    SELECT unnest(generate_series(date_trunc('day', $until::TIMESTAMP) - INTERVAL 75 DAY,
        date_trunc('hour', $until::TIMESTAMP), INTERVAL 1 HOUR)) AS hour
), cell AS (
    SELECT *, CAST(greatest(0, calls * weight * CASE WHEN dayofweek(hour) IN (0, 6) THEN 0.35 ELSE 1 END
        * (0.35 + 0.65 * sin(pi() * (hour(hour) + 1) / 25)) * (0.7 + (hash(hour, model, key_label) % 600) / 1000.0)
        * (1 + date_diff('day', $until::TIMESTAMP, hour) / 200.0)) AS BIGINT) AS requests
    FROM clock, served, asked
    WHERE hash(provider, key_label) % 3 < 2
), counted AS (
    SELECT *, requests * (900 + hash(hour, model) % 1400)::BIGINT AS input_tokens,
        requests * (180 + hash(model, hour) % 320)::BIGINT AS output_tokens
    FROM cell WHERE requests > 0
)
SELECT hour, account, project, team, key_label, provider, model, requests,
    CASE WHEN hash(hour, key_label, model) % 9 = 0 THEN (requests + 19) // 20 ELSE 0 END,
    input_tokens, output_tokens, (input_tokens * 3) // 10,
    CAST(input_tokens * pico_in + output_tokens * pico_out AS DECIMAL(25,0))
        * CAST('0.000000000001' AS DECIMAL(13,12)),
    CASE WHEN pico_in IS NULL THEN requests ELSE 0 END, 'log',
    CASE WHEN hour >= date_trunc('day', $until::TIMESTAMP) - INTERVAL 3 DAY THEN 'provisional' ELSE 'settled' END
FROM counted
"""
_DAYS = """
INSERT INTO mart.spend_daily
SELECT hour::DATE, account, project, team, key_label, provider, model, sum(requests), sum(error_requests),
    sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cost_usd), sum(unpriced_requests),
    any_value(basis), any_value(settlement)
FROM mart.spend_hourly GROUP BY ALL
"""
_LATENCY = f"""
INSERT INTO mart.latency_daily
SELECT day, account, project, s.provider, s.model, bucket, greatest(1, sum(requests) // part)::BIGINT
FROM mart.spend_daily s
JOIN (VALUES {_MODELS}) AS m(provider, model, pico_in, pico_out, calls, latency_ms) ON s.model = m.model,
LATERAL (SELECT unnest([latency_ms // 2, latency_ms, latency_ms * 2, latency_ms * 5])::BIGINT
        * (85 + hash(day) % 40) // 100 AS bucket,
    unnest([3, 2, 8, 60]) AS part)
GROUP BY day, account, project, s.provider, s.model, bucket, part
"""
# A rule a project, one of them shared by two; what has no project is nobody's.
_ALLOCATED = """
INSERT INTO model.allocation_rule SELECT DISTINCT project FROM mart.spend_daily WHERE project IS NOT NULL;
INSERT INTO mart.allocated_daily
SELECT day, coalesce(centre, 'unallocated'), project, split, * EXCLUDE (day, centre, split)
FROM mart.spend_daily,
LATERAL (SELECT CASE WHEN project = 'search' THEN NULL WHEN project IS NOT NULL THEN 'to ' || project END AS centre,
    CASE WHEN project IS NOT NULL THEN 'direct' END AS split)
WHERE project IS NULL OR project <> 'search';
INSERT INTO mart.allocated_daily
SELECT day, centre, project, 'fixed', * EXCLUDE (day, centre) REPLACE (cost_usd / 2 AS cost_usd)
FROM mart.spend_daily, (VALUES ('left'), ('right')) AS half(centre)
WHERE project = 'search';
"""
# Ten days of two bills, of which the newest day has none yet: a stray key, broken-off streams and a rest.
_DIFFERENCES = """
INSERT INTO mart.difference_cause
SELECT $until::DATE - n::INTEGER, account, provider, connection_no, 'gpt-5.2', key_label, token_class, cause, amount
FROM range(10) AS days(n),
(VALUES ('Acme', 'openai', 7), ('Beta GmbH', 'anthropic', 8)) AS paid(account, provider, connection_no),
(VALUES ($formula, 'uncached_tokens', 'unlogged', 2.25), (NULL, 'text_out_tokens', 'cancelled_streams', 0.031),
    (NULL, NULL, 'price', -1.5), (NULL, NULL, 'unexplained', 0.004)) AS part(key_label, token_class, cause, amount)
"""
# Two connections pay for Acme's calls at one of them, and for Beta's at the other.
UNCLAIMED = """
INSERT INTO mart.unclaimed_daily
SELECT $until::DATE - n::INTEGER, account, 'Acme', 'litellm', 'openai', upstream_no, 3, 1.5
FROM range(9) AS days(n), (VALUES ('Acme', 91), ('Beta GmbH', 92), ('Acme', NULL)) AS sent(account, upstream_no)
"""
_RECONCILED = """
INSERT INTO mart.reconciliation_daily
SELECT day, account, provider, connection_no, 40, 41,
    CASE WHEN day < (SELECT max(day) FROM mart.difference_cause) THEN 40 + sum(amount_usd) END,
    sum(amount_usd), sum(amount_usd) FILTER (cause = 'unexplained'), 'settled'
FROM mart.difference_cause GROUP BY day, account, provider, connection_no
"""
# A key of the log, one of the other account that it pays for, one of the provider, and a bill that names no key.
_BY_KEY = """
INSERT INTO mart.reconciliation_by_key
SELECT told.day, told.account, told.provider, connection_no, 'gpt-5.2', key_label,
    CASE WHEN key_label = 'shared' THEN CASE account WHEN 'Acme' THEN 'Beta GmbH' ELSE 'Acme' END
        WHEN key_label IS NOT NULL THEN account END,
    tokens, counted, log_usd, usage_usd, CASE WHEN told.bill_cost_usd IS NOT NULL THEN bill_usd END, apart, NULL, causes
FROM mart.reconciliation_daily AS told,
(VALUES ('prod-7f3a', 900, NULL, 30, NULL, NULL, NULL, NULL), ('shared', 100, NULL, 10, NULL, NULL, NULL, NULL),
    ($formula, NULL, 1100, NULL, 41, NULL, 2.25, 'unlogged'),
    (NULL, NULL, NULL, NULL, NULL, 40.785, -1.465, 'price, cancelled_streams, unexplained'))
    AS side(key_label, tokens, counted, log_usd, usage_usd, bill_usd, apart, causes);
INSERT INTO mart.reconciliation_by_class
SELECT day, account, provider, connection_no, model, CASE WHEN usage_tokens IS NOT NULL THEN key_label END,
    'uncached_tokens', log_tokens, usage_tokens, log_cost_usd, usage_cost_usd, bill_cost_usd
FROM mart.reconciliation_by_key;
INSERT INTO mart.bill_line
SELECT day, account, provider, connection_no, NULL, NULL, 'gpt-5.2, input', 'gpt-5.2-2026-01-01', 'Usage',
    bill_cost_usd, NULL
FROM mart.reconciliation_by_key WHERE bill_cost_usd IS NOT NULL;
-- Of one provider's newest days today's list is not known. The other's contract began two days ago.
INSERT INTO mart.valued_daily
SELECT day, account, provider, 'gpt-5.2', NULL, 'log', 9, 0, bill_cost_usd, 38, 40,
    CASE WHEN provider = 'openai' OR row_number() OVER (PARTITION BY provider ORDER BY day DESC) > 3 THEN 36 END,
    CASE WHEN is_agreed THEN 'ours' END, CASE WHEN is_agreed THEN 30 END
FROM (SELECT *, provider = 'openai' AND row_number() OVER (PARTITION BY provider ORDER BY day DESC) < 4 AS is_agreed
    FROM mart.reconciliation_daily);
"""
# Five days of two providers whose bills were restated two days later, late calls, and a day that was told first.
_CHANGES = """
INSERT INTO mart.changes
SELECT $until::DATE - 2 - n::INTEGER, account, provider, source, basis, $until - n * INTERVAL 1 DAY, reason, 'settled',
    before, before + moved, moved, requests, requests * 900, 2
FROM range(5) AS days(n),
(VALUES ('Acme', 'openai', 'openai', 'bill', 'restated', 40.0, -1.25, 0),
    ('Beta GmbH', 'anthropic', 'anthropic', 'bill', 'restated', 40.0, 2.5, 0),
    ('Beta GmbH', 'anthropic', 'anthropic', 'bill', 'first', NULL, 7, 0),
    ('Acme', 'openai', 'gateway_jsonl', 'log', 'late', 30.0, 0.75, 12))
    AS moves(account, provider, source, basis, reason, before, moved, requests)
"""
_WINDOWS = """
INSERT INTO mart.settlement_window
SELECT basis, source, provider, 5, 2, 2, 2, $until::DATE - 30, CASE WHEN basis <> 'log' THEN 3 END,
    CASE WHEN basis <> 'log' THEN 'assumed' END FROM mart.changes GROUP BY ALL
"""
# One invoice of each status, and a plan with a log it covers beside one without.
_INVOICES = """
INSERT INTO mart.invoice_tie_out
SELECT provider, account, number, plan, date_trunc('month', $until::DATE), last_day($until::DATE), amount, told,
    0, 0, 0, amount - told, 30, days, 30 - days, status, $until, currency, amount / rate, rate,
    CASE WHEN rate IS NOT NULL THEN $until::DATE END, NULL
FROM (VALUES ('openai', 'Acme', 'INV-2041', NULL, 1234.56, 1234.56, 30, 'tied', NULL, NULL),
    ('anthropic', 'Beta GmbH', 'A-77', NULL, 310.5, 298.2, 30, 'differs', NULL, NULL),
    ('google', 'Acme', $script, NULL, 95, 12.5, 4, 'open', NULL, NULL),
    ('anthropic', 'Acme', 'P-1', 'claude max', 400, 400, 30, 'tied', 'EUR', 1.25)
) AS i(provider, account, number, plan, amount, told, days, status, currency, rate)
"""
_PLANS = """
INSERT INTO mart.plan_value
SELECT date_trunc('month', $until::DATE), account, provider, plan, seats, 12, fee, calls, calls * 900, calls * 200,
    worth, unpriced, worth / fee, covers, date_trunc('month', $until::DATE), NULL
FROM (VALUES ('Acme', 'anthropic', 'claude max', 2, 160.0, 4210, 512.4, 3, 'claude_code'),
    ('Beta GmbH', 'openai', $latex, 5, 60.0, 0, 0, 0, '')
) AS p(account, provider, plan, seats, fee, calls, worth, unpriced, covers)
"""
_FAILURES = """
INSERT INTO mart.failures_daily
SELECT day, account, project, provider, model, sum(error_requests), sum(cost_usd) / 200, sum(error_requests) // 2,
    sum(cost_usd) / 400
FROM mart.spend_daily WHERE error_requests > 0 GROUP BY ALL
"""
# Names of every key and project; one key is named by people, one was renamed, one is used no more, one never was.
_NAMED = """
INSERT INTO mart.last_use
SELECT account, project, key_label, min(day), max(day) FROM mart.spend_daily GROUP BY ALL;
INSERT INTO mart.last_use VALUES ('Acme', 'search', 'retired', $until::DATE - 300, $until::DATE - 100);
INSERT INTO mart.name_history
SELECT DISTINCT 'key', account, NULL, key_label, 'log', key_label, NULL, NULL, TIMESTAMP '0001-01-01', NULL
FROM mart.last_use;
INSERT INTO mart.name_history
SELECT DISTINCT 'project', account, project, project, 'log', project, NULL, NULL, TIMESTAMP '0001-01-01', NULL
FROM mart.last_use WHERE project IS NOT NULL;
INSERT INTO mart.name_history VALUES
    ('key', 'Beta GmbH', NULL, 'unborn', 'log', 'unborn', NULL, NULL, TIMESTAMP '0001-01-01', NULL),
    ('key', 'Acme', NULL, 'prod-7f3a', 'people', 'Checkout', 'payments', 'prod, eu', $until - INTERVAL 20 DAY, NULL),
    ('key', 'Acme', NULL, 'prod-7f3a', 'people', 'Shop', NULL, NULL, $until - INTERVAL 60 DAY,
        $until - INTERVAL 20 DAY);
INSERT INTO mart.coverage VALUES ('openai', 'openai', 'Acme', 'days', 'says nothing of canary-Acme-batches', $until);
"""
# The same by number, as pages add it up: names are numbered as they come, and a number has one.
_NUMBERED = """
INSERT INTO model.account
SELECT 100 + row_number() OVER (ORDER BY label), label, NULL, NULL
FROM (SELECT DISTINCT account AS label FROM mart.spend_daily UNION SELECT DISTINCT account FROM mart.latency_daily)
WHERE label IS NOT NULL AND label NOT IN (SELECT label FROM model.account);
INSERT INTO model.project
SELECT 1000 + row_number() OVER (ORDER BY account, named.label), named.label, account_no, NULL, NULL
FROM (SELECT DISTINCT account, project AS label FROM mart.spend_daily
    UNION SELECT DISTINCT account, project FROM mart.latency_daily) AS named
JOIN model.account AS account ON account.label IS NOT DISTINCT FROM named.account WHERE named.label IS NOT NULL;
CREATE TABLE model.key AS SELECT 2000 + row_number() OVER (ORDER BY account, named.label) AS key_no, named.label,
    account_no, NULL::TIMESTAMP AS valid_from, NULL::TIMESTAMP AS valid_to
FROM (SELECT DISTINCT account, key_label AS label FROM mart.spend_daily) AS named
JOIN model.account AS account ON account.label IS NOT DISTINCT FROM named.account WHERE named.label IS NOT NULL;
CREATE TABLE model.team AS SELECT 3000 + row_number() OVER (ORDER BY account, named.label) AS team_no, named.label,
    account_no, NULL::TIMESTAMP AS valid_from, NULL::TIMESTAMP AS valid_to
FROM (SELECT DISTINCT account, team AS label FROM mart.spend_daily) AS named
JOIN model.account AS account ON account.label IS NOT DISTINCT FROM named.account WHERE named.label IS NOT NULL;
CREATE TABLE model.spend_daily AS
SELECT told.*, account.account_no, project.project_no, team.team_no, key.key_no
FROM mart.spend_summary_daily AS told
LEFT JOIN model.account AS account ON account.label = told.account
LEFT JOIN model.project AS project ON project.label = told.project AND project.account_no = account.account_no
LEFT JOIN model.team AS team ON team.label = told.team AND team.account_no = account.account_no
LEFT JOIN model.key AS key ON key.label = told.key_label AND key.account_no = account.account_no;
CREATE VIEW model.spend_summary_daily AS FROM model.spend_daily;
CREATE VIEW model.spend_local_daily AS
SELECT told.*, account.account_no, project.project_no, team.team_no, key.key_no
FROM mart.spend_local_daily AS told
LEFT JOIN model.account AS account ON account.label = told.account
LEFT JOIN model.project AS project ON project.label = told.project AND project.account_no = account.account_no
LEFT JOIN model.team AS team ON team.label = told.team AND team.account_no = account.account_no
LEFT JOIN model.key AS key ON key.label = told.key_label AND key.account_no = account.account_no;
CREATE VIEW model.spend_local_summary_daily AS FROM model.spend_local_daily;
CREATE VIEW model.usage_daily AS
SELECT *, NULL::VARCHAR AS service_tier, NULL::VARCHAR AS price_version FROM model.spend_daily;
CREATE TABLE model.allocated_summary_daily AS SELECT told.*, account.account_no, project.project_no, team.team_no
FROM mart.allocated_daily AS told
LEFT JOIN model.account AS account ON account.label = told.account
LEFT JOIN model.project AS project ON project.label = told.project AND project.account_no = account.account_no
LEFT JOIN model.team AS team ON team.label = told.team AND team.account_no = account.account_no;
CREATE TABLE model.spend_summary_hourly AS SELECT told.*, account.account_no, project.project_no
FROM mart.spend_hourly AS told
LEFT JOIN model.account AS account ON account.label = told.account
LEFT JOIN model.project AS project ON project.label = told.project AND project.account_no = account.account_no;
CREATE TABLE model.latency_daily AS SELECT told.*, account.account_no, project.project_no
FROM mart.latency_daily AS told
LEFT JOIN model.account AS account ON account.label = told.account
LEFT JOIN model.project AS project ON project.label = told.project AND project.account_no = account.account_no;
"""


def _fill(connection: duckdb.DuckDBPyConnection, until: datetime) -> None:
    connection.execute(_TABLES + made_credits.TABLES)
    names = {"script": SCRIPT_NAME, "latex": LATEX_NAME, "formula": FORMULA_KEY}
    connection.execute(_HOURS, {"until": until, **names})
    connection.execute(_DAYS)
    connection.execute(_LATENCY)
    connection.execute(_ALLOCATED)
    connection.execute(_FAILURES)
    for statement in filter(str.strip, (_NAMED + made_credits.ROWS).split(";")):
        connection.execute(statement, {"until": until} if "$until" in statement else {})
    # Two hours ahead of UTC all year.
    connection.execute(
        _DAYS.replace("spend_daily", "spend_local_daily")
        .replace("hour::DATE", "(hour + INTERVAL 2 HOURS)::DATE")
        .replace("any_value(settlement)", "any_value(settlement), 'Africa/Tripoli'")
    )
    connection.execute(_DIFFERENCES, {"until": until, "formula": FORMULA_KEY})
    connection.execute(_RECONCILED)
    for statement in filter(str.strip, _BY_KEY.split(";")):
        connection.execute(statement, {"formula": FORMULA_KEY} if "$formula" in statement else {})
    connection.execute(_CHANGES, {"until": until})
    connection.execute(_WINDOWS, {"until": until})
    connection.execute(_INVOICES, {"until": until, "script": SCRIPT_NAME})
    connection.execute(_PLANS, {"until": until, "latex": LATEX_NAME})
    connection.execute(
        "INSERT INTO mart.freshness "
        "SELECT 'litellm', $until, $until, 12, sum(requests), 0, 'log', NULL, NULL, NULL FROM mart.spend_daily",
        {"until": until},
    )
    connection.execute(
        "INSERT INTO mart.freshness VALUES ('gateway_jsonl', $until - INTERVAL 3 MINUTE, $until, 31, 48211, 2, "
        "'log', NULL, NULL, NULL), "
        "('openai', NULL, $until, 0, 412, 3, 'bill', $until::DATE - 1, $until::DATE, NULL), "
        "('anthropic', NULL, $until, 0, 96, 0, 'bill', $until::DATE - 3, $until::DATE - 2, 'a key <refused>')",
        {"until": until},
    )


@cache
def _ten_weeks(until: datetime) -> bytes:
    """The file before it is anybody's version; made once a process, for each `until`."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "made.duckdb"
        with duckdb.connect(str(file)) as connection:
            _fill(connection, until)
        return file.read_bytes()


def publish(home: Home, version: int, until: datetime, *, empty: bool = False, extra: str = "") -> Path:
    """Write version `version` with ten weeks of calls up to `until` (UTC, naive) and name it the newest.

    `empty` leaves the spend out; `extra` is SQL run last, for the row a test adds.
    """
    home.make(("gateway_jsonl", "litellm"))
    target = home.published / f"warehouse-{version}.duckdb"
    working = target.with_name(f".{target.name}.part")
    if not empty:
        working.write_bytes(_ten_weeks(until))
    with duckdb.connect(str(working)) as connection:
        if empty:
            connection.execute(_TABLES + made_credits.TABLES)
        connection.execute(
            "INSERT INTO mart.published VALUES (?, ?, ?)", [version, until, "sandbox" if home.is_sandbox else "own"]
        )
        if extra:
            connection.execute(extra)
        connection.execute(_NUMBERED)
    working.replace(target)
    link = home.published / ".current.part"
    link.symlink_to(target.name)
    link.replace(home.published / "current")
    return target
