"""LiteLLM proxy -> inbox/litellm/*.jsonl: one line for each call, what it cost, and no word of what was said.

Copy this one file beside LiteLLM's config (it needs LiteLLM and nothing else) and add two lines to the config:

    litellm_settings:
      callbacks: apiledger_litellm.writer

Set APILEDGER_INBOX to the folder `inbox/litellm` of apiledger's home, as an absolute path; without it, and with
APILEDGER_HOME set, `$APILEDGER_HOME/inbox/litellm` is taken; with neither, one error is logged and nothing is written.
Run the proxy as the Unix user that runs apiledger: the files are 0600.

Lines go into a `.part` file that gets its final name every three seconds, so that a reader never sees half a file; what
a killed proxy leaves behind is renamed by the next one to start.
"""

import atexit
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

try:
    from litellm.integrations.custom_logger import CustomLogger
except ImportError:  # read outside the proxy, where nobody calls it
    CustomLogger = object

RENAME_SECONDS = 3.0
# The thread brings what has come to the disk this often: what a killed proxy may lose.
DRAIN_SECONDS = 0.05
RETRY_SECONDS = 1.0
LINES_PER_FILE = 5_000
# About 40 MB: at a hundred calls a second, five minutes of a full disk.
WAITING_LINES = 30_000
STUCK = "apiledger: the inbox cannot be written (errno %s); trying again"
FULL = "apiledger: %s calls wait for the disk; further ones are not recorded until it has room"
ADDRESS = re.compile(r"(\w+://)(?:[^/?#]*@)?([^?#]+)")
WORD = re.compile(r"[\w.:/@+-]{1,128}")
log = logging.getLogger("apiledger_litellm")
Rule = Callable[[Any], Any]


def _number(value: Any) -> int | float | None:
    """A finite number or a flag as it is: json writes a float by its shortest repr, so the literal survives."""
    return value if isinstance(value, int | float) and -1e15 < value < 1e15 else None


def _text(value: Any) -> str | None:
    """A name or an id, without the control characters and half surrogates that would cost the reader the line."""
    return "".join(c for c in value[:256] if c.isprintable()) if isinstance(value, str) else None


def _word(value: Any) -> str | None:
    """A word of a small vocabulary: a sentence in its place, such as an error's message, is dropped."""
    return value if isinstance(value, str) and WORD.fullmatch(value) else None


def _address(value: Any) -> str | None:
    """Where the call went, without user, query and fragment: Gemini's carries the key."""
    place = ADDRESS.match(value) if isinstance(value, str) else None
    return _text(place[1] + place[2]) if place else None


def _key_hash(value: Any) -> str | None:
    """LiteLLM's own hash of the key, or its word for the master key; whatever else stands there is hashed."""
    if not isinstance(value, str) or value == "litellm_proxy_master_key" or re.fullmatch(r"[0-9a-f]{64}", value):
        return _text(value)
    return hashlib.sha256(value.encode(errors="replace")).hexdigest()


def _tags(value: Any) -> list[str]:
    """The tags people gave; LiteLLM adds the user agent to them, which has a field of its own."""
    given = [_text(tag) for tag in value] if isinstance(value, list) else []
    return [tag for tag in given if tag and not tag.startswith("User-Agent:")][:64]


def _fields(rules: Mapping[str, Rule]) -> Rule:
    """The rule for an object: the fields named here by their rules, and no other."""

    def take(value: Any) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            return None
        return {name: taken for name, rule in rules.items() if (taken := rule(value.get(name))) is not None}

    return take


