"""raw_<gateway>.calls, model.request_tag -> model.requests: one row per model call, priced.

One call is one (gateway, its own call id); where several rows tell of it, the first `requested_at` wins, then the
fuller form of the log, then most tokens (a call that was seen while it streamed), then the least row: so a replay, a
shuffle or another split of the files gives the same table.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import polars as pl

from warehouse import frame, tables
from warehouse.prices import PriceBook

_MADE = {"gateway", "context_band", "input_tokens", "output_tokens", "list_cost_usd", "price_version"}
_TAKEN = tuple(name for name in tables.REQUESTS.column_names if name not in _MADE)
# A few words many times over: as numbers that stand for them, groups and joins take half as long.
_WORDS = ("gateway", "provider", "model", "service_tier", "region", "outcome")
# What is read at once, some forty megabytes with Arrow's form of it; 122,880 took a pass 50 MB more and no less time.
FRAME_ROWS = 98_304
# What a call of a sealed day has cost stays, whatever today's prices say.
_KEPT = {
    "kept_cost_pico_usd": ("(list_cost_usd * 1000000000000)::BIGINT", "BIGINT"),
    "kept_price_version": ("price_version", "VARCHAR"),
    "kept_context_band": ("context_band", "VARCHAR"),
}
# Form -1: told of again at the same moment, a call stays what it was.
_KNOWN = """requested_at >= $first AND requested_at < $after
    AND (requested_at::DATE)::VARCHAR || '/' || gateway IN (SELECT unnest($sealed))"""
_KNOWN_CALLS = f"""SELECT {", ".join(f'"{name}"' for name in _TAKEN)}, -1::SMALLINT AS form, tagged.tags, gateway,
      {", ".join(f"{source} AS {name}" for name, (source, _) in _KEPT.items())}
    FROM model.requests LEFT JOIN (
        SELECT request_no, to_json(list(tag ORDER BY tag))::VARCHAR AS tags FROM model.request_tag
        WHERE day IN (SELECT unnest($days)) GROUP BY request_no
    ) AS tagged USING (request_no)
    WHERE {_KNOWN}"""


@dataclass(frozen=True)
class RawCalls:
    """Which rows are read: of days, from gateways that have a raw table; about how many were loaded.

    Of a sealed (day, gateway) the calls that are known are read as well, with what they cost in `_KEPT`: its raw rows
    are gone, and only what came late is there. `may_be_read` is SQL: of a restricted account no new row is processed.
    """

    gateways: Sequence[str]
    days: Sequence[date]
    rows: int
    sealed: Collection[tuple[date, str]] = ()
    may_be_read: str = "TRUE"

    def sql(self, columns: str, known: str) -> str:
        """A SELECT of columns, {gateway} in them replaced by its name; `known` of the calls that are known."""
        within = "requested_at >= $first AND requested_at < $after"
        if len(self.days) <= (max(self.days) - min(self.days)).days:
            # Only where there are gaps: it takes as long as ten more columns.
            listed = ", ".join(f"DATE '{day}'" for day in self.days)
            within += f" AND requested_at::DATE IN ({listed})"
        selects = [
            f"SELECT {columns.format(gateway=name)} FROM raw_{name}.calls WHERE {within} AND {self.may_be_read}"
            for name in self.gateways
        ]
        if self.sealed:
            selects.append(known)
        if not selects:
            raise AssertionError("no gateway has landed anything: there is nothing to model")
        return " UNION ALL ".join(selects)

    def bound(self) -> dict[str, object]:
        """The parameters of that SELECT."""
        bound: dict[str, object] = {"first": min(self.days), "after": max(self.days) + timedelta(days=1)}
        told = {"days": list(self.days), "sealed": [f"{day}/{gateway}" for day, gateway in self.sealed]}
        return bound | (told if self.sealed else {})


def read_calls(connection: duckdb.DuckDBPyConnection, raw: RawCalls) -> Iterator[pl.DataFrame]:
    """The calls that raw rows tell of, each once, some at a time; one frame at least.

    Columns of tables.REQUESTS without the ones made here, and `gateway`, `form`, `tags`; money as Decimal(38,12), words
    as Categorical. Sealed days are read whole, since what is known of them may have lost the gateway's id.
    """
    columns = ", ".join((*(f'"{name}"' for name in _TAKEN), "form", "tags", "'{gateway}' AS gateway"))
    if raw.sealed:
        columns += "".join(f", NULL::{kind} AS {name}" for name, (_, kind) in _KEPT.items())
    if raw.sealed or raw.rows <= FRAME_ROWS:
        yield one_row_a_call(pl.concat(_frames(connection, raw.sql(columns, _KNOWN_CALLS), raw)))
        return
    # A call is told of again, and so are its tries, under its id; of a number the look takes a fifth as long.
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE told_again AS
            SELECT told, count(*) AS rows FROM ({raw.sql("hash(request_id) AS told", "")}) GROUP BY told
            HAVING count(*) > 1""",
        raw.bound(),
    )
    ((again,),) = connection.execute("SELECT coalesce(sum(rows), 0)::BIGINT FROM told_again").fetchall()
    calls = raw.sql(columns, "")
    joined = f"SELECT calls.* FROM ({calls}) AS calls {{}} JOIN told_again ON hash(calls.request_id) = told"
    yield from _frames(connection, joined.format("ANTI") if again else calls, raw)
    parts = -(-again // FRAME_ROWS)
    for part in range(parts):
        # Of one type: what is told as a parameter would be widened, and take five times as long.
        within = f"WHERE hash(calls.request_id) % {parts}::UBIGINT = {part}::UBIGINT"
        yield one_row_a_call(pl.concat(_frames(connection, f"{joined.format('SEMI')} {within}", raw)))


def _frames(connection: duckdb.DuckDBPyConnection, query: str, raw: RawCalls) -> Iterator[pl.DataFrame]:
    """The rows, some at a time; one frame at least."""
    read = connection.execute(query, raw.bound()).to_arrow_reader(FRAME_ROWS)
    frames = (_worded(pl.DataFrame(pl.from_arrow(batch))) for batch in read)
    yield next(frames, _worded(pl.DataFrame(read.schema.empty_table())))
    yield from frames


def _worded(read: pl.DataFrame) -> pl.DataFrame:
    return read.with_columns(pl.col(_WORDS).cast(pl.Categorical))


def one_row_a_call(calls: pl.DataFrame) -> pl.DataFrame:
    """Rows that tell of calls, with all that tells of them: each call once."""
    if calls["request_no"].n_unique() < calls.height:
        twice = calls.select(pl.col("request_no").is_duplicated()).to_series()
        tokens = pl.sum_horizontal((*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES))
        order = ["requested_at", "form", -tokens, *(name for name in _TAKEN if name != "requested_at"), "tags"]
        first = calls.filter(twice).sort(order, nulls_last=True).unique("request_no", keep="first", maintain_order=True)
        calls = pl.concat([calls.filter(~twice), first])
    return _without_failed_tries(calls)


def _without_failed_tries(calls: pl.DataFrame) -> pl.DataFrame:
    """Drop failures of calls that were served at last: a gateway that tries again logs each try under one call id."""
    by_id = ["gateway", "account_no", "request_id"]
    failed = pl.col("outcome") == "error"
    tried = calls.lazy().filter(failed).select("request_no", *by_id).collect()
    # The ids first: few are those of a failure, and the join is over all three.
    has_failed = pl.col("request_id").is_in(tried["request_id"].implode())
    served = calls.lazy().filter(~failed & has_failed).select(by_id).collect()
    tries = tried.join(served, on=by_id, how="semi").select("request_no")
    return calls.join(tries, on="request_no", how="anti") if tries.height else calls


def told_elsewhere(connection: duckdb.DuckDBPyConnection, raw: RawCalls) -> tuple[pl.DataFrame, list[date]]:
    """What rows of other days tell of, too: calls that stay there, as `request_no`, and days that must be made again.

    The first moment a call is told of is when it was. Asked of all raw rows of the days that `read_calls` would read.
    A gateway that repeats a call under another time crosses midnight at most rarely, so the look is one column wide.
    """
    columns = "request_no, requested_at"
    told = raw.sql(columns, f"SELECT {columns} FROM {tables.REQUESTS.full_name} WHERE {_KNOWN}")
    found = connection.execute(
        f"""SELECT r.request_no, r.requested_at < n.requested_at AS earlier, r.requested_at::DATE AS day
            FROM {tables.REQUESTS.full_name} r JOIN (
                SELECT request_no, min(requested_at) AS requested_at FROM ({told}) GROUP BY 1
            ) n ON r.request_no = n.request_no
            WHERE r.requested_at::DATE NOT IN (SELECT unnest($days))""",
        raw.bound() | {"days": list(raw.days)},
    ).pl()
    again = sorted(set(found.filter(~pl.col("earlier"))["day"].to_list()))
    return found.filter("earlier").select("request_no"), again


def priced(calls: pl.DataFrame, book: PriceBook) -> pl.DataFrame:
    """Calls with totals, band, price version and `list_cost_pico_usd` (null where no price is known)."""
    whole = calls.with_columns(
        pl.sum_horizontal(tables.INPUT_CLASSES).alias("input_tokens"),
        pl.sum_horizontal(tables.OUTPUT_CLASSES).alias("output_tokens"),
    )
    found = book.price(whole)
    if "kept_cost_pico_usd" not in found.columns:
        return found
    made = ("list_cost_pico_usd", "price_version", "context_band")
    known = pl.col("form") == -1
    return found.with_columns(
        pl.when(known).then(kept).otherwise(name).alias(name) for kept, name in zip(_KEPT, made, strict=True)
    )


def is_priced(calls: pl.DataFrame) -> bool:
    """Whether calls went through `priced`."""
    return "list_cost_pico_usd" in calls.columns


def count(connection: duckdb.DuckDBPyConnection, days: Collection[date]) -> int:
    """How many calls of these days are there."""
    if not days:
        return 0
    query = f"""SELECT count(*) FROM {tables.REQUESTS.full_name} WHERE requested_at >= ? AND requested_at < ?
        AND requested_at::DATE IN (SELECT unnest(?))"""
    ((rows,),) = connection.execute(query, [min(days), max(days) + timedelta(days=1), list(days)]).fetchall()
    return int(rows)


def delete(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    """Take the days' rows away; the caller holds the transaction."""
    connection.execute(
        f"DELETE FROM {tables.REQUESTS.full_name} WHERE requested_at >= ? AND requested_at < ? "
        "AND requested_at::DATE IN (SELECT unnest(?))",
        [min(days), max(days) + timedelta(days=1), list(days)],
    )


def insert(connection: duckdb.DuckDBPyConnection, calls: pl.DataFrame) -> None:
    """Add priced calls; the caller holds the transaction."""
    money = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
    frame.insert(connection, calls, tables.REQUESTS.full_name, tables.REQUESTS.column_names, money)
