"""model.* -> control.held_entry, control.held_request: what a hold asks for is copied before the rows it is made of go.

Only sums of days by provider, without key, project, user or name; for a dispute also its calls, without the id that the
log gave them. Everything else goes as if there were no hold.
"""

import sqlite3
from collections.abc import Iterable
from datetime import date, timedelta

import duckdb

from warehouse.control import hold as holds
from warehouse.control.hold import Hold

# A tuned model is called after its owner: what comes after its base is left out.
_BASE = "regexp_extract(model, '^(ft:)?[^:]*')"


def keep(
    connection: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    on: date,
    accounts: Iterable[int] | None = None,
    before: date = date.max,
) -> None:
    """Keep what the holds that are active on a day need of days before `before`, of these accounts where named.

    `connection` is the build. Taken up again it changes nothing; the caller holds the control store's transaction or
    none.
    """
    for each in holds.active(control, on, accounts):
        bound = _bound(each, accounts, before)
        if bound["accounts"]:
            _keep_entries(connection, control, each, bound)
            keep_requests(connection, control, each, bound)


def keep_disputed(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, on: date, before: date) -> None:
    """Keep the calls of disputed days before `before`, which are about to expire."""
    for each in holds.active(control, on):
        keep_requests(connection, control, each, _bound(each, None, before))


def _bound(each: Hold, accounts: Iterable[int] | None, before: date) -> dict[str, object]:
    numbers = set(each.accounts) if accounts is None else set(each.accounts) & set(accounts)
    last = min(each.last_day, before - timedelta(days=1))
    return {"accounts": sorted(numbers), "first": each.first_day, "last": last, "provider": each.provider}


def _keep_entries(
    connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, each: Hold, bound: dict[str, object]
) -> None:
    scope = """account_no IN (SELECT unnest($accounts)) AND day BETWEEN $first AND $last
               AND provider = coalesce($provider, provider)"""
    rows = connection.execute(
        f"""SELECT account_no, day::VARCHAR, 'log', provider, '', sum(requests)::BIGINT, sum(list_cost_usd)::VARCHAR
            FROM model.usage_daily WHERE {scope} GROUP BY ALL
            UNION ALL
            -- Where days have expired, the month is what is left.
            SELECT account_no, month::VARCHAR, 'month', provider, '', sum(requests)::BIGINT, sum(list_cost_usd)::VARCHAR
            FROM (SELECT *, month AS day FROM model.usage_monthly) WHERE {scope}
              AND month < (SELECT max(before) FROM model.expired_before WHERE table_name = 'usage_daily') GROUP BY ALL
            UNION ALL
            SELECT account_no, day::VARCHAR, 'bill', provider, '', NULL, sum(amount_usd)::VARCHAR
            FROM model.bill_day JOIN model.connection USING (connection_no) WHERE {scope} GROUP BY ALL
            UNION ALL
            SELECT account_no, day::VARCHAR, 'fee', provider, '', NULL, sum(fee_usd)::VARCHAR
            FROM model.plan_day WHERE {scope} GROUP BY ALL""",
        bound,
    ).fetchall()
    query = f"INSERT OR REPLACE INTO held_entry VALUES ({each.hold_no}, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)"
    control.executemany(query, rows)


def keep_requests(
    connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, each: Hold, bound: dict[str, object]
) -> None:
    """Keep the calls that a dispute is about, in batches; of other holds none."""
    if each.kind != "dispute":
        return
    found = connection.execute(
        f"""SELECT account_no, request_no, strftime(requested_at, '%Y-%m-%dT%H:%M:%S.%fZ'), provider, {_BASE}, outcome,
              service_tier, input_tokens, output_tokens, list_cost_usd::VARCHAR, logged_cost_usd::VARCHAR, price_version
            FROM model.requests
            WHERE account_no IN (SELECT unnest($accounts)) AND provider = coalesce($provider, provider)
              AND requested_at >= $first AND requested_at < $last::DATE + INTERVAL 1 DAY""",
        bound,
    )
    query = f"INSERT OR REPLACE INTO held_request VALUES ({each.hold_no}, {', '.join('?' * 12)})"
    while rows := found.fetchmany(10_000):
        control.executemany(query, rows)


def of_receipt(control: sqlite3.Connection, accounts: Iterable[int]) -> list[dict[str, object]]:
    """What holds have kept of accounts that were erased, as their receipt says it: on which basis, and until when."""
    numbers = set(accounts)
    said: list[dict[str, object]] = []
    for each in holds.listed(control):
        if numbers.isdisjoint(each.accounts):
            continue
        kept = holds.kept(control, each.hold_no)
        if kept.entries or kept.requests:
            said.append(
                {
                    "hold": each.hold_no,
                    "kind": each.kind,
                    "basis": each.basis,
                    "until": each.expires_on.isoformat(),
                    "entries": kept.entries,
                    "requests": kept.requests,
                }
            )
    return said
