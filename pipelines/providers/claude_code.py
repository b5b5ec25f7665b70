"""~/.claude/projects/**/*.jsonl -> raw_claude_code.calls: Claude Code's sessions, where they lie, once switched on.

One answer is written several times: a line a block of content, each with the whole usage, and an early one while it
streams. So one call is a message's id, the fullest telling counts, and its moment is the first. Agents below a session
have files of their own, and some of them repeat messages of the session above under another request id: Anthropic's
message ids (`msg_…`) are their own, other gateways' count together with the request's. A line's `usage` has the
cache beside the input, never in it. Only the fields named here are decoded; of a prompt or an answer nothing is.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec

from pipelines.gateways import session_folder, session_line
from pipelines.gateways.provider import Place
from pipelines.gateways.session_folder import SessionFile
from pipelines.gateways.session_line import SessionLine
from pipelines.gateways.visit import Visit

SETTING = "APILEDGER_CLAUDE_CODE"

# A message's blocks follow each other closely; so many moments are carried from one visit to the next.
_MOST_CARRIED = 32
_NO_REGION = frozenset({"", "not_available", "global"})
_Count = int | None


class _Written(msgspec.Struct):
    ephemeral_5m_input_tokens: _Count = None
    ephemeral_1h_input_tokens: _Count = None


class _Usage(msgspec.Struct):
    input_tokens: _Count = None
    output_tokens: _Count = None
    cache_creation_input_tokens: _Count = None
    cache_read_input_tokens: _Count = None
    cache_creation: _Written | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None


class _Line(msgspec.Struct):
    type: Any = None
    uuid: str | None = None
    requestId: str | None = None  # noqa: N815 (Claude Code's own name)
    timestamp: str | None = None
    cwd: str | None = None
    isSidechain: bool | None = None  # noqa: N815 (Claude Code's own name)
    # Other kinds of lines have all sorts of things here.
    message: msgspec.Raw = msgspec.Raw(b"null")


_LINE = msgspec.json.Decoder(_Line)
_MESSAGE = msgspec.json.Decoder(_Message)
_CARRIED = msgspec.json.Decoder(dict[str, int])


class ClaudeSession:
    """What one file's lines tell: each message once, by its id."""

    def __init__(self, carried: str | None) -> None:
        self._first: dict[str, int] = _CARRIED.decode(carried) if carried else {}
        self._calls: dict[str, SessionLine] = {}
        self._problems: list[SessionLine] = []

    def take(self, line: bytes) -> None:
        """Look at a line; what is no answer with its usage is passed over undecoded."""
        if b'"usage"' not in line or b'"assistant"' not in line:
            return
        try:
            read = _LINE.decode(line)
            message = _MESSAGE.decode(read.message) if read.type == "assistant" else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._problems.append(session_line.problem_of(error))
            return
        # What Claude Code says itself, such as that it was interrupted, has a model in angle brackets.
        if message is not None and message.usage is not None and not (message.model or "").startswith("<"):
            self._tell(read, message, message.usage)

    def too_long(self, start: bytes) -> None:
        """A long line is most often a picture that a person gave."""
        if b'"type":"assistant"' in start:
            self._problems.append(SessionLine(problem="too_long"))

    def told(self) -> list[SessionLine]:
        """The calls of the lines taken, in the order of their first telling, and what could not be read."""
        return [*self._calls.values(), *self._problems]

    def carried(self) -> str | None:
        """The moments of the last messages: another visit may find the rest of one."""
        last = dict(list(self._first.items())[-_MOST_CARRIED:])
        return msgspec.json.encode(last).decode() if last else None

    def _tell(self, line: _Line, message: _Message, usage: _Usage) -> None:
        own = message.id or line.requestId or line.uuid or ""
        identity = own if own.startswith("msg_") or not message.id else f"{own}/{line.requestId or ''}"
        number = hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        moment = session_line.moment_us(line.timestamp)
        if moment is not None:
            # To the end of the dict, so that what is carried are the messages that were seen last.
            self._first[number] = min(self._first.pop(number, moment), moment)
        split, read = usage.cache_creation or _Written(), usage.cache_read_input_tokens or 0
        one_hour = split.ephemeral_1h_input_tokens or 0
        written = usage.cache_creation_input_tokens or (split.ephemeral_5m_input_tokens or 0) + one_hour
        project, project_name = session_line.project_of(line.cwd)
        told = SessionLine(
            id=identity,
            us=self._first.get(number),
            project=project,
            project_name=project_name,
            provider=_provider(message.id or "", message.model or ""),
            model=message.model or "",
            tier=usage.speed if usage.speed not in {None, "standard"} else usage.service_tier,
            region=None if (usage.inference_geo or "") in _NO_REGION else usage.inference_geo,
            input_tokens=(usage.input_tokens or 0) + written + read,
            output_tokens=usage.output_tokens or 0,
            cache_read_tokens=read,
            cache_write_5m_tokens=written - one_hour,
            cache_write_1h_tokens=one_hour,
            is_subagent=bool(line.isSidechain),
        )
        known = self._calls.get(identity)
        if known is None or told.tokens > known.tokens:
            self._calls[identity] = told
        if known is not None:
            self._calls[identity].us = told.us


def _provider(message_id: str, model: str) -> str:
    """Who ran the model: Claude Code also talks to clouds and to gateways of others."""
    if message_id.startswith("msg_bdrk_"):
        return "bedrock"
    if message_id.startswith("msg_vrtx_"):
        return "vertex_ai"
    return "anthropic" if model.startswith("claude") else "unknown"


def _begin(_: SessionFile, carried: str | None) -> ClaudeSession:
    return ClaudeSession(carried)


def _files(visit: Visit) -> list[SessionFile]:
    own = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    return session_folder.files(session_folder.folders(visit.setting, own / "projects"), ".jsonl")


PLACE = Place(
    name="claude_code",
    title="Claude Code's sessions",
    setting=SETTING,
    collect=lambda visit: session_folder.collect(visit, _files(visit), _begin),
    has_news=lambda visit: session_folder.has_news(visit, _files(visit)),
)
GATEWAY = session_line.gateway("claude_code", "Claude Code", PLACE)
