"""~/.codex/sessions/**/rollout-*.jsonl -> raw_codex.calls: Codex's sessions, where they lie, once switched on.

A `token_count` event tells the session's totals so far, often twice: a call is what they grew by. `input_tokens` holds
the cached ones, `output_tokens` the reasoning. The model stands in the `turn_context` before. A forked session and an
agent's begin with the events of the session they come from, under new times: those whose totals that session has too
are passed over; where its file is gone, the burst that was written within a second apiece. Requests that only compact a
session are told in no `token_count` and are missing here. Only the fields named here are decoded.
"""

import os
import re
from pathlib import Path
from typing import Any

import msgspec

from pipelines.gateways import session_folder, session_line
from pipelines.gateways.provider import Place
from pipelines.gateways.session_folder import SessionFile
from pipelines.gateways.session_line import SessionLine
from pipelines.gateways.visit import Visit
from warehouse import labels

SETTING = "APILEDGER_CODEX"

_BURST_US = 1_000_000
_READ = (b'"token_count"', b'"turn_context"')
_NO_MODEL = "unknown"
_Totals = tuple[int, int, int, int]


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0

    def totals(self) -> _Totals:
        return self.input_tokens, self.cached_input_tokens, self.output_tokens, self.reasoning_output_tokens


class _Info(msgspec.Struct):
    total_token_usage: _Usage | None = None
    last_token_usage: _Usage | None = None


class _Payload(msgspec.Struct):
    type: Any = None
    info: _Info | None = None
    model: str | None = None


class _Line(msgspec.Struct):
    type: Any = None
    timestamp: str | None = None
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Meta(msgspec.Struct):
    id: str = ""
    cwd: str | None = None
    model_provider: str | None = None
    forked_from_id: str | None = None
    source: msgspec.Raw = msgspec.Raw(b"null")


class _State(msgspec.Struct):
    """What goes from one visit to the next."""

    totals: _Totals | None = None
    model: str = _NO_MODEL
    is_replay: bool = False
    last_us: int | None = None


_LINE = msgspec.json.Decoder(_Line)
_PAYLOAD = msgspec.json.Decoder(_Payload)
_META = msgspec.json.Decoder(_Meta)
_STATE = msgspec.json.Decoder(_State)
_PARENT = re.compile(rb'"parent_thread_id"\s*:\s*"([\w-]{1,64})"')


