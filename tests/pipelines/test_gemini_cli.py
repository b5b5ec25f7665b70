"""Gemini CLI's sessions, watched where they lie: each call once, whatever is written again, and not a word."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.gateways.watch import switched_on
from pipelines.providers import gemini_cli
from tests.pipelines.gateway_log import one, quarantine, query, take_in
from tests.pipelines.sessions import ANSWER, CANARIES, PROMPT, append, moment
from tests.pipelines.test_boundary import found
from tests.pipelines.test_claude_code import snapshot
from warehouse.home import Home

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures/gemini_cli/session.jsonl"
CALLS = """SELECT request_id, model, input_tokens, uncached_tokens, cache_read_tokens, output_tokens, text_out_tokens,
    reasoning_out_tokens FROM model.requests ORDER BY requested_at, request_id"""
SESSION = "3e5dfe0c-0c36-4a8a-a7ee-2c1a4d1b0b6f"


@pytest.fixture
def sessions(tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder of sessions, below the one that the setting names."""
    assert master_key
    project = tmp_path / "gemini/tmp/till"
    (project / "chats").mkdir(parents=True)
    (project / ".project_root").write_text("/srv/zoe/canary-folder/till\n")
    monkeypatch.setenv(gemini_cli.SETTING, str(tmp_path / "gemini/tmp"))
    return project / "chats"


def uuid(number: int) -> str:
    """The id of a message, as Gemini CLI draws it."""
    return f"0d3a7a7e-95f6-4b0c-9d65-{number:012d}"


def head(**fields: Any) -> dict[str, Any]:
    """The first line of a session."""
    return {"sessionId": SESSION, "projectHash": "9f" * 32, "startTime": moment(0), "kind": "main", **fields}


def answer(number: int, *, told: bool = True, **fields: Any) -> dict[str, Any]:
    """An answer: 100 sent, 40 of them cached, 10 more by tools, 20 written after 5 of thought."""
    tokens = {"input": 100, "output": 20, "cached": 40, "thoughts": 5, "tool": 10, "total": 135}
    return {
        "id": uuid(number),
        "timestamp": moment(number),
        "type": "gemini",
        "content": [{"text": f'{ANSWER} "tokens" "gemini"'}],
        "tokens": tokens if told else None,
        "model": "gemini-2.5-flash",
        **fields,
    }


def asked(number: int) -> dict[str, Any]:
    """What a person asked."""
    content = [{"text": f'{PROMPT} "type":"gemini" "tokens"'}]
    return {"id": uuid(900 + number), "timestamp": moment(number), "type": "user", "content": content}


def call(number: int) -> tuple[Any, ...]:
    """The row that an answer becomes."""
    return uuid(number), "gemini-2.5-flash", 110, 70, 40, 25, 20, 5


def test_the_fixture_is_what_it_says(sessions: Path, home: Home) -> None:
    """A session as Gemini CLI writes it: two answers, told six times over; what is taken back was paid all the same."""
    (sessions / "session-2026-11-20T10-00-6b6d9fb0.jsonl").write_bytes(FIXTURE.read_bytes())
    before = snapshot(sessions)
    take_in(home)
    assert query(home, CALLS) == [
        ("0d3a7a7e-95f6-4b0c-9d65-5e6c1b7e2f01", "gemini-2.5-pro", 8_120, 1_208, 6_912, 591, 214, 377),
        ("5f0b5f5c-2a0a-4d3f-8a4e-3f2d1c0b9a02", "gemini-2.5-pro", 9_154, 1_090, 8_064, 96, 96, 0),
    ]
    told = "SELECT account, project, provider, requests, unpriced_requests FROM mart.spend_daily"
    assert query(home, told) == [("own", "till", "gemini", 2, 0)]
    assert one(home, "SELECT DISTINCT gateway FROM model.usage_daily") == "gemini_cli"
    assert snapshot(sessions) == before
    assert quarantine(home) == []


def test_a_session_that_grows_and_is_carried_over_tells_each_call_once(sessions: Path, home: Home) -> None:
    """An answer before its tokens, after them and with its tools; first the older form, then all in the new one."""
    older = sessions / "session-2026-11-20T10-00-3e5dfe0c.json"
    for messages in ([asked(0), answer(1)], [asked(0), answer(1), asked(2), answer(2)]):
        older.write_text(json.dumps(head() | {"messages": messages}, indent=2))
        take_in(home)
    assert query(home, CALLS) == [call(1), call(2)]
    newer = append(older.with_suffix(".jsonl"), head(), answer(1), answer(2), asked(3), answer(3, told=False))
    take_in(home)
    append(newer, answer(3), {"$set": {"messages": [answer(n) for n in range(1, 5)]}}, answer(3, toolCalls=[{}]))
    older.unlink()
    take_in(home)
    assert query(home, CALLS) == [call(1), call(2), call(3)]
    assert quarantine(home) == []


def test_subagents_count_and_ids_that_are_none_count_with_their_session(sessions: Path, home: Home) -> None:
    """A file below the session's; two sessions with the same short id are two calls; other files are not read."""
    append(sessions / f"{SESSION}/{uuid(7)}.jsonl", head(sessionId=uuid(7), kind="subagent"), answer(1))
    for session in (uuid(8), uuid(9)):
        append(sessions / f"session-{session}.jsonl", head(sessionId=session), answer(2, id="turn-1"))
    append(sessions.parent / "logs.json", answer(3))
    append(sessions.parent / "tool-outputs/deep/er/x.jsonl", answer(4))
    take_in(home)
    found_ids = [request_id for request_id, *_ in query(home, CALLS)]
    assert found_ids == [uuid(1), f"{uuid(8)}/turn-1", f"{uuid(9)}/turn-1"]
    assert query(home, "SELECT tag FROM model.request_tag") == [("subagent",)]


def test_what_was_said_and_where_is_in_no_file(sessions: Path, home: Home) -> None:
    """Nor in quarantine, which keeps a reason and a length; a line too long that was told before is no trouble."""
    long = json.dumps(answer(1, displayContent="x" * 9_000_000), separators=(",", ":"))
    broken = json.dumps(answer(2), separators=(",", ":"))[:-3]
    wrong = json.dumps(answer(3, tokens={"input": PROMPT}), separators=(",", ":"))
    append(sessions / "session-a.jsonl", head(), asked(0), answer(1), long, broken, wrong)
    (sessions / "session-b.json").write_text('{\n  "sessionId": "b",\n  "messages": [' + PROMPT)
    take_in(home)
    assert query(home, CALLS) == [call(1)]
    assert len(quarantine(home)) == 3
    assert found(home.root, CANARIES) == set()


@pytest.mark.soak
def test_the_usual_place_is_gemini_clis_own(
    tmp_path: Path, home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unasked it is not looked at; with 1 it is, also where GEMINI_CLI_HOME moves it."""
    assert master_key
    append(tmp_path / "me/.gemini/tmp/till/chats/session-a.jsonl", head(), answer(1))
    monkeypatch.setenv("GEMINI_CLI_HOME", str(tmp_path / "me"))
    assert switched_on(home) == []
    monkeypatch.setenv(gemini_cli.SETTING, "1")
    take_in(home)
    assert query(home, CALLS) == [call(1)]
