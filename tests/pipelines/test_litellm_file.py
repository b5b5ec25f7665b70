"""LiteLLM's files read whole make the rows that their lines make one by one, and fail where a line alone would."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from pipelines.gateways import file_stream, litellm_file
from pipelines.gateways.reading import SHORT_ROAD_BYTES
from pipelines.gateways.record import admitted
from pipelines.providers import litellm
from tests.pipelines.gateway_log import FAILURES, PAYLOADS, SPEND_LOGS, facts, lines_of, put, quarantine, take_in
from warehouse import database
from warehouse.home import Home

NAMES = litellm.GATEWAY.columns.names
USAGE = {"prompt_tokens_details": {"cached_tokens": 3}, "service_tier": "flex", "inference_geo": "us"}
WRITTEN = {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 5}


def whole(lines: list[str], form: Callable[[str], str], folder: Path) -> list[tuple[Any, ...]]:
    """The rows that DuckDB reads of a file of these lines."""
    path = folder / "it's a log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    with duckdb.connect() as connection:
        named = ", ".join(f'"{name}"' for name in NAMES)
        source = form("'" + str(path).replace("'", "''") + "'")
        return [comparable(row) for row in connection.execute(f"SELECT {named} FROM {source}").fetchall()]


def one_by_one(lines: list[str]) -> list[tuple[Any, ...]]:
    """The rows that the decoder makes of them."""
    return [comparable(litellm.decode(line.encode())) for line in lines]


def comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row with its cost, the last, as the amount it is: 1e-05 and 0.00001 are one."""
    return (*row[:-1], row[-1] if row[-1] is None else Decimal(row[-1]))


def record(form: Callable[[str], str], fields: dict[str, Any], meta: dict[str, Any]) -> str:
    """One record of a form."""
    said: dict[str, Any] = {
        "litellm_call_id": "call",
        "status": "success",
        "model": "openai/gpt-4o",
        "custom_llm_provider": "openai",
        "prompt_tokens": 10,
        "completion_tokens": 5,
    }
    if form is litellm_file.payload_sql:
        said |= {"id": "up", "startTime": 1795288717.909115, "endTime": 1795288718, "metadata": meta}
    else:
        said |= {"request_id": "up", "startTime": "2026-11-21T19:18:37.909115+00:00", "metadata": json.dumps(meta)}
    return json.dumps({name: value for name, value in {**said, **fields}.items() if value is not ...})


def test_a_file_of_many_buffers_is_read_in_columns(tmp_path: Path) -> None:
    """Records are as large as what was said: at 13 kB each, buffers of two threads were all that DuckDB might take."""
    said = record(litellm_file.payload_sql, {"messages": "x" * 13_000}, {"user_api_key_hash": "k" * 64})
    (file := tmp_path / "large.jsonl").write_text(f"{said}\n" * 8_000)
    with database.scratch(tmp_path / "spill") as scratch, file_stream.opened(scratch, file) as parts:
        queries = [admitted(litellm.meaning_sql(litellm_file.payload_sql(part)), "1") for part in parts]
        batches = file_stream.batches(scratch, queries, {"pepper": "p"})
        assert sum(batch.column("problem").null_count for batch in batches) == 8_000


@pytest.mark.parametrize(
    ("file", "form"),
    [
        (PAYLOADS, litellm_file.payload_sql),
        (SPEND_LOGS, litellm_file.spend_logs_sql),
        (FAILURES, litellm_file.payload_sql),
    ],
)
def test_real_records_are_the_same_rows(file: Path, form: Callable[[str], str], shared: Path, tmp_path: Path) -> None:
    """All 1,990 of them, column by column."""
    lines = lines_of(shared / file)
    assert sorted(whole(lines, form, tmp_path), key=repr) == sorted(one_by_one(lines), key=repr)


