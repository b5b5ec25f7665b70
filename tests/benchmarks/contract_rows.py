"""Contract rows by the million: flat gateway logs made by DuckDB itself, for benchmarks and load tests."""

from datetime import datetime
from pathlib import Path

import duckdb

_FEW = 40


def write(
    path: Path,
    rows: int,
    *,
    first_day: datetime,
    days: int = 30,
    seed: int = 1,
    clients: int = 20,
    users: int = 1,
    accounts: int = 40,
) -> Path:
    """Write `rows` contract lines (about 380 bytes each) spread over `days`; the same arguments write the same calls.

    Accounts with 20 clients, 10 keys and 3 projects each, 12 models of 4 providers; 3 % errors; a cost string on nine
    of ten. Of 40 accounts each has keys and models of its own; of more, each has them all, and a few make most calls.
    """
    account = "skew % 40" if accounts == _FEW else f"least((h // 97) % {accounts}, (g // 89) % {accounts})"
    start = first_day.strftime("%Y-%m-%d %H:%M:%S")
    span_us = days * 86_400 * 1_000_000
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        connection.execute(
            f"""
            COPY (
              WITH n AS (
                SELECT i, (hash(i, {seed}) >> 2)::BIGINT AS h, (hash(i, {seed}, 1) >> 2)::BIGINT AS g,
                       TIMESTAMP '{start}' + to_microseconds((i * {span_us // max(rows, 1)})::BIGINT) AS started,
                       (least(h % 97, g % 89)) AS skew
                FROM range({rows}) t(i)),
              m AS (SELECT *, ['gpt-4o','gpt-4o-mini','gpt-4.1','gpt-4.1-mini','claude-sonnet-4-5','claude-haiku-4-5',
                   'claude-opus-4-1','gemini-2.5-flash','gemini-2.5-pro','deepseek-chat','o3','o4-mini'
                   ][1 + skew % 12] AS model,
                   ({account}) AS a, CASE WHEN h % 100 < 3 THEN 1 ELSE 0 END AS failed,
                   100 + (g % 3900) AS tokens_in, 10 + (h // 7) % 990 AS tokens_out FROM n)
              SELECT printf('req-%016x', h) || '-' || i AS request_id,
                     strftime(started, '%Y-%m-%dT%H:%M:%S.%fZ') AS ts,
                     'account-' || a AS account_id,
                     'key-' || a || '-' || (skew % 10) AS key_id,
                     'project-' || a % 20 || '-' || skew % 3 AS project,
                     'team-' || a % 8 AS team,
                     'user-' || a || '-' || h % {users} AS user_id,
                     CASE WHEN model LIKE 'claude%' THEN 'anthropic' WHEN model LIKE 'gemini%' THEN 'google'
                          WHEN model LIKE 'deepseek%' THEN 'deepseek' ELSE 'openai' END AS provider,
                     model,
                     CASE failed WHEN 1 THEN 0 ELSE tokens_in END AS input_tokens,
                     CASE failed WHEN 1 THEN 0 ELSE tokens_out END AS output_tokens,
                     CASE failed WHEN 1 THEN 0 ELSE (tokens_in * (h % 4)) // 5 END AS cached_tokens,
                     CASE failed WHEN 1 THEN 429 ELSE 200 END AS status,
                     200 + (g % 5000) AS latency_ms,
                     '203.0.113.' || (a * 5 + (h // 3) % {clients}) % 256 AS ip,
                     'OpenAI/Python 2.' || (h // 3) % {clients} % 4 AS user_agent,
                     CASE WHEN h % 10 = 0 THEN NULL
                          ELSE printf('%.6f', (tokens_in * 3 + tokens_out * 15) / 1000000.0) END AS cost
              -- In the order of range(): sorted besides, 30 M lines took 15 GB.
              FROM m
            ) TO '{path}' (FORMAT json)
            """
        )
    return path