def _all(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_CACHE_WRITES = _fields(_all(_number, "ephemeral_5m_input_tokens ephemeral_1h_input_tokens"))
_DETAILS = _all(_number, "cached_tokens cache_write_tokens cache_creation_tokens reasoning_tokens text_tokens")
_DETAILS |= _all(_number, "audio_tokens image_tokens accepted_prediction_tokens rejected_prediction_tokens")
_USAGE = _all(_number, "prompt_tokens completion_tokens cache_creation_input_tokens cache_read_input_tokens")
_USAGE |= _all(_fields(_DETAILS | {"cache_creation_token_details": _CACHE_WRITES}), "prompt_tokens_details")
_USAGE |= _all(_word, "service_tier inference_geo")
_USAGE |= {"completion_tokens_details": _fields(_DETAILS), "cache_creation": _CACHE_WRITES}
_TIER = _fields(_all(_word, "service_tier"))
_METADATA = _all(_text, "user_api_key_alias user_api_key_team_id user_api_key_team_alias user_api_key_org_id")
_METADATA |= _all(_text, "user_api_key_project_id user_api_key_project_alias user_api_key_user_id")
_METADATA |= {"user_api_key_end_user_id": _text, "user_api_key_hash": _key_hash, "usage_object": _fields(_USAGE)}
_PAYLOAD = _all(_text, "id litellm_call_id model model_group model_id end_user requester_ip_address user_agent")
_PAYLOAD |= _all(_word, "call_type status custom_llm_provider") | _all(_number, "cache_hit stream")
_PAYLOAD |= _all(_number, "startTime endTime completionStartTime prompt_tokens completion_tokens total_tokens")
_PAYLOAD |= {"response_cost": _number, "api_base": _address, "request_tags": _tags, "metadata": _fields(_METADATA)}
_PAYLOAD |= {"error_information": _fields(_all(_word, "error_code error_class"))}
_LINE = _fields(_PAYLOAD)


def line(payload: Mapping[str, Any]) -> bytes:
    """One StandardLoggingPayload as a JSON line of the allow-listed fields; prompt and answer are never looked at."""
    record, charged = _LINE(payload), _TIER(payload.get("cost_breakdown"))
    usage = record.get("metadata", {}).get("usage_object")
    if usage and charged:  # OpenAI says the tier beside its usage; LiteLLM keeps the one it priced by here
        usage.setdefault("service_tier", charged["service_tier"])
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


class PartFile:
    """One file of lines under its `.part` name, held by an flock so that nobody takes it for a leftover."""

    def __init__(self, folder: Path, counter: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Containers that share the folder may share a process id: nanoseconds tell them apart.
        self.final = folder / f"{time.time_ns()}-{os.getpid()}-{counter}.jsonl"
        self.path = self.final.with_suffix(".jsonl.part")
        self.opened, self.lines, self.size = time.monotonic(), 0, 0
        self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        with contextlib.suppress(OSError):  # a file system without flock: nobody can adopt there either
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def append(self, lines: list[bytes]) -> None:
        """Write whole lines or, on OSError (a full disk), leave the file as it was."""
        rest = memoryview(b"".join(lines))
        size = self.size + len(rest)
        try:
            while rest:
                rest = rest[os.write(self.file, rest) :]
        except OSError:
            os.ftruncate(self.file, self.size)
            raise
        self.size, self.lines = size, self.lines + len(lines)

    def publish(self) -> None:
        """Give the file its final name, once its lines are on the disk."""
        try:
            os.fsync(self.file)
            self.path.rename(self.final)
        finally:
            os.close(self.file)


def adopt(folder: Path) -> None:
    """Give the `.part` files that dead proxies left their final name; a live writer's flock keeps its own."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*.jsonl.part")):
            with contextlib.suppress(OSError), path.open("rb") as leftover:
                fcntl.flock(leftover, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.stat().st_size:  # an empty one may be a file that a worker is just about to lock
                    path.rename(path.with_suffix(""))


class Writer(CustomLogger):  # type: ignore[misc]  # LiteLLM is looked at without its types
    """LiteLLM's callback: it makes a line of each call on the spot and hands it to a thread that writes.

    `async_log_success_event` comes for an answered call, and for a stream that its caller broke off: with the tokens
    LiteLLM counted by then and `error_information` 499 ClientDisconnected. `async_log_failure_event` comes at the first
    failed attempt; a retry or fallback that is answered comes again under the same `litellm_call_id`, and counts.
    """

    def __init__(self, folder: Path | None, rename_seconds: float = RENAME_SECONDS) -> None:
        super().__init__()
        # LiteLLM then hands prompts and answers to this callback already blanked.
        self.turn_off_message_logging = True
        self.folder, self.rename_seconds, self.waiting = folder, rename_seconds, WAITING_LINES
        self.pid = self.counter = self.dropped = 0
        self.said: set[str] = set()

    def start(self) -> None:
        """Start the thread; again in a forked worker, which inherits the object but no thread."""
        self.pid, self.closed = os.getpid(), False
        self.part: PartFile | None = None
        self.lines: deque[bytes] = deque()
        self.wake, self.stop, self.writing = threading.Event(), threading.Event(), threading.Lock()
        if self.folder is None:
            self._say_once("apiledger: set APILEDGER_INBOX to <home>/inbox/litellm; until then no call is recorded")
            return
        threading.Thread(target=self._run, args=(self.folder,), name="apiledger", daemon=True).start()
        atexit.register(self.close)
        self._hurry_on_sigterm()

    def _hurry_on_sigterm(self) -> None:
        """After SIGTERM uvicorn ends the process without atexit: from then on every line is published at once."""
        before = signal.getsignal(signal.SIGTERM)
        if not callable(before) or threading.current_thread() is not threading.main_thread():
            return  # no server has taken the signal, so it is not ours to take

        def hurry(number: int, frame: Any) -> None:
            self.rename_seconds = 0.0
            self.wake.set()
            before(number, frame)

        signal.signal(signal.SIGTERM, hurry)

    def _say_once(self, sentence: str, *values: object) -> None:
        if sentence not in self.said:
            self.said.add(sentence)
            log.error(sentence, *values)

    def record(self, kwargs: Mapping[str, Any]) -> None:
        """Take one event: never raises, never waits; a line too many while the disk is full is counted and dropped."""
        try:
            if self.pid != os.getpid():
                self.start()
            payload = kwargs.get("standard_logging_object")
            if self.folder is None or not isinstance(payload, Mapping):
                return
            if len(self.lines) >= self.waiting:
                self.dropped += 1
                self._say_once(FULL, self.waiting)
                return
            self.lines.append(line(payload))
            self.wake.set()
            if self.closed:  # at exit LiteLLM empties its own queue after our close
                self.close()
        except Exception as error:  # noqa: BLE001  # never break a call; the type alone: a message may quote a prompt
            self._say_once("apiledger: a call could not be recorded (%s)", type(error).__name__)

    def _run(self, folder: Path) -> None:
        adopt(folder)
        while not self.closed:
            self.wake.wait(None if self.part is None and not self.lines else self.rename_seconds / 10)
            self.wake.clear()
            self.stop.wait(DRAIN_SECONDS if self._write(folder, last=False) else RETRY_SECONDS)

    def _write(self, folder: Path, *, last: bool) -> bool:
        """Bring the waiting lines to the disk, and the file to its final name when its time has come."""
        with self.writing:
            try:
                while self.lines or self.part is not None:
                    if self.part is None:
                        self.counter += 1
                        self.part = PartFile(folder, self.counter)
                    batch = list(islice(self.lines.copy(), LINES_PER_FILE - self.part.lines))
                    self.part.append(batch)
                    for _ in batch:
                        self.lines.popleft()
                    fresh = time.monotonic() - self.part.opened < self.rename_seconds
                    if fresh and not last and self.part.lines < LINES_PER_FILE:
                        break
                    part, self.part = self.part, None
                    part.publish()
            except OSError as error:
                self._say_once(STUCK, error.errno)
                return False
            if self.said & {STUCK, FULL}:
                log.error("apiledger: the inbox can be written again; %s calls were not recorded", self.dropped)
                self.said -= {STUCK, FULL}
                self.dropped = 0
                adopt(folder)
        return True

    def close(self) -> None:
        """Write and publish what waits; safe to run again, and nothing in a fork that never recorded."""
        if self.folder is not None and self.pid == os.getpid():
            self.closed = True
            self.stop.set()
            self._write(self.folder, last=True)

    def log_success_event(self, kwargs: Mapping[str, Any], *_: object, **__: object) -> None:
        """Take an event of LiteLLM's synchronous functions."""
        self.record(kwargs)

    async def async_log_success_event(self, kwargs: Mapping[str, Any], *_: object, **__: object) -> None:
        """Take an event of the proxy."""
        self.record(kwargs)

    log_failure_event = log_success_event
    async_log_failure_event = async_log_success_event


_home = os.environ.get("APILEDGER_HOME")
_inbox = os.environ.get("APILEDGER_INBOX") or (_home and f"{_home}/inbox/litellm")
# LiteLLM's mark of what keeps accounts: without it any caller's `no-log`, meant for prompts, would hide the cost.
Writer.__name__ = "_PROXY_Writer"
writer = Writer(Path(_inbox).absolute() if _inbox else None)
if CustomLogger is not object:
    writer.start()
