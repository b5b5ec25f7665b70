"""`apiledger policy`: what would go tonight, whether the policy holds, and carrying it out now."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from retention.policy import Policy
    from retention.receipts import Expired
    from warehouse.home import Home

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)


def _chosen(named: Path | None) -> "Home":
    from pipelines.commands.chosen_home import chosen_home

    return chosen_home(named)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _said(expired: "Expired", policy: "Policy") -> str:
    clause = policy.clause(expired.clause)
    kept = "" if clause.kept_days is None else f", kept {clause.kept_days} days"
    days = expired.days() and f", of {expired.days()}"
    return f"{clause.id:<16} {expired.things:>12,}  {expired.place}{days}\n{'':<31}{clause.title}{kept}"


@click.group()
def policy() -> None:
    """See and carry out the retention policy: what is kept, how long, and what goes."""


@policy.command()
@_home
def plan(named: Path | None) -> None:
    """Show what would go tonight, and under which clause, and what is held back; nothing is changed.

    What Dagster keeps of its own runs (clause S-runs) is looked at by the nightly run alone.
    """
    from pipelines.commands import hold
    from pipelines.orchestration import retain
    from warehouse import database

    home = _chosen(named)
    found = list(retain.plan(home, _now()))
    for expired in found:
        click.echo(_said(expired, retain.policy_of(home)))
    if not found:
        click.echo("Nothing goes tonight")
    with database.control(home) as control:
        for line in hold.told(control, _now().date()):
            click.echo(line)


@policy.command()
@_home
def verify(named: Path | None) -> None:
    """Check that every table, column, file and folder has a clause and nothing is overdue; ends with 1 where not."""
    from pipelines.orchestration import retain
    from retention import erase, hunter, receipts, stores
    from warehouse import database

    home = _chosen(named)
    held = retain.policy_of(home)
    with database.held(home.build_lock):
        late = _now() - timedelta(days=1)
        wrong = [f"no clause holds {name}: add it to retention/policy.toml" for name in hunter.offences(home, held)]
        with database.build(home) as connection, database.control(home) as control:
            wrong += [
                f"overdue under {said}; run `apiledger policy expire`"
                for said in hunter.overdue(connection, control, held, _now(), retain.report_tables())
            ]
            wrong += [
                f"overdue under {clause.id}: {path.relative_to(home.root)}; run `apiledger policy expire`"
                for clause, paths in stores.aged(home, held, late)
                for path in paths
            ]
            wrong += [f"receipt {number} was changed, or one before it" for number in receipts.broken(control)]
            wrong += erase.wrong(connection, control)
    for said in wrong:
        click.echo(said)
    click.echo(
        f"{len(wrong)} wrong in {home.root}"
        if wrong
        else f"Every thing in {home.root} has a clause; nothing is overdue"
    )
    sys.exit(1 if wrong else 0)


@policy.command()
@click.option(
    "--clock-is-right", is_flag=True, help="The clock was looked at: believe it although nothing bears it out."
)
@_home
def expire(named: Path | None, *, clock_is_right: bool) -> None:
    """Carry out every clause now, as the nightly run does; Dagster's own runs (S-runs) are left to that."""
    from pipelines.backups.errors import BackupError
    from pipelines.orchestration import retain

    home = _chosen(named)
    night = retain.expire_home(home, retain.reading(_now()), lambda *_: None, clock_is_right=clock_is_right)
    try:
        night.expired += filter(None, [retain.expire_backups(home, _now())])
    except BackupError as error:
        click.echo(str(error), err=True)
    for expired in night.expired:
        click.echo(_said(expired, retain.policy_of(home)))
    published = "nothing had to be written anew" if night.version is None else f"version {night.version} is published"
    click.echo(f"{sum(night.by_clause().values()):,} rows and files are gone, {published}")
