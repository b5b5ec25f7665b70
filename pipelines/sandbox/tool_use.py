"""Calls -> uses of a provider's tools, and their fees at list price: a search or a session in some of the calls."""

from datetime import datetime

import polars as pl

from pipelines.sandbox.cause import PROJECT, Planted, counted
from warehouse import money
from warehouse.prices import PriceBook

TOOLS_BY = ("day", "project", "key", "model", "tool")
# What each provider sells, and what its bill calls it.
TOOLS = {"openai": ("web_search", "file_search", "code_interpreter"), "anthropic": ("web_search",)}
KINDS = {"web_search": "web search", "file_search": "file search", "code_interpreter": "code interpreter"}
# Of these the provider tells no model.
_OF_NO_MODEL = ("file_search", "code_interpreter")
_SCHEMA = {"day": pl.Date(), **dict.fromkeys(TOOLS_BY[1:], pl.String()), "uses": pl.Int64()}


def none() -> pl.DataFrame:
    """No use of any tool, in the columns of `of`."""
    return pl.DataFrame(schema=_SCHEMA)


def of(calls: pl.DataFrame, planted: Planted) -> pl.DataFrame:
    """How often which tool was used, by day, project, key and model; told apart by the calls' ids."""
    chance = pl.col("request_id").hash(seed=11)
    used = counted(calls, planted).filter(
        pl.col("provider").is_in(list(TOOLS))
        & pl.col("service_tier").is_null()
        & (pl.col("output_tokens") > 0)
        & (chance % 100 < planted.tool_percent)
    )
    frames = [
        used.filter((pl.col("provider") == provider) & (chance // 100 % len(tools) == number)).select(
            "day",
            PROJECT,
            "key",
            "model" if tool not in _OF_NO_MODEL else pl.lit(None, pl.String).alias("model"),
            pl.lit(tool).alias("tool"),
        )
        for provider, tools in TOOLS.items()
        for number, tool in enumerate(tools)
    ]
    return pl.concat(frames).group_by(TOOLS_BY).agg(pl.len().cast(pl.Int64).alias("uses")).sort(TOOLS_BY)


def fees(tools: pl.DataFrame, provider: str) -> pl.DataFrame:
    """A bill's lines for uses of tools, in the columns of Bill.lines; ValueError for a tool without a list price."""
    book = PriceBook.load()
    lines = []
    for day, project, model, tool, uses in (
        tools.group_by("day", "project", "model", "tool").agg(pl.col("uses").sum()).iter_rows()
    ):
        price = book.tool(provider, model, tool, datetime(day.year, day.month, day.day))  # noqa: DTZ001 (UTC at rest is naive)
        if price is None:
            raise ValueError(f"{tool} of {provider}/{model} has no list price: the sandbox sells it at that")
        lines.append((day, project, model, None, KINDS[tool], 0, uses * money.pico(price.usd)))
    names = ("project", "model", "service_tier", "kind")
    schema = {"day": pl.Date(), **dict.fromkeys(names, pl.String()), "tokens": pl.Int64(), "pico": pl.Int64()}
    return pl.DataFrame(lines, schema=schema, orient="row")