class CodexSession:
    """What one rollout's lines tell: a call each time the totals grew."""

    def __init__(self, file: SessionFile, carried: str | None) -> None:
        meta = _meta(file)
        self._id = meta.id or file.path.stem.removeprefix("rollout-")
        self._provider = meta.model_provider or "openai"
        self._project, self._project_name = session_line.project_of(meta.cwd)
        source = bytes(meta.source)
        parent = _PARENT.search(source)
        self._is_subagent = b'"subagent"' in source
        self._parent_id = meta.forked_from_id or (parent[1].decode() if parent else None)
        is_fork = self._parent_id not in {None, meta.id}
        self._state = _STATE.decode(carried) if carried else _State(is_replay=is_fork)
        self._parent_totals: set[_Totals] = set()
        if self._state.is_replay:
            self._find_replay(file)
        self._calls: list[SessionLine] = []

    def take(self, line: bytes) -> None:
        """Look at a line; what is neither a count nor a turn's context is passed over undecoded."""
        if not any(sign in line for sign in _READ):
            return
        try:
            read = _LINE.decode(line)
            payload = _PAYLOAD.decode(read.payload) if read.type in {"event_msg", "turn_context"} else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as error:
            self._calls.append(session_line.problem_of(error))
            return
        if payload is None:
            return
        if read.type == "turn_context":
            model = payload.model or ""
            is_model = re.fullmatch(labels.MODEL, model) and not labels.is_telling(model)
            self._state.model = model if is_model else _NO_MODEL
        elif payload.type == "token_count" and payload.info is not None:
            self._count(payload.info, session_line.moment_us(read.timestamp))

    def too_long(self, start: bytes) -> None:
        """A count is short: a long line is none."""

    def told(self) -> list[SessionLine]:
        """The calls of the lines taken, and what could not be read."""
        return self._calls

    def carried(self) -> str | None:
        """The totals so far, the model, and whether another session's events are still being repeated."""
        return msgspec.json.encode(self._state).decode()

    def _find_replay(self, file: SessionFile) -> None:
        """Look how the file begins: with what its parent told, with a burst, or with calls of its own."""
        opening = _told(file.path, 2)
        parent = file.beside(f"-{self._parent_id}.jsonl")
        totals = {told for told, _ in _told(parent)} if parent is not None else set()
        if not opening:
            return
        if opening[0][0] in totals:
            self._parent_totals = totals
        elif self._state.last_us is None:
            moments = [us for _, us in opening if us is not None]
            self._state.is_replay = len(moments) == 2 and 0 <= moments[1] - moments[0] <= _BURST_US

    def _count(self, info: _Info, us: int | None) -> None:
        before, state = self._state.totals, self._state
        last = info.last_token_usage.totals() if info.last_token_usage else None
        if info.total_token_usage is not None:
            totals = info.total_token_usage.totals()
        elif last is not None:
            totals = _sum(before or (0, 0, 0, 0), last)
        else:
            return
        grown = _grown(totals, before, last)
        state.totals = totals
        if state.is_replay and self._repeats(totals, us):
            return
        if grown[0] or grown[2]:
            self._calls.append(self._call(totals, grown, us))

    def _repeats(self, totals: _Totals, us: int | None) -> bool:
        """Whether an event is the parent's; the first that is not ends it."""
        state = self._state
        since, state.last_us = state.last_us, us
        if self._parent_totals:
            state.is_replay = totals in self._parent_totals
        else:
            state.is_replay = since is None or (us is not None and us - since <= _BURST_US)
        return state.is_replay

    def _call(self, totals: _Totals, grown: _Totals, us: int | None) -> SessionLine:
        read, cached, wrote, thought = grown
        return SessionLine(
            # The totals tell one call of a session from the next, and a second reading tells the same.
            id=f"{self._id}/{'-'.join(map(str, totals))}",
            us=us,
            project=self._project,
            project_name=self._project_name,
            provider=self._provider,
            model=self._state.model,
            input_tokens=read,
            output_tokens=wrote,
            cache_read_tokens=cached,
            reasoning_out_tokens=thought,
            is_subagent=self._is_subagent,
        )


def _sum(one: _Totals, other: _Totals) -> _Totals:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def _grown(totals: _Totals, before: _Totals | None, last: _Totals | None) -> _Totals:
    """What the totals grew by; where they begin, or begin anew, what the event says of its own call."""
    if before is None or any(now < then for now, then in zip(totals, before, strict=True)):
        return last or totals
    return _sum(totals, (-before[0], -before[1], -before[2], -before[3]))


def _meta(file: SessionFile) -> _Meta:
    """The session's own first line; later ones are of sessions that it repeats."""
    try:
        line = _LINE.decode(file.head())
        return _META.decode(line.payload) if line.type == "session_meta" else _Meta()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Meta()


def _told(path: Path, most: int | None = None) -> list[tuple[_Totals, int | None]]:
    """The totals that a file tells, with their moments, at most so many."""
    found = []
    with session_folder.opened(path) as handle:
        for line in handle:
            if b'"token_count"' in line:
                try:
                    read = _LINE.decode(line)
                    info = _PAYLOAD.decode(read.payload).info
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    continue
                if info is not None and info.total_token_usage is not None:
                    found.append((info.total_token_usage.totals(), session_line.moment_us(read.timestamp)))
                    if len(found) == most:
                        break
    return found


def _files(visit: Visit) -> list[SessionFile]:
    own = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    listed = session_folder.files(
        session_folder.folders(visit.setting, own / "sessions", own / "archived_sessions"), ".jsonl"
    )
    return [file for file in listed if file.path.name.startswith("rollout-")]


PLACE = Place(
    name="codex",
    title="Codex's sessions",
    setting=SETTING,
    collect=lambda visit: session_folder.collect(visit, _files(visit), CodexSession),
    has_news=lambda visit: session_folder.has_news(visit, _files(visit)),
)
GATEWAY = session_line.gateway("codex", "Codex CLI", PLACE)
