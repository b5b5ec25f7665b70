"""`apiledger prices`: what is unpriced, a price of one's own, a reprice with its diff, other lists, newer lists."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import click

from warehouse import money

if TYPE_CHECKING:
    from pipelines.prices.reprice import Change
    from warehouse.home import Home

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)
_day = click.DateTime(["%Y-%m-%d"])
MOST_LINES = 60
# What long calls may cost of their own, and by which option.
LONG = {
    "input_mtok": "long_input",
    "output_mtok": "long_output",
    "cache_read_mtok": "long_cached",
    "cache_write_mtok": "long_cache_write",
    "cache_write_1h_mtok": "long_cache_write_1h",
}


def _amount(ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    """Read an amount as it is typed; never through floating point."""
    try:
        return None if value is None else Decimal(value)
    except InvalidOperation:
        said = f"{value!r} is no amount in USD per million tokens, such as 2.50"
        raise click.BadParameter(said, ctx, param) from None


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


@click.group()
def prices() -> None:
    """See what is unpriced, set prices of your own, price past days anew, compare and update price lists."""


@prices.command()
@_home
def unpriced(named: Path | None) -> None:
    """List the models without a known price: calls, tokens, days, and the nearest names that have one."""
    from warehouse import database, price_missing
    from warehouse.price_suggestion import nearest
    from warehouse.prices import PriceBook

    home = _chosen(named)
    with database.published(home) as connection:
        found = price_missing.read(connection)
    book = PriceBook.of_home(home.root)
    for one in found:
        tier = f" {one.service_tier}" if one.service_tier else ""
        days = f"{one.days:,} days, {one.first_day} to {one.last_day}"
        click.echo(f"{one.provider}/{one.model}{tier}  {one.requests:,} calls, {one.tokens:,} tokens, {days}")
        if suggestions := nearest(book, one.provider, one.model):
            click.echo(f"    is it one of these? {', '.join(suggestions)}")
    if found:
        click.echo("`apiledger prices set MODEL --provider P --input 2.50 --output 10 --from DAY` gives one a price")
    else:
        click.echo("Every call has a price")


@prices.command("set")
@click.argument("model")
@click.option("--provider", required=True, help="As the calls name it, such as openai.")
@click.option("--input", "input_mtok", callback=_amount, required=True, help="USD per million tokens of input.")
@click.option("--output", "output_mtok", callback=_amount, help="USD per million tokens of output.")
@click.option("--cached", "cache_read_mtok", callback=_amount, help="Of input read from the cache; else as input.")
@click.option(
    "--cache-write", "cache_write_mtok", callback=_amount, help="Of input written to the cache; else as input."
)
@click.option(
    "--cache-write-1h", "cache_write_1h_mtok", callback=_amount, help="Of the one-hour cache; else as --cache-write."
)
@click.option("--reasoning", "output_reasoning_mtok", callback=_amount, help="Of reasoning; else as output.")
@click.option("--audio", "input_audio_mtok", callback=_amount, help="Of audio put in; else as input.")
@click.option("--image", "input_image_mtok", callback=_amount, help="Of images put in; else as input.")
@click.option("--output-audio", "output_audio_mtok", callback=_amount, help="Of audio given out; else as output.")
@click.option("--calls", "requests_kcount", callback=_amount, help="USD per thousand calls, beside their tokens.")
@click.option("--long-above", type=click.IntRange(min=1), help="Input tokens above which a whole call costs --long-*.")
@click.option("--long-input", callback=_amount, help="Of input of such a call; else as --input. So are the others.")
@click.option("--long-output", callback=_amount)
@click.option("--long-cached", callback=_amount)
@click.option("--long-cache-write", callback=_amount)
@click.option("--long-cache-write-1h", callback=_amount)
@click.option("--tier", help="batch, flex, priority; the standard tier where left out.")
@click.option("--region", help="Only for this region.")
@click.option("--from", "since", type=_day, help="The UTC day it holds from; today where left out.")
@click.option("--source", default="set by hand", show_default=True, help="Where the price was read.")
@_home
def set_price(
    model: str,
    provider: str,
    tier: str | None,
    region: str | None,
    since: datetime | None,
    source: str,
    named: Path | None,
    long_above: int | None,
    **rates: Decimal | None,
) -> None:
    """Give MODEL a price of your own, in prices.toml of the home; what was there stays."""
    from warehouse import price_entry

    now = _now()
    first = since.date() if since else now.date()
    given = {name: rate for name, rate in rates.items() if rate is not None and not name.startswith("long_")}
    long = {name: rate for name, option in LONG.items() if (rate := rates[option]) is not None}
    if (long_above is None) != (not long):
        raise click.UsageError("a long call needs --long-above and what it costs, such as --long-input")
    band = price_entry.LongContext(long_above, long) if long_above else None
    home = _chosen(named)
    path = price_entry.add(
        home, provider, model, given, first, now, tier=tier, region=region, source=source, long_context=band
    )
    click.echo(f"{provider}/{model} has a price from {first} on, in {path}")
    click.echo(
        f"Calls that were told of before keep what they cost: `apiledger prices reprice --from {first}` changes it"
    )


@prices.command()
@click.option("--from", "since", type=_day, help="The first UTC day; all days whose calls are known where left out.")
@click.option("--to", "until", type=_day, help="The last UTC day; today where left out.")
@click.option("--model", help="Only this model, as calls name it.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@_home
def reprice(
    since: datetime | None, until: datetime | None, model: str | None, named: Path | None, *, dry_run: bool
) -> None:
    """Price past days anew with what is known now, and show day by day what changes."""
    from pipelines.prices import reprice as repricing

    home, now = _chosen(named), _now()
    first = since.date() if since else date(2000, 1, 1)
    last = until.date() if until else now.date()
    found = repricing.changes(home, first, last, model, now, lambda *_: None)
    open_days, closed = [one for one in found if not one.is_closed], [one for one in found if one.is_closed]
    for line in _lines(open_days):
        click.echo(line)
    if closed:
        click.echo(
            f"{_summed(closed)}: of {len({one.day for one in closed})} days whose calls have expired; they stay as "
            "they are, and mart.repriced_daily has what they cost by today's list"
        )
    if not open_days:
        click.echo("No day would cost anything else")
    click.echo("Nothing was changed" if dry_run else _applied(home, first, last, model, now))


def _applied(home: "Home", first: date, last: date, model: str | None, now: datetime) -> str:
    from pipelines.prices import reprice as repricing

    version = repricing.run(home, first, last, model, now, lambda *_: None)
    return "Nothing had to be published" if version is None else f"Applied; version {version} is published"


def _lines(found: "list[Change]") -> Iterable[str]:
    for one in found[:MOST_LINES]:
        yield f"{one.day}  {one.model:<32} {one.requests:>10,} calls  {_cost(one.old_usd):>14} -> {_cost(one.new_usd)}"
    if len(found) > MOST_LINES:
        yield f"and {len(found) - MOST_LINES:,} more"
    if found:
        models = len({one.model for one in found})
        yield f"{_summed(found)}: {len({one.day for one in found})} days, {models} models"


def _summed(found: "list[Change]") -> str:
    old = sum((one.old_usd or Decimal(0) for one in found), Decimal(0))
    new = sum((one.new_usd or Decimal(0) for one in found), Decimal(0))
    sign = "-" if new < old else "+"
    return f"{money.shown(old)} -> {money.shown(new)} ({sign}{money.shown((new - old).copy_abs())})"


def _cost(amount: Decimal | None) -> str:
    return "unpriced" if amount is None else money.shown(amount)


@prices.command()
@click.argument("sheet", required=False, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--provider", help="Only this provider.")
@_home
def diff(sheet: Path | None, provider: str | None, named: Path | None) -> None:
    """Compare genai-prices' list with LiteLLM's price SHEET (a file; else the installed litellm's), rate by rate."""
    from warehouse import price_sheet, price_snapshot
    from warehouse.price_overlay import Overlay

    home = _chosen(named)
    catalogue = price_snapshot.known_now(home.root)
    models = price_sheet.read(sheet or price_sheet.installed_sheet())
    found, compared = price_sheet.differences(models, catalogue, _now())
    overlay = Overlay.read((Overlay.shipped(), home.root / "prices.toml"))
    shown = [one for one in found if provider in {None, one.provider}]
    for one in shown:
        where = " ".join(part for part in (one.tier, one.band) if part)
        own = overlay.of(one.provider, (one.model,), one.tier, None)
        settled = f"  (an entry of prices.toml holds since {own[0].valid_from})" if own else ""
        name = f"{one.provider}/{one.model}{' ' + where if where else ''}"
        rates = f"genai-prices {one.listed_usd_mtok.normalize():f}, LiteLLM {one.sheet_usd_mtok.normalize():f}"
        click.echo(f"{name}  {one.token_class}: {rates}{settled}")
    click.echo(f"{len(shown):,} rates differ, of {compared:,} that both lists have (USD per million tokens)")


@prices.command()
@click.option("--url", help="Where to fetch from; else APILEDGER_PRICES_URL, else where genai-prices publishes.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@_home
def update(url: str | None, named: Path | None, *, dry_run: bool) -> None:
    """Fetch genai-prices' newest list, show what it changes, keep it for calls from now on; the past stays."""
    from pipelines.prices import fetch as price_fetch
    from warehouse import price_snapshot
    from warehouse.price_sources import Catalogue

    home, now = _chosen(named), _now()
    content = price_fetch.fetch(url or price_fetch.published_at())
    if any(price_snapshot.digest(content) == snapshot.sha256 for snapshot in price_snapshot.stored(home.root)[:1]):
        click.echo("It is the list that is known already")
        return
    fetched = Catalogue("fetched", now, price_snapshot.parsed(content))
    found = price_snapshot.differences(price_snapshot.known_now(home.root), fetched, now)
    there = {(provider.id, model.id) for provider in fetched.data.providers for model in provider.models}
    listed = [one for one in found if (one.provider, one.model) in there]
    gone = {(one.provider, one.model) for one in found} - there
    for one in listed[:MOST_LINES]:
        click.echo(f"{one.provider}/{one.model}  {one.rate}: {one.old or 'new'} -> {one.new or 'no rate of its own'}")
    if len(listed) > MOST_LINES:
        click.echo(f"and {len(listed) - MOST_LINES:,} more")
    click.echo(f"{len(listed):,} rates of {len({(one.provider, one.model) for one in listed}):,} models are others")
    if gone:
        click.echo(f"{len(gone):,} models are not listed any more: their last price stays")
    if dry_run:
        click.echo("Nothing was kept")
        return
    kept = price_snapshot.store(home.root, content, now)
    click.echo(f"Kept as {kept.path.name}: it prices calls from {kept.known_from} UTC on")
    click.echo("Past days stay as they are; `apiledger prices reprice --dry-run` shows what it would make of them")
