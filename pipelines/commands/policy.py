"""`apiledger policy`: what would go tonight, whether the policy holds, its report, and carrying it out now."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retention.evidence import Proof
    from retention.idle import Idle
    from retention.policy import Policy
    from retention.receipts import Expired
    from warehouse.control.audit import Act
    from warehouse.home import Home

_home = click.option(
    "--home", "named", type=click.Path(path_type=Path, file_okay=False), help="The home; chosen as for `run`."
)

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]


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


def _told(act: "Act") -> str:
    """An act in a line: what, by which member, to which number."""
    from warehouse.control.audit import ACTS

    what, _, kind = ACTS[act.act].partition(": ")
    by = "" if act.actor_no is None else f" by member {act.actor_no}"
    to = "" if act.object_no is None else f" ({kind} {act.object_no})"
    return f"act {act.audit_no}  {act.at:%Y-%m-%d %H:%M:%S}  {what}{to}{by}{f'  {act.detail}' if act.detail else ''}"


def _proved(promise: str, proof: "Proof") -> str:
    """A check of a promise in a line: when it last ran, its result, the receipt that tells of it."""
    ran = f"{proof.ran_at:%Y-%m-%d %H:%M}" if proof.ran_at else "-"
    receipt = f"  {proof.receipt.said()} {proof.receipt.sha256 or 'expired'}" if proof.receipt else ""
    return f"{promise:<8} {proof.check:<10} {ran:<16}  {proof.result}{receipt}"


def _idle(found: "Iterable[Idle]") -> "Iterator[str]":
    """Each account that nobody uses, in a line: since when, until when, and why it stays."""
    for one in found:
        goes = f"stays: {one.kept_by}" if one.kept_by else f"is erased after {one.last_day}"
        yield f"R-idle           account {one.account_no}, last used on {one.used_on}, {goes}"


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
    from retention import idle
    from warehouse import database

    home = _chosen(named)
    found = list(retain.plan(home, _now()))
    for expired in found:
        click.echo(_said(expired, retain.policy_of(home)))
    if not found:
        click.echo("Nothing goes tonight")
    with database.control(home) as control:
        for line in _idle(idle.listed(control, retain.policy_of(home), _now().date())):
            click.echo(line)
        for line in hold.told(control, _now().date()):
            click.echo(line)


@policy.command()
@click.option("--promises", "tells", is_flag=True, help="Also list each promise's checks: last run, result, receipt.")
@_home
def verify(named: Path | None, *, tells: bool) -> None:
    """Check that the policy holds, the audit chain is whole and nothing is overdue; ends with 1 where not.

    Promises that are not kept yet are said, with the reason; they are no fault of this home.
    """
    from pipelines.evidence import proof
    from retention import audit_anchor, edition, self_audit
    from retention.evidence import Evidence
    from warehouse import database
    from warehouse.control import audit as chain

    home = _chosen(named)
    found = proof.found(home, _now())
    wrong = [said for check in found.values() for said in check]
    with database.control(home) as control:
        if said := self_audit.missed(control, _now()):
            wrong.append(said)
        known, anchored = Evidence.read(control), audit_anchor.last(home, control)
        back = chain.last(control, audit_anchor.RESTORED)
    held, promised = edition.in_force(home)
    for promise in promised:
        for each in known.of(promise, held) if tells else ():
            click.echo(_proved(promise.id, each))
        if not promise.kept:
            click.echo(f"not kept yet  {promise.id:<8} {promise.lacks}")
    if anchored is not None:
        click.echo(f"act {anchored.audit_no} is anchored outside the home, {anchored.at[:16]}, {anchored.chain}")
    if back is not None:
        click.echo(_told(back))
    for said in wrong:
        click.echo(said)
    click.echo(
        f"{len(wrong)} wrong in {home.root}"
        if wrong
        else f"Every thing in {home.root} has a clause; nothing is overdue"
    )
    sys.exit(1 if wrong else 0)


@policy.command()
@_home
def audit(named: Path | None) -> None:
    """Audit the home as the weekly run does, and keep the result; ends with 1 where something is wrong."""
    from pipelines.evidence import proof
    from retention.promises import CHECKS

    found = proof.audited(_chosen(named), _now)
    for name, wrong in found.items():
        click.echo(f"{name:<10} {f'{len(wrong)} wrong' if wrong else 'holds':<9} {CHECKS[name]}")
        for said in wrong:
            click.echo(f"           {said}")
    sys.exit(1 if any(found.values()) else 0)


@policy.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_home
def restored(named: Path | None, *, yes: bool) -> None:
    """Say that an older home was put back by other means than `apiledger restore`, such as a snapshot of the disk.

    Until then its audit chain counts as one that was cut. A dated entry tells of it for good, in the chain and outside.
    """
    from retention import audit_anchor
    from warehouse import database

    home = _chosen(named)
    if not yes:
        click.confirm(f"Was {home.root} put back from an older copy, by you or with your knowledge?", abort=True)
    with database.control(home) as control:
        void = audit_anchor.restored(home, control, _now(), "elsewhere")
        audit_anchor.keep(home, control, _now(), always=True)
    click.echo(f"Said in the chain and outside; {void} anchors tell of the home before")


@policy.command()
@click.option("--format", "form", type=click.Choice(["markdown", "json"]), default="markdown", show_default=True)
@_home
def report(form: str, named: Path | None) -> None:
    """Print the record of processing, the schedule, processors, measures, and every promise with its last proof."""
    from pipelines.evidence import proof
    from retention import report as reports

    said = proof.said(_chosen(named), _now())
    click.echo(reports.as_json(said) if form == "json" else reports.as_markdown(said), nl=False)


@policy.command()
@click.option("--since", type=click.DateTime(_MOMENTS), required=True, help="From when, UTC.")
@_home
def acts(since: datetime, named: Path | None) -> None:
    """List what was done: who opened an account, helped, erased, disclosed, changed the policy; by number alone."""
    from warehouse import database
    from warehouse.control import audit as chain

    with database.control(_chosen(named)) as control:
        for act in chain.acts(control, since, _now()):
            click.echo(_told(act))


@policy.command()
@click.option("--since", type=click.DateTime(_MOMENTS), required=True, help="When it began, UTC.")
@click.option("--until", type=click.DateTime(_MOMENTS), required=True, help="When it ended, UTC.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="The file that got out, or a copy of it.")
@click.option("--accounts", "is_brief", is_flag=True, help="A line an account, of all classes together.")
@_home
def breach(since: datetime, until: datetime, file: Path | None, named: Path | None, *, is_brief: bool) -> None:
    """Say which accounts a breach touches, how much of each class of data, and what was done in that time.

    `rested` is what was here before the end; `within` is what is dated inside the time. The last lines say how much
    was looked through, and how long it took.
    """
    from retention import breach as breaches
    from retention import edition
    from warehouse import database
    from warehouse.control import audit as chain

    home, begun = _chosen(named), time.monotonic()
    held, _ = edition.in_force(home)
    found = breaches.look_up(home, held, since, until, file)
    took = time.monotonic() - begun
    with database.control(home) as control:
        chain.note(control, "breach.listed", _now(), detail=f"accounts={len(found.accounts())}")
    if is_brief:
        click.echo(f"{'account':>16} {'rested':>12} {'within':>12}")
        for account, rested, within in found.by_account():
            click.echo(f"{account:>16} {rested:>12,} {within:>12,}")
    else:
        click.echo(f"{'account':>16} {'clause':<16} {'rested':>12} {'within':>12}  place")
        for one in found.touched:
            number = "no account" if one.account_no is None else one.account_no
            click.echo(f"{number:>16} {one.clause:<16} {one.rested:>12,} {one.within:>12,}  {one.place}")
    for act in found.acts:
        click.echo(_told(act))
    if found.at_most:
        click.echo("These are all who may be in that log; once its day is sealed it is not known who alone is.")
    rows, tables = found.size()
    click.echo(f"{len(found.accounts())} accounts are touched; `apiledger account list` says whose they are")
    click.echo(f"{rows:,} rows of {tables} tables and {len(found.acts):,} acts were looked through in {took:.1f} s")


@policy.command()
@click.option(
    "--clock-is-right", is_flag=True, help="The clock was looked at: believe it although nothing bears it out."
)
@_home
def expire(named: Path | None, *, clock_is_right: bool) -> None:
    """Carry out every clause now, as the nightly run does; Dagster's own runs (S-runs) are left to that."""
    from pipelines.backups.errors import BackupError
    from pipelines.orchestration import idle_accounts, retain
    from retention import audit_anchor
    from warehouse import database

    home = _chosen(named)
    night = retain.expire_home(home, retain.reading(_now()), lambda *_: None, clock_is_right=clock_is_right)
    read = retain.reading(_now())
    looked = idle_accounts.carry_out(home, read, lambda *_: None, clock_is_right=clock_is_right)
    try:
        night.expired += filter(None, [retain.expire_backups(home, _now())])
    except BackupError as error:
        click.echo(str(error), err=True)
    with database.control(home) as control:
        audit_anchor.keep(home, control, _now())
    for expired in night.expired:
        click.echo(_said(expired, retain.policy_of(home)))
    for line in _idle(looked.staying):
        click.echo(line)
    for number in looked.erased:
        click.echo(f"R-idle           erasure {number} of an account that nobody uses is done")
    published = "nothing had to be written anew" if night.version is None else f"version {night.version} is published"
    click.echo(f"{sum(night.by_clause().values()):,} rows and files are gone, {published}")
