"""raw_<gateway>.calls, model.request_tag -> model.requests: one row per model call, priced.

One call is one (gateway, its own call id); where several rows tell of it, the first `requested_at` wins, then the
fuller form of the log, then most tokens (a call that was seen while it streamed), then the least row: so a replay, a
shuffle or another split of the files gives the same table.
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta

import duckdb
import polars as pl

from warehouse import frame, tables
from warehouse.prices import PriceBook

_MADE = {"gateway", "context_band", "input_tokens", "output_tokens", "list_cost_usd", "price_version"}
_TAKEN = tuple(name for name in tables.REQUESTS.column_names if name not in _MADE)
# A few words many times over: as numbers that stand for them, groups and joins take half as long.
_WORDS = ("gateway", "provider", "model", "service_tier", "region", "outcome")
_BATCH_ROWS = 61_440
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


def read_calls(
    connection: duckdb.DuckDBPyConnection,
    gateways: Sequence[str],
    days: Sequence[date],
    sealed: Collection[tuple[date, str]] = (),
    may_be_read: str = "TRUE",
    part: tuple[int, int] = (0, 1),
) -> pl.DataFrame:
    """The raw rows of some days from every gateway that has a raw table.

    Columns of tables.REQUESTS without the ones made here, and `gateway`, `form`, `tags`; money as Decimal(38,12), words
    as Categorical.
    Of a sealed (day, gateway) the calls that are known are read as well, with what they cost in `_KEPT`: its raw rows
    are gone, and only what came late is there. `may_be_read` is SQL: of a restricted account no new row is processed.
    `part` is which of how many to read: all that tells of a call, its failed tries included, is in one of them. Sealed
    days have one part, since what is known of them may have lost the gateway's id.
    """
    if sealed and part != (0, 1):
        raise AssertionError("sealed days are read whole")
    # Of one type: what is told as a parameter would be widened, and take five times as long.
    in_part = "" if part == (0, 1) else f" AND hash(request_id) % {part[1]}::UBIGINT = {part[0]}::UBIGINT"
    columns = ", ".join((*(f'"{name}"' for name in _TAKEN), "form", "tags"))
    kept = "".join(f", NULL::{kind} AS {name}" for name, (_, kind) in _KEPT.items()) if sealed else ""
    selects = [_of_raw(f"{columns}, '{name}' AS gateway{kept}", name, may_be_read) + in_part for name in gateways]
    if sealed:
        selects.append(_KNOWN_CALLS)
    read = connection.execute(_together(selects), _bound(days, sealed)).to_arrow_reader(_BATCH_ROWS)
    # One after the other: Arrow's form of all of them is as large again as what is made of it.
    pieces = [_worded(pl.DataFrame(pl.from_arrow(batch))) for batch in read]
    return pl.concat(pieces) if pieces else _worded(pl.DataFrame(read.schema.empty_table()))


def _of_raw(columns: str, gateway: str, may_be_read: str) -> str:
    return f"""SELECT {columns} FROM raw_{gateway}.calls
        WHERE requested_at >= $first AND requested_at < $after AND requested_at::DATE IN (SELECT unnest($days))
          AND {may_be_read}"""


def _together(selects: Sequence[str]) -> str:
    if not selects:
        raise AssertionError("no gateway has landed anything: there is nothing to model")
    return " UNION ALL ".join(selects)


def _bound(days: Collection[date], sealed: Collection[tuple[date, str]]) -> dict[str, object]:
    bound: dict[str, object] = {"first": min(days), "after": max(days) + timedelta(days=1), "days": list(days)}
    return bound | ({"sealed": [f"{day}/{gateway}" for day, gateway in sealed]} if sealed else {})


def _worded(read: pl.DataFrame) -> pl.DataFrame:
    return read.with_columns(pl.col(_WORDS).cast(pl.Categorical))


def one_row_a_call(calls: pl.DataFrame) -> pl.DataFrame:
    """Rows of `read_calls`, each call once."""
    twice = calls.select(pl.col("request_no").is_duplicated()).to_series()
    if twice.any():
        tokens = pl.sum_horizontal((*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES))
        order = ["requested_at", "form", -tokens, *(name for name in _TAKEN if name != "requested_at"), "tags"]
        first = calls.filter(twice).sort(order, nulls_last=True).unique("request_no", keep="first", maintain_order=True)
        calls = pl.concat([calls.filter(~twice), first])
    return _without_failed_tries(calls)


def _without_failed_tries(calls: pl.DataFrame) -> pl.DataFrame:
    """Drop failures of calls that were served at last: a gateway that tries again logs each try under one call id."""
    by_id = ["gateway", "account_no", "request_id"]
    failed = pl.col("outcome") == "error"
    tried = calls.filter(failed).select(by_id).unique()
    served = calls.lazy().filter(~failed).select(by_id).join(tried.lazy(), on=by_id, how="semi").collect()
    if not served.height:
        return calls
    tries = calls.filter(failed).join(served.unique(), on=by_id, how="semi").select("request_no")
    return calls.join(tries, on="request_no", how="anti")


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


def told_elsewhere(
    connection: duckdb.DuckDBPyConnection,
    gateways: Sequence[str],
    days: Sequence[date],
    sealed: Collection[tuple[date, str]] = (),
    may_be_read: str = "TRUE",
) -> tuple[pl.DataFrame, list[date]]:
    """What rows of other days tell of, too: calls that stay there, as `request_no`, and days that must be made again.

    The first moment a call is told of is when it was. Asked of all raw rows of the days that `read_calls` would read.
    A gateway that repeats a call under another time crosses midnight at most rarely, so the look is one column wide.
    """
    selects = [_of_raw("request_no, requested_at", name, may_be_read) for name in gateways]
    if sealed:
        selects.append(f"SELECT request_no, requested_at FROM {tables.REQUESTS.full_name} WHERE {_KNOWN}")
    found = connection.execute(
        f"""SELECT r.request_no, r.requested_at < n.requested_at AS earlier, r.requested_at::DATE AS day
            FROM {tables.REQUESTS.full_name} r JOIN (
                SELECT request_no, min(requested_at) AS requested_at FROM ({_together(selects)}) GROUP BY 1
            ) n ON r.request_no = n.request_no
            WHERE r.requested_at::DATE NOT IN (SELECT unnest($days))""",
        _bound(days, sealed),
    ).pl()
    again = sorted(set(found.filter(~pl.col("earlier"))["day"].to_list()))
    return found.filter("earlier").select("request_no"), again


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
