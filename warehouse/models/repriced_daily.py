"""model.usage_hourly, model.usage_daily -> model.repriced_daily: what a day costs by today's list and by contract.

Only what differs from the list cost of then is kept, so the table is empty until a price is learned or a contract made.
Hours are priced where they are known, days where the hours have expired: a price by the clock then takes noon. Where no
price of then named a context band, the lowest is taken.
"""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import polars as pl

from warehouse import frame, money, publication, sealing, tables
from warehouse.models.usage_hourly import summed_or_unknown
from warehouse.price_contract import WHOLE, Contract
from warehouse.price_overlay import Entry, Overlay
from warehouse.price_tables import CONTRACT, CONTRACTED, LIST_NOW, PRICED_WITH, REPRICED_DAILY
from warehouse.prices import PriceBook

_SERVICE = ("provider", "model", "service_tier", "context_band", "region")
_GRAIN = ("day", "account_no", "project_no", *_SERVICE)
_TOKENS = (*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES)
_BAND = r"^(<=|<|>=|>)(\d+)(k?)$"


def refresh(connection: duckdb.DuckDBPyConnection, listed_now: PriceBook, days: Collection[date]) -> None:
    """Hold the days that were made, and all once anything was learned, against every price that is known now."""
    contracts = listed_now.overlay.contracts
    made_with = connection.execute(f"SELECT max(edition) FROM {PRICED_WITH.full_name}").fetchall()[0][0]
    is_new = made_with != listed_now.edition
    if is_new:
        stretches = _months(connection)
    elif contracts or listed_now.has_learned:
        stretches = [(day, day + timedelta(days=1)) for day in sorted(days)]
    else:
        return
    fixed = PriceBook(Overlay(tuple(entry for contract in contracts for entry in _entries(contract))))
    costs = {LIST_NOW: tables.from_pico("list_now"), CONTRACTED: tables.from_pico("contracted")}
    connection.execute("BEGIN")
    try:
        for first, after in stretches:
            connection.execute(f"DELETE FROM {REPRICED_DAILY.full_name} WHERE day >= ? AND day < ?", [first, after])
            rows = _repriced(connection, listed_now, fixed, contracts, first, after)
            if rows is not None:
                frame.insert(connection, rows, REPRICED_DAILY.full_name, REPRICED_DAILY.column_names, costs)
        if is_new:
            _told(connection, contracts)
            connection.execute(f"DELETE FROM {PRICED_WITH.full_name}")
            connection.execute(f"INSERT INTO {PRICED_WITH.full_name} VALUES (?)", [listed_now.edition])
            publication.changed(connection, days=())
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def closed_changes(
    connection: duckdb.DuckDBPyConnection, listed_now: PriceBook, closed: Collection[tuple[date, str]]
) -> list[tuple[date, str, int, Decimal | None, Decimal | None]]:
    """Day, model, calls, list cost of then and of now, of days whose calls have expired and whose price changed."""
    if not closed:
        return []
    days = [day for day, _ in closed]
    where = "(day::DATE)::VARCHAR || '/' || gateway IN (SELECT unnest($closed))"
    keys = [f"{day}/{gateway}" for day, gateway in closed]
    rows = _read(connection, (), min(days), max(days) + timedelta(days=1), where, {"closed": keys})
    differs = _differing(rows, listed_now, ())
    by_model = differs.group_by("day", "model").agg(
        pl.col("calls").sum(), *summed_or_unknown("list_then", "list_cost_pico_usd")
    )
    return [
        (day, model, calls, *(None if pico is None else money.from_pico(pico) for pico in (then, now)))
        for day, model, calls, then, now in by_model.sort("day", "model").rows()
    ]


def _months(connection: duckdb.DuckDBPyConnection) -> list[tuple[date, date]]:
    """Stretches that hold every day there is; in the first build that knows an edition, as in each that learns one."""
    query = f"SELECT DISTINCT date_trunc('month', day)::DATE FROM {tables.USAGE_DAILY.full_name} ORDER BY 1"
    months = [month for (month,) in connection.execute(query).fetchall()]
    return [(month, (month + timedelta(days=31)).replace(day=1)) for month in months]


def _entries(contract: Contract) -> list[Entry]:
    dates = {"valid_from": contract.valid_from, "valid_to": contract.valid_to}
    return [
        Entry.model_validate(
            {
                **{name: f"{rate:f}" for name, rate in each.named().items()},
                **dates,
                "provider": contract.provider,
                "model": each.model,
                "service_tier": each.service_tier,
                "source": contract.source,
            }
        )
        for each in contract.price
    ]


def _told(connection: duckdb.DuckDBPyConnection, contracts: tuple[Contract, ...]) -> None:
    connection.execute(f"DELETE FROM {CONTRACT.full_name}")
    for each in contracts:
        row = [each.name, each.provider, each.valid_from, each.valid_to, each.discount_percent, each.committed_usd]
        connection.execute(f"INSERT INTO {CONTRACT.full_name} VALUES (?, ?, ?, ?, ?, ?, ?)", [*row, each.source])


