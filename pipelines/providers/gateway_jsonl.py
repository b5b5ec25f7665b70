"""inbox/gateway_jsonl/*.jsonl[.gz] -> raw_gateway_jsonl.calls: one JSON object a line, whatever gateway wrote it.

The contract: request_id, ts (RFC 3339, the start), account_id, key_id, upstream?, project?, team?, user_id?,
end_user_id?, tags?, provider, model, input_tokens (cache included), output_tokens (reasoning included), cached_tokens?,
reasoning_tokens?, service_tier?, status (ok, error, cancelled, or an HTTP status), latency_ms, ip?, user_agent?, cost?
(a decimal string, or a number). No other key is ever turned into anything.
"""

from typing import Any

import msgspec
import pyarrow as pa

from pipelines.gateways.provider import Gateway, LineError
from pipelines.gateways.record import COLUMNS

_TEXTS = (
    "request_id",
    "ts",
    "account_id",
    "key_id",
    "upstream",
    "project",
    "team",
    "user_id",
    "end_user_id",
    "provider",
    "model",
    "service_tier",
    "status",
    "ip",
    "user_agent",
    # Evidence and no sum of ours; as text, so that a decimal string stays what it is.
    "cost",
)
# Read as DOUBLE, since BIGINT would round 1.5 to 2 without a word.
_NUMBERS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "latency_ms")
# The record's rules say of these that an object is none.
_CHECKED = {"ts", "status", "cost"}
_NAMES = (*_TEXTS, *_NUMBERS, "tags")

_MEANING: dict[str, str] = {
    "form": "0",
    "identity": "request_id",
    # Through TIMESTAMPTZ, whose cast honours the offset; its epoch is UTC whatever zone the machine is in.
    # A leap second is the last second of its minute; RFC 3339 allows small letters.
    "requested_at": "make_timestamp(epoch_us(coalesce(try_cast(upper(ts) AS TIMESTAMPTZ), "
    r"try_cast(regexp_replace(upper(ts), ':60((\.\d+)?(Z|[+-]))', ':59\1') AS TIMESTAMPTZ))))",
    "account": "account_id",
    "key": "key_id",
    "key_name": "key_id",
    "project_name": "project",
    "team_name": "team",
    "user": "user_id",
    "end_user": "end_user_id",
    "cache_read_tokens": "cached_tokens",
    "reasoning_out_tokens": "reasoning_tokens",
}


def meaning_sql(source: str) -> str:
    """A SELECT of the common record's columns over a relation that has the contract's keys."""
    selected = []
    for name, kind in COLUMNS:
        expression = _MEANING.get(name) or (name if name in _NAMES else "NULL")
        selected.append(f'{expression}::{kind} AS "{name}"')
    return ", ".join(selected).join(("SELECT ", f" FROM {source}"))


def file_sql(files: str) -> str:
    """Whole files, told in SQL, as DuckDB's reader takes them: the named keys alone; the first bad line fails it all.

    The reader would take `true` for 1, so counts come as texts; it takes an object for its text, so a text that could
    be one fails the file, too.
    """
    kinds = dict.fromkeys((*_TEXTS, *_NUMBERS), "VARCHAR") | {"tags": "VARCHAR[]"}
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items())
    read = f"read_json({files}, format='newline_delimited', columns={{{columns}}}, maximum_object_size=8388608)"
    numbers = ", ".join(f"{name}::DOUBLE AS {name}" for name in _NUMBERS)
    # A brace is a bracket and one bit: half the comparisons.
    objects = " OR ".join(f"ascii({name}) | 32 = ascii('{{')" for name in _TEXTS if name not in _CHECKED)
    request_id = f"CASE WHEN {objects} THEN error('a text is an object') ELSE request_id END AS request_id"
    return f"(SELECT * REPLACE ({numbers}, {request_id}) FROM {read})"


_Text = str | int | float | None
_Number = int | float | str | None
_Line = msgspec.defstruct(
    "_Line",
    [
        *((name, _Text, None) for name in _TEXTS),
        *((name, _Number, None) for name in _NUMBERS),
        ("tags", list[_Text] | dict[str, _Text] | str | None, None),
    ],
)
_DECODER = msgspec.json.Decoder(_Line)


def decode(line: bytes) -> tuple[Any, ...]:
    """One line by itself, in the order of the source's columns; LineError where it is no object of the contract."""
    values = msgspec.structs.astuple(_DECODER.decode(line))
    texts = tuple(value if value is None or isinstance(value, str) else str(value) for value in values[: len(_TEXTS)])
    numbers = tuple(_number(value) for value in values[len(_TEXTS) : -1])
    return (*texts, *numbers, _tags(values[-1]))


def _tags(tags: list[Any] | dict[str, Any] | str | None) -> list[str] | None:
    """Tags as a list: one text is one tag, a pair is `key:value`."""
    if isinstance(tags, dict):
        return [f"{key}:{value}" for key, value in tags.items() if value is not None]
    if isinstance(tags, str):
        return [tags]
    return None if tags is None else [str(tag) for tag in tags if tag is not None]


def _number(value: str | float | None) -> float | None:
    # A count or a duration, never money: cost stays text.
    try:
        return None if value is None else float(value)
    except (ValueError, OverflowError):
        raise LineError("a count or a duration is no number") from None


GATEWAY = Gateway(
    name="gateway_jsonl",
    title="Gateway log, one JSON object a line",
    columns=pa.schema(
        [
            *((name, pa.string()) for name in _TEXTS),
            *((name, pa.float64()) for name in _NUMBERS),
            ("tags", pa.list_(pa.string())),
        ]
    ),
    decode=decode,
    meaning_sql=meaning_sql,
    keys=frozenset(_NAMES),
    file_sql=(file_sql,),
)
