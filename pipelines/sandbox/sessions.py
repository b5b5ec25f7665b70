"""GroundTruth -> <home>/agents/<agent>/<developer>/...: sessions as Claude Code, Codex and Gemini CLI append to them.

A developer has one session a day with an agent in a folder, and comes back to it. Texts are one made-up sentence: what
reads a session passes over them. What an agent's file looks like belongs here, what is made of it does not.
"""

import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from pipelines.gateways import watch
from pipelines.sandbox.company import AGENTS
from pipelines.sandbox.ground_truth import TOKENS, GroundTruth
from warehouse.home import Home

_SAID = "What does the till do?"
_ANSWERED = "Let me look."
# Claude Code writes what it sends into the cache, all but the end of a prompt.
_FRESH_TOKENS = 3
Line = dict[str, Any]
_COLUMNS = ("request_id", "requested_at", "user", "project", "model", *TOKENS)


class _Session(NamedTuple):
    """One session: whose, in which folder, since when, and its own id."""

    folder: Path
    cwd: str
    starts: datetime
    id: str


def write_sessions(truth: GroundTruth, home: Home, until: datetime | None = None) -> list[Path]:
    """Append the truth's calls before `until` to the sessions of their developers in a sandbox home; the files, 0600.

    PipelineError as `gateway.write_logs`.
    """
    found = []
    for agent in AGENTS:
        calls: dict[tuple[Any, ...], list[Line]] = {}
        for call in truth.told_by(agent, until).select(_COLUMNS).iter_rows(named=True):
            calls.setdefault((call["user"], call["project"], call["requested_at"].date()), []).append(call)
        for (user, project, day), told in calls.items():
            folder = watch.made_up_folder(home, agent) / user.partition("@")[0]
            number = str(UUID(bytes=_digest(agent, user, project, day)[:16], version=4))
            session = _Session(folder, f"/srv/own/{project}", told[0]["requested_at"], number)
            found.append(_AGENTS[agent](session, told))
    return found


def _claude_code(session: _Session, calls: list[Line]) -> Path:
    path = session.folder / "projects" / session.cwd.replace("/", "-") / f"{session.id}.jsonl"
    every = {
        "isSidechain": False,
        "userType": "external",
        "cwd": session.cwd,
        "sessionId": session.id,
        "version": "2.1.63",
        "gitBranch": "main",
    }
    lines: list[Line] = []
    for call in calls:
        moment, digits = _moment(call), _digest("claude", call["request_id"]).hex()
        lines.append(
            {"type": "user", **every, "timestamp": moment, "message": {"role": "user", "content": _SAID}}
            | {"uuid": str(UUID(digits[:32]))}
        )
        written = max(call["input_tokens"] - call["cached_tokens"] - _FRESH_TOKENS, 0)
        usage = {
            "input_tokens": call["input_tokens"] - call["cached_tokens"] - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": call["cached_tokens"],
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        }
        # A line a block, each with the usage so far.
        for number, (block, output) in enumerate((("text", 1), ("tool_use", call["output_tokens"]))):
            message = {
                "id": f"msg_01{digits[:22]}",
                "type": "message",
                "role": "assistant",
                "model": call["model"],
                "content": [{"type": block, "text": _ANSWERED}],
                "usage": {**usage, "output_tokens": output},
            }
            answer = {"type": "assistant", **every, "timestamp": moment, "requestId": f"req_011{digits[:21]}"}
            lines.append({**answer, "uuid": str(UUID(digits[32 + number : 64 + number])), "message": message})
    return _appended(path, lines)


