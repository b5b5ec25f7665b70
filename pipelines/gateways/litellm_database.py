"""postgresql://… -> inbox/litellm/: the SpendLogs rows of LiteLLM's own database, read in read-only transactions.

Only columns and fields that are read leave the database: never `messages`, `response`, `proxy_server_request`, nor an
error's text. Rows are written late and out of order, so time is cut into stretches of five minutes: a stretch of the
last two days whose count or tokens changed is read again, and a call is told by its id. The table's key is the
upstream's id of the response, which repeats: LiteLLM itself keeps the first call under each, the others are not there.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pipelines.errors import PlaceError
from pipelines.gateways.provider import Place
from pipelines.gateways.visit import MOST_LINES, Visit
from warehouse.control.watched import Watched

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

SETTING = "APILEDGER_LITELLM_DATABASE"
STRETCH_S = 300
LOOK_BACK_STRETCHES = 2 * 86_400 // STRETCH_S

_TABLE = "LiteLLM_SpendLogs"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (naive UTC, as the table keeps it)
_MOMENTS = frozenset({"startTime", "endTime"})
# What Prisma reads of an address and libpq does not know.
_PRISMAS = frozenset(
    {"schema", "connection_limit", "pool_timeout", "socket_timeout", "pgbouncer", "sslaccept", "statement_cache_size"}
)


# What the driver says, in our words: its own sentence may repeat the address, which holds a password.
_SAID = (
    ("password authentication failed", "the password is refused"),
    ("LiteLLM_SpendLogs", "it has no table LiteLLM_SpendLogs there"),
    ("permission denied", "the table may not be read"),
    ("does not exist", "there is no such database or user"),
    ("Connection refused", "nothing listens there"),
    ("timeout", "no answer in time"),
)


@dataclass(frozen=True)
class _Stretch:
    number: int
    rows: int
    tokens: int


@dataclass(frozen=True)
class _Reading:
    """What is read and of which table: built once a visit, from the columns that are there."""

    reduced: Callable[[bytes], bytes]
    keys: Collection[str]
    metadata_keys: tuple[str, ...]


def place(reduced: Callable[[bytes], bytes], keys: Collection[str], metadata_keys: tuple[str, ...]) -> Place:
    """The place; `keys` are the columns that may be read, `metadata_keys` the fields of the column of that name."""
    reading = _Reading(reduced, keys, metadata_keys)
    return Place("litellm_database", "LiteLLM's database", SETTING, lambda visit: _collect(visit, reading))


def _collect(visit: Visit, reading: _Reading) -> None:
    import psycopg

    try:
        address, schema = _address(visit.setting)
        with psycopg.connect(address, connect_timeout=10, application_name="apiledger") as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            _read(visit, connection, schema, reading)
    except (psycopg.Error, ValueError) as error:
        code = getattr(error, "sqlstate", None) or type(error).__name__
        said = next((ours for theirs, ours in _SAID if theirs in str(error)), code)
        raise PlaceError(f"the database did not answer: {said}; see {SETTING}") from None


def _address(setting: str) -> tuple[str, str]:
    """An address as libpq takes it, and the schema that Prisma's form of it names."""
    parts = urlsplit(setting)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise PlaceError(f"{SETTING} is postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    told = parse_qsl(parts.query)
    schema = dict(told).get("schema", "public")
    return urlunsplit(parts._replace(query=urlencode([(k, v) for k, v in told if k not in _PRISMAS]))), schema


def _read(visit: Visit, connection: "psycopg.Connection[Any]", schema: str, reading: _Reading) -> None:
    from psycopg import sql

    table = sql.Identifier(schema, _TABLE)
    until_lookup = visit.lookup("until")
    until = visit.known.get(until_lookup)
    since = None if until is None else until.read_to - LOOK_BACK_STRETCHES
    with connection.transaction():
        stretches = _stretches(connection, table, since)
        row = _row(connection, schema, reading)
    if not stretches:
        return
    newest = max(stretches[-1].number, until.read_to if until else 0)
    kept_from = newest - LOOK_BACK_STRETCHES
    for run in _changed(visit, stretches):
        visit.progress(f"watching {visit.place}", run[0].number, newest)
        with connection.transaction():
            lines = [reading.reduced(line) for line in _lines(connection, table, row, run)]
        reached = max(run[-1].number, visit.known[until_lookup].read_to if until_lookup in visit.known else 0)
        things = [_thing(visit, stretch) for stretch in run if stretch.number >= kept_from]
        visit.hand_over(lines, [*things, Watched(until_lookup, read_to=reached)])
    visit.still_there(visit.known)
    visit.hand_over([], [], _past(visit, kept_from, until_lookup))


def _stretches(connection: "psycopg.Connection[Any]", table: "sql.Identifier", since: int | None) -> list[_Stretch]:
    """Every stretch with its rows and tokens, by time."""
    from psycopg import sql

    query = sql.SQL(
        """SELECT floor(extract(epoch FROM "startTime") / {seconds})::bigint, count(*), sum(total_tokens)::bigint
           FROM {table} WHERE "startTime" >= {since} GROUP BY 1 ORDER BY 1"""
    ).format(seconds=sql.Literal(STRETCH_S), table=table, since=sql.Literal(_moment(since or 0)))
    return [_Stretch(number, rows, tokens or 0) for number, rows, tokens in connection.execute(query).fetchall()]


def _moment(stretch: int) -> datetime:
    return _EPOCH + timedelta(seconds=stretch * STRETCH_S)


def _thing(visit: Visit, stretch: _Stretch) -> Watched:
    # Its number stands in clear as `inode`, so that it can be told when it is past.
    return Watched(
        visit.lookup(f"stretch {stretch.number}"), inode=stretch.number, size=stretch.rows, read_to=stretch.tokens
    )


def _changed(visit: Visit, stretches: list[_Stretch]) -> Iterator[list[_Stretch]]:
    """Runs of neighbouring stretches that are not as they were, of about MOST_LINES rows."""
    run: list[_Stretch] = []
    for stretch in stretches:
        thing = _thing(visit, stretch)
        if visit.known.get(thing.lookup) != thing:
            run.append(stretch)
        if run and (run[-1] is not stretch or sum(each.rows for each in run) >= MOST_LINES):
            yield run
            run = []
    if run:
        yield run


def _past(visit: Visit, kept_from: int, until: bytes) -> list[bytes]:
    return [lookup for lookup, known in visit.known.items() if known.inode < kept_from and lookup != until]


def _row(connection: "psycopg.Connection[Any]", schema: str, reading: _Reading) -> "sql.Composable":
    """A row as one JSON text, made by the database of the columns that are there and may be read."""
    from psycopg import sql

    query = "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
    there = {name for (name,) in connection.execute(query, (schema, _TABLE)).fetchall()}
    pairs = [
        sql.SQL("{}, {}").format(sql.Literal(name), _value(name, reading)) for name in sorted(there & set(reading.keys))
    ]
    return sql.SQL("json_build_object({})::text").format(sql.SQL(", ").join(pairs))


def _value(name: str, reading: _Reading) -> "sql.Composable":
    from psycopg import sql

    column = sql.Identifier(name)
    if name in _MOMENTS:
        return sql.SQL("""to_char({}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""").format(column)
    if name != "metadata":
        return column
    error = """'error_information', jsonb_build_object('error_code', metadata #> '{error_information,error_code}',
        'error_class', metadata #> '{error_information,error_class}')"""
    plain = [key for key in reading.metadata_keys if key != "error_information"]
    fields = [sql.SQL("{0}, metadata -> {0}").format(sql.Literal(key)) for key in plain]
    # Where it is a text, it is read here and goes no further than this process.
    return sql.SQL(
        "CASE jsonb_typeof(metadata) WHEN 'object' THEN jsonb_strip_nulls(jsonb_build_object({})) "
        "WHEN 'string' THEN metadata END"
    ).format(sql.SQL(", ").join([sql.SQL(re.sub(r"\s+", " ", error)), *fields]))


def _lines(
    connection: "psycopg.Connection[Any]", table: "sql.Identifier", row: "sql.Composable", run: list[_Stretch]
) -> Iterator[bytes]:
    """The rows of a run, fetched in batches by a cursor of the server."""
    from psycopg import sql

    query = sql.SQL('SELECT {row} FROM {table} WHERE "startTime" >= %s AND "startTime" < %s').format(
        row=row, table=table
    )
    with connection.cursor(name="apiledger") as cursor:
        cursor.itersize = 2_000
        cursor.execute(query, (_moment(run[0].number), _moment(run[-1].number + 1)))
        for (line,) in cursor:
            yield line.encode()