# What a record says, at its top and in its metadata.
SAID: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"litellm_call_id": ...}, {"litellm_call_id": "of the metadata"}),
    ({"litellm_call_id": ""}, {}),
    ({"id": ..., "request_id": ...}, {}),
    ({"id": "a", "request_id": "b"}, {}),
    ({"cache_hit": True}, {"usage_object": USAGE}),
    ({"cache_hit": "True"}, {"usage_object": USAGE}),
    ({"cache_hit": False}, {"usage_object": USAGE}),
    ({"cache_hit": "None"}, {"usage_object": {**USAGE, "cache_read_input_tokens": 0}}),
    ({}, {"usage_object": {**USAGE, "cache_read_input_tokens": 4}}),
    ({}, {"usage_object": {"cache_creation_input_tokens": 12, "cache_creation": WRITTEN}}),
    ({}, {"usage_object": {"cache_creation_input_tokens": 0, "cache_creation": WRITTEN}}),
    ({}, {"usage_object": {"cache_creation": WRITTEN}}),
    ({}, {"usage_object": {"cache_creation": {}, "prompt_tokens_details": {"cache_creation_token_details": WRITTEN}}}),
    ({}, {"usage_object": {"prompt_tokens_details": {"cache_creation_tokens": 9, "audio_tokens": 1}}}),
    ({}, {"usage_object": {"completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 1}}}),
    ({}, {"usage_object": None, "error_information": None}),
    ({"status": "failure", "error_information": {"error_code": "429"}}, {}),
    ({"status": "failure", "error_information": {"error_code": 503}}, {"error_information": {"error_code": 400}}),
    ({"status": "failure", "error_information": {}}, {"error_information": {"error_code": "401"}}),
    ({"status": "failure"}, {"error_information": {"error_code": "999"}}),
    ({"status": ...}, {"error_information": {"error_code": ""}}),
    ({"status": ""}, {"error_information": {"error_class": "CancelledError"}}),
    ({"user": "42", "end_user": ""}, {"user_api_key_user_id": "", "user_api_key_end_user_id": '{"device": "a"}'}),
    ({"user": "4", "end_user": '\u00e4 "quoted"'}, {"user_api_key_user_id": "true"}),
    ({"team_id": "", "organization_id": ""}, {"user_api_key_team_id": "", "user_api_key_org_id": ""}),
    ({"team_id": "t", "organization_id": "o"}, {"user_api_key_team_id": "m", "user_api_key_team_alias": "1"}),
    ({"api_key": "k"}, {"user_api_key": "", "user_api_key_alias": None, "user_api_key_project_id": "p"}),
    ({"api_base": "https://user:key@host:1/v1/x?a=b@c", "requester_ip_address": ""}, {"requester_ip_address": "::1"}),
    ({"api_base": "host/v1"}, {"user_agent": "a"}),
    ({"custom_llm_provider": None, "api_base": "http://h"}, {}),
    ({"custom_llm_provider": "", "model": "/m"}, {}),
    ({"model": None, "model_group": "group"}, {}),
    ({"model": "gpt/openai/gpt"}, {}),
    ({"startTime": 1795288717.5, "endTime": None}, {}),
    ({"startTime": 1e12, "endTime": "2026-11-21T19:18:38Z"}, {}),
    ({"response_cost": 1e-05, "spend": 0.1}, {}),
    ({"response_cost": "0.25", "spend": "0.5"}, {}),
    ({"prompt_tokens": None, "completion_tokens": 5.0}, {}),
    ({"metadata": None}, {}),
    ({"metadata": {}}, {}),
]
FORMS = pytest.mark.parametrize("form", litellm_file.FORMS)


@FORMS
def test_whatever_a_record_says_is_the_same_row(form: Callable[[str], str], tmp_path: Path) -> None:
    """Every choice that the decoder makes, in either form."""
    lines = [record(form, fields, meta) for fields, meta in SAID]
    assert whole(lines, form, tmp_path) == one_by_one(lines)


@FORMS
@pytest.mark.parametrize("tags", [[], ["User-Agent: a"], ["a", "User-Agent: b", "c"], None])
def test_tags_are_the_same(form: Callable[[str], str], tags: list[str] | None, tmp_path: Path) -> None:
    """A list, or one inside a string; without the agent that LiteLLM adds."""
    given = tags if form is litellm_file.payload_sql or tags is None else json.dumps(tags)
    lines = [record(form, {"request_tags": given}, {})]
    assert whole(lines, form, tmp_path) == one_by_one(lines)


WRONG: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"prompt_tokens": True}, {}),
    ({"prompt_tokens": "5"}, {}),
    ({"prompt_tokens": [5]}, {}),
    ({"model": {"name": "gpt"}}, {}),
    ({"model": 5}, {}),
    ({"id": 5, "request_id": 5}, {}),
    ({"user": 5}, {}),
    ({"end_user": True}, {}),
    ({"cache_hit": 1}, {}),
    ({"startTime": True}, {}),
    ({"request_tags": [None]}, {}),
    ({"request_tags": [5]}, {}),
    ({"request_tags": ["a", {"b": 1}]}, {}),
    ({"request_tags": "[5]"}, {}),
    ({"error_information": "none"}, {}),
    ({"error_information": {"error_code": True}}, {}),
    ({"metadata": "{"}, {}),
    ({"metadata": "[]"}, {}),
    ({"metadata": 5}, {}),
    ({}, {"usage_object": []}),
    ({}, {"usage_object": "text"}),
    ({}, {"usage_object": {"cache_creation": 5}}),
    ({}, {"usage_object": {"prompt_tokens_details": {"cached_tokens": "5"}}}),
    ({}, {"user_api_key_alias": 5}),
    ({}, {"user_api_key_team_id": False}),
    ({}, {"error_information": 5}),
]


@FORMS
@pytest.mark.parametrize(("fields", "meta"), WRONG)
def test_what_no_record_says_fails_the_file(
    form: Callable[[str], str], fields: dict[str, Any], meta: dict[str, Any], tmp_path: Path
) -> None:
    """What the decoder refuses is never a row of DuckDB's."""
    wrong = record(form, fields, meta)
    with pytest.raises(msgspec.MsgspecError):
        litellm.decode(wrong.encode())
    with pytest.raises(duckdb.Error):
        whole([record(form, {}, {}), wrong], form, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("file", [PAYLOADS, SPEND_LOGS])
def test_a_file_read_whole_is_the_home_of_its_lines(file: Path, shared: Path, home: Home, master_key: str) -> None:
    """One file in columns, or forty small ones line by line: the same calls, hours, days, tags and people."""
    assert master_key
    lines = lines_of(shared / file)
    assert put(home, "calls.jsonl", lines, "litellm").stat().st_size > SHORT_ROAD_BYTES
    take_in(home)
    split = Home(home.root.with_name("split")).make()
    for number in range(40):
        assert put(split, f"{number}.jsonl", lines[number::40], "litellm").stat().st_size < SHORT_ROAD_BYTES
    take_in(split)
    assert quarantine(home) == []
    assert facts(home) == facts(split)
