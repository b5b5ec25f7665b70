"""`apiledger connect claim`: which connection pays for the calls that a gateway sends to an upstream, from day to day.

Where an account has one connection at a provider, nothing is to be claimed: it paid.
"""

import shlex
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sqlite3

    from warehouse.control.upstream_claim import UpstreamClaim
    from warehouse.home import Home

_home = click.option(
    "--home",
    "named",
    type=click.Path(path_type=Path, file_okay=False),
    help="The home. Default: data/ (or what APILEDGER_HOME names), the sandbox while that is empty.",
)
_SEEN = "the next pass counts it, and `apiledger run` makes one now"
_UNCLAIMED = """
    SELECT payer_no, provider, gateway, upstream_no, count(DISTINCT account_no), sum(requests)::BIGINT, sum(cost_usd),
        min(day), max(day)
    FROM model.unclaimed_daily GROUP BY ALL ORDER BY sum(cost_usd) DESC NULLS LAST, 1, 2, 3, 4"""


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


def _day(_: click.Context, option: click.Parameter, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("a day is written 2026-10-01", param=option) from None


@click.command()
@click.argument("upstream")
@click.argument("connection", type=int)
@click.option("--gateway", help="Only what this gateway's log calls so, such as litellm.")
@click.option("--from", "first_day", callback=_day, help="The first UTC day. Left out: all days there are.")
@click.option("--until", "last_day", callback=_day, help="The last UTC day. Left out: it goes on.")
@_home
def claim(
    upstream: str,
    connection: int,
    gateway: str | None,
    first_day: date | None,
    last_day: date | None,
    named: Path | None,
) -> None:
    """Let CONNECTION, its number, pay for the calls that a log sends to UPSTREAM.

    A * stands for any characters, and what comes up later is claimed as well. Of claims that overlap the one with more
    letters of its own holds, of the same one the later: `--from` a day, another connection takes over.
    """
    from warehouse import database
    from warehouse.control import upstream_claim
    from warehouse.control.vault import Vault

    now, home = _now(), _chosen(named)
    with database.control(home) as control:
        vault = Vault(control, now)
        number = upstream_claim.put(
            control,
            vault,
            upstream,
            connection,
            now,
            gateway=gateway,
            first_day=first_day or upstream_claim.ALWAYS,
            last_day=last_day or upstream_claim.FOREVER,
        )
        upstream_claim.follow(control, now)
        found = upstream_claim.listed(control, vault, _providers(home))
    made = next(each for each in found if each.claim_no == number)
    click.echo(_line(made))
    if made.counts:
        click.echo(_SEEN[0].upper() + _SEEN[1:])


def _providers(home: "Home") -> dict[int, set[str]]:
    """Whose models are called at each upstream that the newest version knows."""
    from warehouse import database

    found = defaultdict(set)
    with database.published(home) as version:
        query = "SELECT DISTINCT upstream_no, provider FROM model.usage_daily WHERE upstream_no IS NOT NULL"
        for number, provider in version.execute(query).fetchall():
            found[number].add(provider)
    return found


def _line(one: "UpstreamClaim") -> str:
    from warehouse.control import upstream_claim

    days = "" if one.first_day == upstream_claim.ALWAYS else f" from {one.first_day}"
    days += "" if one.last_day == upstream_claim.FOREVER else f" until {one.last_day}"
    at = f" of {one.gateway}" if one.gateway else ""
    pattern = "an upstream whose key is gone" if one.pattern is None else upstream_claim.shown(one.pattern)
    fits = f"fits {one.fits:,}" if one.fits else "no log has named one yet"
    # Whoever pays for a call pays with their own connections, and each is of one provider.
    if one.fits and not one.counts:
        fits += f" and counts nothing: no {one.provider} call goes there that account {one.account_no} pays for"
    elif one.counts < one.fits:
        fits += f" and counts for {one.counts:,}, where account {one.account_no} pays for {one.provider} calls"
    pays = f"is paid by connection {one.connection_no} ({one.provider})"
    return f"claim {one.claim_no}: {pattern}{at} {pays}{days}; {fits}"


@click.command()
@click.argument("number", type=int)
@click.option("--until", "last_day", callback=_day, help="The last UTC day on which it holds; else it never held.")
@_home
def unclaim(number: int, last_day: date | None, named: Path | None) -> None:
    """End claim NUMBER with a day, or take it back as if it had never been."""
    from warehouse import database
    from warehouse.control import upstream_claim

    with database.control(_chosen(named)) as control:
        upstream_claim.end(control, number, last_day)
    click.echo(f"Claim {number} {'is taken back' if last_day is None else f'ends with {last_day}'}; {_SEEN}")


@click.command()
@_home
def claims(named: Path | None) -> None:
    """List claims of upstreams, and the upstreams that none of several connections claims, with what they cost."""
    from warehouse import database
    from warehouse.control import upstream_claim
    from warehouse.control.vault import Vault

    home = _chosen(named)
    with database.published(home) as version:
        unclaimed = version.execute(_UNCLAIMED).fetchall()
    with database.control(home) as control:
        vault = Vault(control, _now())
        for one in upstream_claim.listed(control, vault, _providers(home)):
            click.echo(_line(one))
        texts = upstream_claim.texts(control, vault, {row[3] for row in unclaimed} - {None})
        payers = _connections(control)
    for line in _unclaimed(unclaimed, texts, payers):
        click.echo(line)
    if not unclaimed:
        click.echo("Of every call it is known which connection paid, as far as its account has any")


def _connections(control: "sqlite3.Connection") -> dict[tuple[int, str], list[str]]:
    """By payer and provider: each connection's number, and what it is called."""
    from warehouse.control import connection as connections
    from warehouse.control import credential

    labels = {one.connection_no: one.label for one in credential.of_account(control, None)}
    found = defaultdict(list)
    for number, source, provider, account_no, _ in connections.rows(control):
        found[account_no, provider].append(f"{number}  # {source} {labels.get(number, '')}".rstrip())
    return found


def _unclaimed(
    rows: list[tuple[int, str, str, int | None, int, int, object, date, date]],
    texts: dict[int, str],
    payers: dict[tuple[int, str], list[str]],
) -> Iterator[str]:
    from decimal import Decimal

    from warehouse import money
    from warehouse.control import upstream_claim

    # A claim is by what it is called, whichever account's calls go there.
    merged: dict[tuple[int, str, str, str | None], list[tuple[int, int, Decimal, date, date]]] = defaultdict(list)
    for payer_no, provider, gateway, upstream_no, accounts, requests, usd, first, last in rows:
        text = None if upstream_no is None else texts.get(upstream_no)
        merged[payer_no, provider, gateway, text].append((accounts, requests, Decimal(str(usd or 0)), first, last))
    for (payer_no, provider, gateway, text), parts in merged.items():
        usd = sum((part[2] for part in parts), Decimal(0))
        calls, days = sum(part[1] for part in parts), f"{min(p[3] for p in parts)} to {max(p[4] for p in parts)}"
        what = "no upstream that is named here" if text is None else upstream_claim.shown(text)
        yield f"unclaimed: {what}, {provider} by {gateway}: {money.shown(usd)}, {calls:,} calls, {days}"
        if text is None:
            yield "  let the gateway's log name upstreams, or send each connection's calls under an account of its own"
        else:
            pattern = shlex.quote(upstream_claim.shown(text))
            for each in payers.get((payer_no, provider), ()):
                yield f"  apiledger connect claim {pattern} {each}"
