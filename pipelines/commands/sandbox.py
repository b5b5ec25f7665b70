"""`apiledger sandbox`: make the made-up month, bring it up to now, and let its providers misbehave."""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.errors import PipelineError
from pipelines.sandbox import misbehaviour

if TYPE_CHECKING:
    from warehouse.home import Home

_LARGEST_FACTOR = Decimal(100)


def _home(named: Path | None) -> "Home":
    from warehouse.home import Home

    return Home(named.absolute()) if named else Home.sandbox()


_named = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The sandbox's folder. Default: sandbox/, or what APILEDGER_SANDBOX_HOME names.",
)


@click.group(invoke_without_command=True)
@click.option("--seed", type=int, help="Draw a new month from this seed.")
@click.option("--calls", type=click.IntRange(1), help="Draw a new month of this many calls.")
@click.option("--days", type=click.IntRange(1, 400), help="Draw this many days up to now.")
@click.option(
    "--console",
    "consoles",
    multiple=True,
    type=click.Choice(["openai", "anthropic"]),
    help="This one's bill comes as its console's cost export, without an API; may be repeated.",
)
@_named
@click.pass_context
def sandbox(
    context: click.Context,
    seed: int | None,
    calls: int | None,
    days: int | None,
    consoles: tuple[str, ...],
    named: Path | None,
) -> None:
    """Make the sandbox of made-up data, or bring it up to now; with an option it is made anew."""
    context.obj = named
    if context.invoked_subcommand:
        return
    from pipelines.sandbox import sandbox_home

    home, now = _home(named), datetime.now(UTC)
    asked: dict[str, Any] = {
        name: value
        for name, value in (("seed", seed), ("calls", calls), ("days", days), ("consoles", consoles or None))
        if value is not None
    }
    files = sandbox_home.make(home, now, **asked) if asked else sandbox_home.go_on(home, now)
    click.echo(f"{files} log files were written into {home.inbox}; `apiledger run --home {home.root}` takes them in")


_FAULTS = "\n".join(
    [
        "\b",
        "FAULTS are statuses (429, 500, 401 ...) and",
        *(f"{name:<12} {what}" for name, what in misbehaviour.FAULTS.items()),
    ]
)


@sandbox.command(epilog=_FAULTS)
@click.argument("provider", type=click.Choice(["openai", "anthropic", "openrouter", "vercel", "deepseek"]))
@click.argument("faults", nargs=-1)
@click.option("--times", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Repeat the faults.")
@click.option("--late", type=click.IntRange(0, 90), help="Bill the newest days, this many, only when told 0 again.")
@click.option("--restate", nargs=2, metavar="DAY FACTOR", help="Bill a past day anew: 2026-11-20 0.9 is a tenth less.")
@_named
@click.pass_obj
def misbehave(
    before: Path | None,
    provider: str,
    faults: tuple[str, ...],
    times: int,
    late: int | None,
    restate: tuple[str, str] | None,
    named: Path | None,
) -> None:
    """Let a made-up provider answer its next requests wrongly, one fault each; without any, rightly again."""
    from pipelines.sandbox import providers

    home = _home(named or before)
    if provider not in providers.of(home):
        raise PipelineError(f"{home.root} has no made-up providers; `apiledger sandbox` makes them")
    if wrong := [fault for fault in faults if not misbehaviour.is_fault(fault)]:
        raise PipelineError(f"{wrong[0]!r} is no fault; a status, or one of {', '.join(misbehaviour.FAULTS)}")
    with misbehaviour.changing(home) as said:
        if not faults and late is None and restate is None:
            said.pop(provider, None)
        what = said.setdefault(provider, misbehaviour.Misbehaviour())
        what.faults += [*faults] * times
        what.late_days = what.late_days if late is None else late
        if restate is not None:
            what.restated |= _restated(*restate)
    restated = ", ".join(f"{day} times {factor}" for day, factor in sorted(what.restated.items())) or "no day"
    click.echo(f"{provider}: {len(what.faults)} requests go wrong, {what.late_days} days are late, {restated} restated")


def _restated(day: str, factor: str) -> dict[str, str]:
    try:
        known, times = date.fromisoformat(day), Decimal(factor)
    except (ValueError, InvalidOperation):
        known, times = None, Decimal(-1)
    if known is None or not times.is_finite() or not 0 <= times <= _LARGEST_FACTOR:
        raise PipelineError(f"--restate takes a day and a factor from 0 to {_LARGEST_FACTOR}: 2026-11-20 0.9")
    return {known.isoformat(): factor}
