"""LiteLLM's SpendLogs in a real Postgres: 981 rows of 985 calls, only what may be read, and each call once."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipelines.gateways import litellm_database
from tests.pipelines import litellm_postgres
from tests.pipelines.gateway_log import PAYLOADS, SPEND_LOGS, lines_of, one, put, quarantine, query, take_in
from tests.pipelines.test_boundary import found
from warehouse import database
from warehouse.control import watched
from warehouse.home import Home

pytestmark = [
    pytest.mark.skipif(litellm_postgres.program("initdb") is None, reason="no Postgres is installed"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of its own."""
    with litellm_postgres.running() as address:
        yield address


@pytest.fixture(scope="module")
def records(shared: Path) -> list[dict[str, Any]]:
    """985 real SpendLogs rows."""
    return [json.loads(text) for text in lines_of(shared / SPEND_LOGS)]


@pytest.fixture(scope="module")
def _tables(server: str, shared: Path) -> str:
    return litellm_postgres.make_tables(server, shared)


@pytest.fixture
def address(server: str, _tables: str, master_key: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty table, which the setting names."""
    assert master_key
    assert _tables in {"migrations", "columns"}
    with psycopg.connect(server) as connection:
        connection.execute('TRUNCATE "LiteLLM_SpendLogs"')
    monkeypatch.setenv(litellm_database.SETTING, f"{server}?schema=public&connection_limit=5")
    return server


def call(number: int, **fields: Any) -> dict[str, Any]:
    """One row as LiteLLM writes it."""
    start = datetime(2026, 11, 20, 10, tzinfo=UTC) + timedelta(seconds=number)
    metadata = {"usage_object": {"prompt_tokens_details": {"cached_tokens": 4}}, "user_api_key_org_id": "acme"}
    return {
        "request_id": f"chatcmpl-{number}",
        "litellm_call_id": f"call-{number}",
        "call_type": "acompletion",
        "startTime": start.isoformat(),
        "endTime": (start + timedelta(milliseconds=250)).isoformat(),
        "model": "openai/gpt-4o",
        "custom_llm_provider": "openai",
        "spend": 0.000125,
        "total_tokens": 15,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "metadata": json.dumps(metadata),
        "request_tags": json.dumps(["team:blue"]),
        "status": "success",
        **fields,
    }


def test_985_calls_are_981_rows_of_the_table(address: str, records: list[dict[str, Any]], home: Home) -> None:
    """The key of the table repeats: four calls are not in LiteLLM's own books, so they are not in ours from there."""
    litellm_postgres.insert(address, records)
    (place,) = take_in(home).watched
    assert (place.place, place.lines, place.skipped) == ("litellm_database", 981, None)
    assert one(home, "SELECT count(*) FROM model.requests") == 981
    first: dict[str, dict[str, Any]] = {}
    for record in records:
        first.setdefault(record["request_id"], record)
    sums = "SELECT sum(input_tokens), sum(output_tokens), count(*) FILTER (unpriced_requests > 0) FROM mart.spend_daily"
    assert query(home, sums) == [
        (sum(r["prompt_tokens"] for r in first.values()), sum(r["completion_tokens"] for r in first.values()), 0)
    ]
    assert quarantine(home) == []


def test_file_and_database_tell_of_a_call_once(
    address: str, records: list[dict[str, Any]], shared: Path, home: Home
) -> None:
    """985 calls of the callback's file and 981 rows of the table are 985 calls, whichever comes first."""
    litellm_postgres.insert(address, records)
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 981
    put(home, "calls.jsonl", lines_of(shared / PAYLOADS), "litellm")
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 985
    assert one(home, "SELECT sum(input_tokens) FROM mart.spend_daily") == sum(r["prompt_tokens"] for r in records)


@pytest.mark.soak
def test_a_table_from_before_the_call_id_tells_the_same_calls(
    address: str, records: list[dict[str, Any]], shared: Path, home: Home
) -> None:
    """Older versions have no column of it, only the metadata's field."""
    with psycopg.connect(address) as connection:
        connection.execute('ALTER TABLE "LiteLLM_SpendLogs" RENAME COLUMN litellm_call_id TO older')
    try:
        litellm_postgres.insert(address, records)
        put(home, "calls.jsonl", lines_of(shared / PAYLOADS), "litellm")
        take_in(home)
    finally:
        with psycopg.connect(address) as connection:
            connection.execute('ALTER TABLE "LiteLLM_SpendLogs" RENAME COLUMN older TO litellm_call_id')
    assert one(home, "SELECT count(*) FROM model.requests") == 985


def test_only_stretches_that_changed_are_read_again(address: str, home: Home) -> None:
    """Three hours of calls; then one late row: its five minutes alone; then nothing."""
    litellm_postgres.insert(address, [call(60 * n) for n in range(180)])
    assert [place.lines for place in take_in(home).watched] == [180]
    assert [place.lines for place in take_in(home).watched] == [0]
    litellm_postgres.insert(address, [call(60 * 30 + 7)])
    assert [place.lines for place in take_in(home).watched] == [6]
    assert one(home, "SELECT count(*) FROM model.requests") == 181
    assert one(home, "SELECT sum(requests) FROM model.usage_monthly") == 181


@pytest.mark.soak
def test_a_late_row_of_two_days_ago_is_found_and_older_stretches_are_forgotten(address: str, home: Home) -> None:
    """What is remembered is two days of stretches, however long the log is."""
    litellm_postgres.insert(address, [call(3600 * n) for n in range(24 * 9)])
    take_in(home)
    newest = 3600 * (24 * 9 - 1)
    with database.control(home) as control:
        assert len(watched.known(control, "litellm_database")) == 48 + 1 + 1
    litellm_postgres.insert(address, [call(newest - 47 * 3600 + 1), call(newest + 60)])
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 24 * 9 + 2


def test_a_visit_that_was_killed_is_made_up_for(address: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after some runs were handed over: the next visit goes on, and every call is there once."""
    litellm_postgres.insert(address, [call(3600 * n) for n in range(40)])
    monkeypatch.setattr(litellm_database, "MOST_LINES", 10)
    remembered = watched.remember
    times = 0

    def killed(*arguments: Any) -> None:
        nonlocal times
        times += 1
        if times == 3:
            raise KeyboardInterrupt
        remembered(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.control.watched.remember", killed)
        with pytest.raises(KeyboardInterrupt):
            take_in(home)
    assert [place.lines for place in take_in(home).watched] == [20]
    assert one(home, "SELECT count(*) FROM model.requests") == 40


def test_prompts_never_leave_the_database(address: str, home: Home) -> None:
    """Canaries in every column and field that may hold what was said: in no file, nor in what the server was asked."""
    canary = "canary prompt 7Zq81LmNw45Xy"
    metadata = {
        "usage_object": {"prompt_tokens_details": {"cached_tokens": 4}, "note": canary},
        "spend_logs_metadata": {"note": canary},
        "requester_metadata": {"note": canary},
        "error_information": {"error_code": "429", "error_message": canary, "traceback": canary},
    }
    said = {
        "messages": json.dumps([{"role": "user", "content": canary}]),
        "response": json.dumps({"content": canary}),
        "proxy_server_request": json.dumps({"body": canary}),
        "session_id": canary,
    }
    rows = [call(1, metadata=json.dumps(metadata), **said), call(2, metadata=json.dumps(json.dumps(metadata)), **said)]
    litellm_postgres.insert(address, rows)
    take_in(home)
    assert query(home, "SELECT count(*), sum(cache_read_tokens) FROM model.requests") == [(2, 8)]
    assert found(home.root, {"prompt": canary}) == set()
    with psycopg.connect(address) as connection:
        row = litellm_database._row(connection, "public", _reading())
        asked = row.as_string(connection)
        ((answer,),) = connection.execute(
            f"""SELECT string_agg({asked}, '') FROM "LiteLLM_SpendLogs" WHERE request_id = 'chatcmpl-1'""".encode()
        ).fetchall()
    assert not any(
        name in asked for name in ("messages", "response", "proxy_server_request", "traceback", "error_mess")
    )
    assert answer.count(canary) == 1, "a usage object is fetched whole; what is written of it is its counts"


def _reading() -> litellm_database._Reading:
    from pipelines.providers import litellm

    return litellm_database._Reading(litellm.reduced, litellm._KEYS, litellm._META_KEYS)


def test_the_database_is_only_read(address: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that writes is refused by the server in our transactions."""
    litellm_postgres.insert(address, [call(1)])

    def writes(connection: psycopg.Connection[Any], *_: Any) -> None:
        connection.execute('DELETE FROM "LiteLLM_SpendLogs"')

    with monkeypatch.context() as patched:
        patched.setattr(litellm_database, "_stretches", writes)
        (place,) = take_in(home).watched
    assert place.skipped == "the database did not answer: 25006; see APILEDGER_LITELLM_DATABASE"
    with psycopg.connect(address) as connection:
        assert connection.execute('SELECT count(*) FROM "LiteLLM_SpendLogs"').fetchall() == [(1,)]


def test_rows_that_cannot_be_read_are_held_back_and_the_rest_lands(address: str, home: Home) -> None:
    """A spend that is no number, tags that are none, metadata that is a broken text."""
    rows = [
        call(1),
        call(2, spend=float("nan")),
        call(3, request_tags=json.dumps([{"odd": 1}])),
        call(4, metadata=json.dumps("{broken")),
        call(5, metadata=json.dumps([1])),
    ]
    litellm_postgres.insert(address, rows)
    take_in(home)
    assert query(home, "SELECT request_id FROM model.requests ORDER BY 1") == [("call-1",), ("call-5",)]
    assert sorted(reason for _, _, reason in quarantine(home)) == [
        "a field has the wrong type, or the line is no object",
        "the line is no JSON",
        "the line is no JSON",
    ]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda address: address.replace(litellm_postgres.PASSWORD, "wrong-canary"), "the password is refused"),
        (lambda address: address + "?odd_parameter=canary", "did not answer"),
        (lambda address: address.replace("/postgres", "/elsewhere"), "no such database"),
        (lambda address: address.replace("postgresql://", "mysql://"), "is postgresql://"),
        (lambda address: address.replace("127.0.0.1:", "127.0.0.1:canary"), "did not answer"),
        (lambda _: "postgresql://litellm:canary-password-7Zq81L@127.0.0.1:1/postgres", "nothing listens there"),
        (lambda address: address + "?schema=blue", "it has no table LiteLLM_SpendLogs"),
    ],
)
def test_a_database_that_does_not_answer_is_said_without_its_address(
    change: Any, said: str, address: str, home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the reason nor a log repeats a part of the address, and the pass goes on."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(litellm_database.SETTING, change(address))
    put(home, "calls.jsonl", [json.dumps(call(1))], "litellm")
    report = take_in(home)
    (place,) = report.watched
    assert place.skipped is not None
    assert said in place.skipped
    told = place.skipped + caplog.text + repr(report)
    assert not any(secret in told for secret in ("canary", litellm_postgres.PASSWORD, "127.0.0.1", "elsewhere"))
    assert one(home, "SELECT count(*) FROM model.requests") == 1
