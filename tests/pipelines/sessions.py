"""Session files of agents for tests: what Claude Code and Codex append to, with canaries in the text."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PROMPT = "canary prompt 7Zq81LmNw45Xy"
ANSWER = "canary answer 9Kf27PqRv63Ab"
CANARIES = {"prompt": PROMPT, "answer": ANSWER, "folder": "/srv/zoe/canary-folder"}
START = datetime(2026, 11, 20, 10, tzinfo=UTC)


def moment(seconds: float) -> str:
    """So many seconds after the start, as both agents write it."""
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def append(path: Path, *lines: dict[str, Any] | str, end: str = "\n") -> Path:
    """Append lines to a session's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = (one if isinstance(one, str) else json.dumps(one, separators=(",", ":")) for one in lines)
    with path.open("a", encoding="utf-8") as handle:
        handle.write("\n".join(texts) + end)
    return path


def asked(seconds: float = 0) -> dict[str, Any]:
    """A line of Claude Code that a person wrote; tools give back texts with anything in them."""
    said = [{"type": "tool_result", "content": f'{PROMPT} "usage" "assistant" {{"output_tokens": 5}}'}]
    return {"type": "user", "timestamp": moment(seconds), "message": {"role": "user", "content": said}, "usage": None}


def answered(number: int, seconds: float, wrote: int = 50, *, block: str = "text", **fields: Any) -> dict[str, Any]:
    """One block of an answer of Claude Code: 10 read afresh, 1,000 from the cache, 200 written to it."""
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        "output_tokens": wrote,
        "service_tier": "standard",
        "inference_geo": "not_available",
        "server_tool_use": {"web_search_requests": 0},
    }
    message = {
        "id": f"msg_01{number:06d}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": block, block: ANSWER}],
        "stop_reason": None,
        "usage": usage | fields.pop("usage", {}),
    }
    message |= fields.pop("message", {})
    return {
        "parentUuid": None,
        "isSidechain": False,
        "cwd": "/srv/zoe/canary-folder/shop",
        "sessionId": "3e5dfe0c-0c36-4a8a-a7ee-2c1a4d1b0b6f",
        "version": "2.1.63",
        "type": "assistant",
        "uuid": f"{number}-{seconds}-{wrote}-{block}",
        "requestId": f"req_011{number:06d}",
        "timestamp": moment(seconds),
        "message": message,
        **fields,
    }


def rollout(folder: Path, session: str) -> Path:
    """Where Codex writes a session."""
    return folder / "2026/11/20" / f"rollout-2026-11-20T10-00-00-{session}.jsonl"


def meta(session: str, **fields: Any) -> dict[str, Any]:
    """The first line of a rollout."""
    payload = {
        "id": session,
        "timestamp": moment(0),
        "cwd": "/srv/zoe/canary-folder/till",
        "originator": "codex_cli_rs",
        "cli_version": "0.128.0",
        "source": "cli",
        "model_provider": "openai",
        "base_instructions": {"text": PROMPT},
        **fields,
    }
    return {"timestamp": moment(0), "type": "session_meta", "payload": payload}


def turn(model: str = "gpt-5", seconds: float = 0) -> dict[str, Any]:
    """The context of a turn, which names its model."""
    payload = {"cwd": "/srv/zoe/canary-folder/till", "model": model, "summary": "auto", "user_instructions": PROMPT}
    return {"timestamp": moment(seconds), "type": "turn_context", "payload": payload}


def count(calls: int, seconds: float, *, each: tuple[int, int, int, int] = (100, 40, 20, 5)) -> dict[str, Any]:
    """The totals after so many calls, each of (input, cached of it, output, reasoning of it)."""

    def usage(times: int) -> dict[str, int]:
        read, cached, wrote, thought = (times * one for one in each)
        return {
            "input_tokens": read,
            "cached_input_tokens": cached,
            "output_tokens": wrote,
            "reasoning_output_tokens": thought,
            "total_tokens": read + wrote,
        }

    info = {"total_token_usage": usage(calls), "last_token_usage": usage(1), "model_context_window": 272000}
    payload = {"type": "token_count", "info": info, "rate_limits": {"primary": {"used_percent": 3.0}}}
    return {"timestamp": moment(seconds), "type": "event_msg", "payload": payload}


def spoken(seconds: float = 0) -> dict[str, Any]:
    """What was said in a rollout, with words in it that stand in counts, too."""
    content = [{"type": "output_text", "text": f'{ANSWER} "token_count" "turn_context"'}]
    payload = {"type": "message", "role": "assistant", "content": content}
    return {"timestamp": moment(seconds), "type": "response_item", "payload": payload}
