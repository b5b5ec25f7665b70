"""A line that tells of one call of an agent on the laptop: what is kept of a session's file, and its way to the record.

Numbers, a model, a hash of the folder and its name: a session's text has no field here.
"""

import hashlib
import re
from datetime import datetime
from typing import Any

import msgspec

from pipelines.gateways.provider import Gateway, LineError, Place
from pipelines.gateways.record_row import SCHEMA, meaning_sql, micros, row

# Why a line of a session's file could not be taken: said by a word, since the line itself is not kept.
PROBLEMS = {
    "no_json": "the line is no JSON",
    "wrong_type": "a field has the wrong type, or the line is no object",
    "too_long": "the line is longer than 8 MiB",
    "too_deep": "the line is nested too deeply",
}
# Whose name a folder has when somebody works in the home folder itself.
_HOMES = frozenset({"home", "Users", "users"})


class SessionLine(msgspec.Struct, omit_defaults=True):
    """One call. `id` tells it from others, `us` is its moment in microseconds since 1970, input holds the cache."""

    id: str = ""
    us: int | None = None
    project: str | None = None
    project_name: str | None = None
    provider: str = ""
    model: str = ""
    tier: str | None = None
    region: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_out_tokens: int = 0
    is_subagent: bool = False
    problem: str | None = None

    @property
    def tokens(self) -> int:
        """All tokens: of two tellings of one call the one with more is the later."""
        return self.input_tokens + self.output_tokens


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(SessionLine)


def encode(line: SessionLine) -> bytes:
    """The line as it lies in the inbox."""
    return _ENCODER.encode(line)


def problem_of(error: Exception) -> SessionLine:
    """The line that stands for one that does not decode."""
    if isinstance(error, msgspec.ValidationError):
        return SessionLine(problem="wrong_type")
    return SessionLine(problem="too_deep" if isinstance(error, RecursionError) else "no_json")


def moment_us(text: str | None) -> int | None:
    """An RFC 3339 time in microseconds since 1970; None where it is none."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return round(moment.timestamp() * 1_000_000) if moment.tzinfo is not None else None


def project_of(folder: str | None) -> tuple[str | None, str | None]:
    """A folder's hash and its base name; without a name where it is somebody's home folder, which is called after them.

    The boundary publishes the name only where it looks like one.
    """
    if not folder:
        return None, None
    parts = re.split(r"[\\/]+", folder.rstrip("\\/"))
    is_home = len(parts) > 1 and parts[-2] in _HOMES and len(parts) <= 4
    number = hashlib.blake2b(folder.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return number, None if is_home else parts[-1]


def decode(line: bytes) -> tuple[Any, ...]:
    """One line -> a row of the record; LineError where it stands for one that could not be read."""
    call = _DECODER.decode(line)
    if call.problem is not None:
        raise LineError(PROBLEMS.get(call.problem, PROBLEMS["wrong_type"]))
    return row(
        identity=call.id,
        request_id=call.id,
        requested_us=micros(call.us),
        project=call.project,
        project_name=call.project_name,
        provider=call.provider,
        upstream=call.provider,
        model=call.model,
        status="ok",
        service_tier=call.tier,
        region=call.region,
        tags=["subagent"] if call.is_subagent else None,
        input_tokens=float(call.input_tokens),
        output_tokens=float(call.output_tokens),
        cache_read_tokens=float(call.cache_read_tokens),
        cache_write_5m_tokens=float(call.cache_write_5m_tokens),
        cache_write_1h_tokens=float(call.cache_write_1h_tokens),
        reasoning_out_tokens=float(call.reasoning_out_tokens),
    )


def gateway(name: str, title: str, place: Place) -> Gateway:
    """The source of an agent whose sessions lie on this machine."""
    keys = frozenset(field.name for field in msgspec.structs.fields(SessionLine))
    return Gateway(name, title, SCHEMA, decode, meaning_sql, keys, places=(place,))
