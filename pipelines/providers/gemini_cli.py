"""~/.gemini/tmp/*/chats/** -> raw_gemini_cli.calls: Gemini CLI's sessions, where they lie, once switched on.

SOURCES: Gemini CLI's own chatRecordingTypes.ts and chatRecordingService.ts. A `.jsonl` is appended to: a message is
written anew, whole and under its id, when its tokens come and when its tools answer; so one call is a message's id,
and what a `$set` repeats is passed over. Older sessions are one `.json`, written anew each time, and are carried over
into a `.jsonl` with the same ids. `input` holds the cached ones and not what tools put in, `output` not the thoughts.
Only the fields named here are decoded; of a prompt, an answer or a tool nothing is.
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

SETTING = "APILEDGER_GEMINI_CLI"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_START = re.compile(rb'\{"id":"([^"\\]{1,128})"')
# Which project a folder's sessions are of: the file that says it lies beside `chats`.
_ROOT, _ROOT_BYTES = ".project_root", 4_096


class _Tokens(msgspec.Struct):
    input: int = 0
    output: int = 0
    cached: int = 0
    thoughts: int | None = None
    tool: int | None = None


class _Message(msgspec.Struct):
    type: Any = None
    id: str = ""
    timestamp: str | None = None
    model: str | None = None
    tokens: _Tokens | None = None


class _Session(msgspec.Struct):
    sessionId: str = ""  # noqa: N815 (Gemini CLI's own name)
    projectHash: str | None = None  # noqa: N815 (Gemini CLI's own name)
    kind: str | None = None


class _Legacy(_Session):
    messages: list[_Message] = []


_MESSAGE = msgspec.json.Decoder(_Message)
_SESSION = msgspec.json.Decoder(_Session)
_LEGACY = msgspec.json.Decoder(_Legacy)


class GeminiSession:
    """What one file's lines tell: each message once, by its id."""

    def __init__(self, file: SessionFile) -> None:
        self._file = file
        self._session = _first(file)
        self._project_name = _project_name(file.path)
        self._calls: dict[str, SessionLine] = {}
        self._problems: list[SessionLine] = []

    def take(self, line: bytes) -> None:
        """Look at a line; what is no answer with its tokens is passed over undecoded."""
        if b'"tokens"' not in line or b'"gemini"' not in line or line.startswith(b'{"$'):
            return
        try:
            self._tell(_MESSAGE.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._problems.append(session_line.problem_of(error))

    def too_long(self, start: bytes) -> None:
        """A long line is most often an answer that was told already, with what its tools gave back."""
        told = _START.match(start)
        is_told = told is not None and self._identity(told[1].decode("utf-8", "replace")) in self._calls
        if b'"type":"gemini"' in start[:_ROOT_BYTES] and not is_told:
            self._problems.append(SessionLine(problem="too_long"))

    def told(self) -> list[SessionLine]:
        """The calls of the lines taken, and what could not be read."""
        return [*self._calls.values(), *self._problems]

    def carried(self) -> None:
        """Nothing: a line says all of its call."""

    def _tell(self, message: _Message) -> None:
        tokens = message.tokens
        if message.type != "gemini" or tokens is None:
            return
        thoughts, model = tokens.thoughts or 0, message.model or ""
        self._calls[self._identity(message.id)] = SessionLine(
            id=self._identity(message.id),
            us=session_line.moment_us(message.timestamp),
            project=(self._session.projectHash or "")[:24] or None,
            project_name=self._project_name,
            provider="gemini" if model.startswith("gemini") else "unknown",
            model=model,
            input_tokens=tokens.input + (tokens.tool or 0),
            output_tokens=tokens.output + thoughts,
            cache_read_tokens=tokens.cached,
            reasoning_out_tokens=thoughts,
            is_subagent=self._session.kind == "subagent",
        )

    def _identity(self, message_id: str) -> str:
        """A session that is resumed or carried over keeps its messages' ids; others count with their session's."""
        return message_id if _UUID.fullmatch(message_id) else f"{self._session.sessionId}/{message_id}"


class LegacySession(GeminiSession):
    """What an older session's one object tells, written over many lines."""

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._lines: list[bytes] = []

    def take(self, line: bytes) -> None:
        """Keep a line until all are there."""
        self._lines.append(line)

    def told(self) -> list[SessionLine]:
        """The calls of the whole object; its last line has no end, so that it may not be among those taken."""
        text = b"".join(self._lines).rstrip()
        if not text.startswith(b"{"):
            return super().told()
        try:
            self._session = read = _LEGACY.decode(text if text.endswith(b"\n}") else text + b"}")
            for message in read.messages:
                self._tell(message)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._problems.append(session_line.problem_of(error))
        return super().told()


def _first(file: SessionFile) -> _Session:
    """What the first line says of the session."""
    try:
        return _SESSION.decode(file.head())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Session()


def _project_name(path: Path) -> str | None:
    """The name of the folder that a session worked in, where Gemini CLI says it."""
    for folder in path.parents[1:3]:
        try:
            with session_folder.opened(folder / _ROOT) as handle:
                return session_line.project_of(handle.read(_ROOT_BYTES).decode("utf-8", "replace").strip())[1]
        except OSError:
            continue
    return None


def _begin(file: SessionFile, _: str | None) -> GeminiSession:
    return LegacySession(file) if file.path.suffix == ".json" else GeminiSession(file)


def _files(visit: Visit) -> list[SessionFile]:
    own = Path(os.environ.get("GEMINI_CLI_HOME") or Path.home()) / ".gemini"
    listed = session_folder.files(session_folder.folders(visit.setting, own / "tmp"), (".jsonl", ".json"))
    # A subagent's sessions lie in a folder of the session above.
    return [file for file in listed if "chats" in {parent.name for parent in file.path.parents[:2]}]


PLACE = Place(
    name="gemini_cli",
    title="Gemini CLI's sessions",
    setting=SETTING,
    collect=lambda visit: session_folder.collect(visit, _files(visit), _begin),
    has_news=lambda visit: session_folder.has_news(visit, _files(visit)),
)
GATEWAY = session_line.gateway("gemini_cli", "Gemini CLI", PLACE)