def _repriced(
    connection: duckdb.DuckDBPyConnection,
    listed_now: PriceBook,
    fixed: PriceBook,
    contracts: tuple[Contract, ...],
    first: date,
    after: date,
) -> pl.DataFrame | None:
    """The rows of a stretch of days, list_now and contracted in pico-dollars; None where nothing differs."""
    services = _read(connection, (), first, after)
    differs = _differing(services, listed_now, contracts).select("day", *_SERVICE).unique()
    if not differs.height:
        return None
    rows = _read(connection, ("account_no", "project_no"), first, after)
    rows = rows.join(differs, on=["day", *_SERVICE], how="semi", nulls_equal=True)
    agreed = fixed.price(rows)
    # Without an agreed price of its own the model's list price is what the share is taken of.
    is_agreed = agreed["price_version"].str.starts_with("overlay ").fill_null(value=False)
    index = _agreement(rows, listed_now, contracts)
    shares = pl.Series("share", [contract.paid_share for contract in contracts], dtype=pl.Int64).gather(index)
    names = pl.Series("contract", [contract.name for contract in contracts], dtype=pl.String).gather(index)
    return (
        rows.with_columns(
            listed_now.price(rows)["list_cost_pico_usd"].alias("list_now"),
            agreed["list_cost_pico_usd"].alias("agreed"),
            is_agreed.alias("is_agreed"),
            shares,
            names,
        )
        .with_columns(
            pl.when(pl.col("share").is_null())
            .then("list_then")
            .when("is_agreed")
            .then("agreed")
            .otherwise(_part(pl.col("list_then"), pl.col("share")))
            .alias("contracted")
        )
        .group_by(*_GRAIN, "contract")
        .agg(*summed_or_unknown("list_now", "contracted"))
    )


def _read(
    connection: duckdb.DuckDBPyConnection,
    subjects: tuple[str, ...],
    first: date,
    after: date,
    where: str = "true",
    bound: Mapping[str, object] | None = None,
) -> pl.DataFrame:
    """Hours, and days without hours, in the columns PriceBook.price takes; the calls of an input size by their band."""
    since = sealing.whole_from(connection, tables.USAGE_HOURLY)
    columns = ", ".join([*subjects, *_SERVICE])
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in _TOKENS)
    measured = f"""price_version AS version_then, {sums}, sum(requests - error_requests)::BIGINT AS priced_requests,
        sum(requests)::BIGINT AS calls, (sum(list_cost_usd) * 1000000000000)::BIGINT AS list_then"""
    found = connection.execute(
        f"""SELECT day, requested_at, {columns}, {measured} FROM (
              SELECT * EXCLUDE (hour), hour::DATE AS day, hour AS requested_at FROM model.usage_hourly
              WHERE hour >= $first AND hour < $after AND hour >= $since
              UNION ALL BY NAME
              SELECT *, day + INTERVAL 12 HOUR AS requested_at FROM model.usage_daily
              WHERE day >= $first AND day < $after AND day < $since
            ) WHERE {where} GROUP BY ALL""",
        {"first": first, "after": after, "since": since, **(bound or {})},
    ).pl()
    size = pl.col("context_band").str.extract(_BAND, 2).cast(pl.Int64) * (
        pl.when(pl.col("context_band").str.ends_with("k")).then(1000).otherwise(1)
    )
    sign = pl.col("context_band").str.extract(_BAND, 1)
    in_band = pl.when(sign == ">").then(size + 1).when(sign == ">=").then(size).otherwise(0)
    return found.with_columns(in_band.fill_null(0).alias("input_tokens"))


def _differing(services: pl.DataFrame, listed_now: PriceBook, contracts: tuple[Contract, ...]) -> pl.DataFrame:
    now = listed_now.price(services)
    new, then = pl.col("list_cost_pico_usd"), pl.col("list_then")
    # Calls are rounded one by one, their sum once: that far apart is the same price.
    other = (new.is_null() != then.is_null()) | ((new - then).abs() > pl.col("calls"))
    learned = (pl.col("price_version").ne_missing(pl.col("version_then"))) & other.fill_null(value=False)
    agreed = _agreement(services, listed_now, contracts).is_not_null()
    return now.filter(now.select(learned).to_series() | agreed)


def _agreement(rows: pl.DataFrame, book: PriceBook, contracts: tuple[Contract, ...]) -> pl.Series:
    """The number of the first contract that holds for each row; null where none does."""
    asked = rows.select("provider", "model").unique().rows() if contracts else []
    named = [(provider, model, *book.names(provider or "", model or "")) for provider, model in asked]
    number = pl.lit(None, pl.UInt32)
    for index, contract in reversed(list(enumerate(contracts))):
        held = (pl.col("day") >= contract.valid_from) & (pl.col("day") < (contract.valid_to or date.max))
        for provider, model, found, names in named:
            if contract.covers(found, names, contract.valid_from):
                one = held & (pl.col("provider") == provider) & (pl.col("model") == model)
                number = pl.when(one).then(pl.lit(index, pl.UInt32)).otherwise(number)
    return rows.with_columns(number.alias("number"))["number"]


def _part(amount: pl.Expr, share: pl.Expr) -> pl.Expr:
    """A share in millionths of whole pico-dollars, half-even."""
    product = amount.cast(pl.Int128) * share.cast(pl.Int128)
    whole, rest = product // WHOLE, product % WHOLE
    up = (rest * 2 > WHOLE) | ((rest * 2 == WHOLE) & (whole % 2 == 1))
    return (whole + up.cast(pl.Int128)).cast(pl.Int64)
