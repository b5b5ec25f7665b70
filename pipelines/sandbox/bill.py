"""GroundTruth -> what the providers of the sandbox's world bill and count, with the causes a gateway's log cannot see.

What makes a bill differ from the log stands in cause.py. Amounts are whole pico-dollars, at list price but for what is
planted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from pipelines.sandbox import subscription, tool_use
from pipelines.sandbox.cause import PROJECT, USUAL, Planted, charged, counted
from pipelines.sandbox.ground_truth import GroundTruth
from warehouse import money, tables
from warehouse.prices import PriceBook

LEAKED_KEY, LEAKED_PROJECT = "leaked", "legacy-import"
# The leaked key's one call a day, by provider: model, input and output tokens.
LEAKS = {"openai": ("gpt-4o", 61_000, 7_300), "anthropic": ("claude-haiku-4-5", 48_000, 5_100)}
LEAKED_EVERY_DAYS = 3
KINDS = {"uncached_tokens": "input", "cache_read_tokens": "cached input", "text_out_tokens": "output"}
# The grains of the two frames: what is added up where pieces of a bill come together.
USAGE_BY = ("day", "project", "key", "model", "service_tier")
LINES_BY = ("day", "project", "model", "service_tier", "kind")


@dataclass(frozen=True)
class Bill:
    """One provider's bill: `usage` by day, project, key, model, tier; `lines` by day, project, model, tier, kind.

    `tools` is how often which tool was used, by day, project, key and model; its fee is a line.
    """

    usage: pl.DataFrame
    lines: pl.DataFrame
    tools: pl.DataFrame = field(default_factory=tool_use.none)

    @staticmethod
    def of(truth: GroundTruth, provider: str, planted: Planted = USUAL) -> "Bill":
        """What a provider bills for the calls of a ground truth, with whatever makes it differ from the log."""
        served = Bill.served(truth, provider, planted)
        whole = served.with_leak(provider) if planted.leaks else served
        lines = charged(whole.lines, planted).select(whole.lines.columns).sort(LINES_BY, nulls_last=True)
        return Bill(whole.usage, lines, whole.tools)

    @staticmethod
    def served(truth: GroundTruth, provider: str, planted: Planted = USUAL) -> "Bill":
        """The bill without the leaked key: pieces of it can be added."""
        billed = (pl.col("provider") == provider) & (pl.col("status") != "error") & ~subscription.covered()
        calls = truth.calls.filter(billed)
        bill = _billed(_served(calls, planted))
        tools = tool_use.of(calls, planted)
        return bill.plus(Bill(bill.usage.clear(), tool_use.fees(tools, provider).select(bill.lines.columns), tools))

    def plus(self, other: "Bill") -> "Bill":
        """Both bills as one."""
        return Bill(
            _added(self.usage, other.usage, USAGE_BY),
            _added(self.lines, other.lines, LINES_BY),
            _added(self.tools, other.tools, tool_use.TOOLS_BY),
        )

    def with_leak(self, provider: str) -> "Bill":
        """The bill with the leaked key's calls, from its first day to its last; it has leaked at some providers."""
        if not self.usage.height or provider not in LEAKS:
            return self
        return self.plus(_billed(_leaked(provider, self.usage["day"].min(), self.usage["day"].max())))

    def restated(self, times: Mapping[date, Decimal]) -> "Bill":
        """The bill with some days' amounts, not their counts, times something, as a provider corrects a past day."""
        lines = self.lines
        for day, factor in times.items():
            pico = [int(amount * factor) for amount in lines["pico"]]
            lines = lines.with_columns(
                pl.when(pl.col("day") == day).then(pl.Series(pico, dtype=pl.Int64)).otherwise("pico").alias("pico")
            )
        return Bill(self.usage, lines, self.tools)

    def amount(self, first: date, after: date) -> Decimal:
        """The bill of `[first, after)` in USD: the oracle."""
        within = self.lines.filter(pl.col("day").is_between(first, after, closed="left"))
        return money.from_pico(int(within["pico"].sum()))


def _billed(served: pl.DataFrame) -> Bill:
    usage = served.group_by(USAGE_BY).agg(pl.len().cast(pl.Int64).alias("requests"), pl.col(list(KINDS)).sum())
    return Bill(usage.sort(USAGE_BY, nulls_last=True), _lines(served))


def _added(one: pl.DataFrame, other: pl.DataFrame, grain: tuple[str, ...]) -> pl.DataFrame:
    together = pl.concat([one, other.select(one.columns)])
    summed = together.group_by(grain).agg(pl.exclude(grain).sum())
    return summed.select(one.columns).sort(grain, nulls_last=True)


def _served(calls: pl.DataFrame, planted: Planted) -> pl.DataFrame:
    times = pl.when(pl.col("status") == "cancelled").then(planted.cancelled_times).otherwise(1)
    return counted(calls, planted).select(
        pl.col("requested_at").dt.replace_time_zone(None),
        "day",
        PROJECT,
        "key",
        "provider",
        "model",
        "service_tier",
        "uncached_tokens",
        "cache_read_tokens",
        (pl.col("output_tokens") * times).alias("text_out_tokens"),
    )


def _leaked(provider: str, first: object, last: object) -> pl.DataFrame:
    if not isinstance(first, date) or not isinstance(last, date):
        raise TypeError("calls have days")
    model, uncached, out = LEAKS[provider]
    days = [first + timedelta(days=n) for n in range(0, (last - first).days + 1, LEAKED_EVERY_DAYS)]
    frame = pl.DataFrame({"day": days}, schema={"day": pl.Date})
    return frame.select(
        pl.col("day").cast(pl.Datetime("us")).alias("requested_at"),
        "day",
        pl.lit(LEAKED_PROJECT).alias("project"),
        pl.lit(LEAKED_KEY).alias("key"),
        pl.lit(provider).alias("provider"),
        pl.lit(model).alias("model"),
        pl.lit(None, pl.String).alias("service_tier"),
        pl.lit(uncached, pl.Int64).alias("uncached_tokens"),
        pl.lit(0, pl.Int64).alias("cache_read_tokens"),
        pl.lit(out, pl.Int64).alias("text_out_tokens"),
    )


def _lines(served: pl.DataFrame) -> pl.DataFrame:
    """Each kind of token priced by itself, at the band that the whole call is in."""
    book = PriceBook.load()
    whole = served.with_columns(
        (pl.col("uncached_tokens") + pl.col("cache_read_tokens")).alias("input_tokens"),
        pl.lit(None, pl.String).alias("region"),
        *(pl.lit(0, pl.Int64).alias(c.name) for c in tables.TOKEN_CLASSES if c.name not in KINDS),
    )
    frames = []
    for column, kind in KINDS.items():
        alone = whole.with_columns(pl.lit(0, pl.Int64).alias(other) for other in KINDS if other != column)
        priced = book.price(alone).filter(pl.col(column) > 0)
        frames.append(
            priced.group_by("day", "project", "model", "service_tier").agg(
                pl.col(column).sum().alias("tokens"),
                pl.col("list_cost_pico_usd").sum().alias("pico"),
                pl.lit(kind).first().alias("kind"),
            )
        )
    return pl.concat(frames).select(*LINES_BY, "tokens", "pico").sort(LINES_BY, nulls_last=True)