def _codex(session: _Session, calls: list[Line]) -> Path:
    folder = session.folder / "sessions" / f"{session.starts:%Y/%m/%d}"
    path = next(folder.glob(f"rollout-*-{session.id}.jsonl"), None)
    path = path or folder / f"rollout-{session.starts:%Y-%m-%dT%H-%M-%S}-{session.id}.jsonl"
    totals: tuple[int, ...] = (0, 0, 0, 0)
    model, lines = None, []
    if path.exists():
        totals, model = _codex_state(path)
    else:
        meta = {"id": session.id, "cwd": session.cwd, "originator": "codex_cli_rs", "cli_version": "0.128.0"}
        meta |= {"source": "cli", "model_provider": "openai"}
        lines.append(_event(calls[0], "session_meta", meta))
    for call in calls:
        if call["model"] != model:
            model = call["model"]
            lines.append(_event(call, "turn_context", {"cwd": session.cwd, "model": model, "summary": "auto"}))
        lines.append(_event(call, "event_msg", {"type": "user_message", "message": _SAID}))
        last = tuple(call[name] for name in ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"))
        totals = tuple(map(sum, zip(totals, last, strict=True)))
        info = {"total_token_usage": _usage(totals), "last_token_usage": _usage(last), "model_context_window": 272_000}
        # Told once more, as Codex does when the turn is over.
        lines += [_event(call, "event_msg", {"type": "token_count", "info": info})] * 2
    return _appended(path, lines)


def _event(call: Line, kind: str, payload: Line) -> Line:
    return {"timestamp": _moment(call), "type": kind, "payload": payload}


def _usage(counts: tuple[int, ...]) -> dict[str, int]:
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
    return {**dict(zip(names, counts, strict=True)), "total_tokens": counts[0] + counts[2]}


def _codex_state(path: Path) -> tuple[tuple[int, ...], str]:
    """The totals and the model that a rollout ends with."""
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    model = next(line["payload"]["model"] for line in reversed(lines) if line["type"] == "turn_context")
    usage = lines[-1]["payload"]["info"]["total_token_usage"]
    return tuple(usage[name] for name in _usage((0, 0, 0, 0)) if name != "total_tokens"), model


def _gemini_cli(session: _Session, calls: list[Line]) -> Path:
    project = hashlib.sha256(session.cwd.encode()).hexdigest()
    folder = session.folder / "tmp" / project
    path = folder / "chats" / f"session-{session.starts:%Y-%m-%d}-{session.id[:8]}.jsonl"
    lines: list[Line] = []
    if not path.exists():
        if not (folder / ".project_root").exists():
            _appended(folder / ".project_root", [], session.cwd)
        lines.append({"sessionId": session.id, "projectHash": project, "startTime": _moment(calls[0]), "kind": "main"})
    for call in calls:
        moment, digits = _moment(call), _digest("gemini", call["request_id"]).hex()
        lines.append({"id": str(UUID(digits[32:64])), "timestamp": moment, "type": "user", "content": _SAID})
        answer = {"id": str(UUID(digits[:32])), "timestamp": moment, "type": "gemini", "content": _ANSWERED}
        tokens = {
            "input": call["input_tokens"],
            "output": call["output_tokens"] - call["reasoning_tokens"],
            "cached": call["cached_tokens"],
            "thoughts": call["reasoning_tokens"],
            "tool": 0,
            "total": call["input_tokens"] + call["output_tokens"],
        }
        # The message is written anew once its tokens are known.
        lines += [{**answer, "tokens": told, "model": call["model"]} for told in (None, tokens)]
        lines.append({"$set": {"lastUpdated": moment}})
    return _appended(path, lines)


_AGENTS = {"claude_code": _claude_code, "codex": _codex, "gemini_cli": _gemini_cli}


def _moment(call: Line) -> str:
    """When the answer came, which is all that a session tells of a call's time."""
    moment: datetime = call["requested_at"]
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _digest(*parts: Any) -> bytes:
    return hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=40).digest()


def _appended(path: Path, lines: list[Line], text: str = "") -> Path:
    missing = [folder for folder in path.parents if not folder.exists()]
    # `parents=True` would make those on the way as open as the process makes folders.
    for folder in reversed(missing):
        folder.mkdir(mode=0o700)
    content = text.encode() + b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as handle:
        handle.write(content)
    return path
