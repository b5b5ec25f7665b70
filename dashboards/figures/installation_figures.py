"""model.spend_summary_daily, control.account, the home's folders -> what the operator sees: sums, sizes, versions.

Nothing of an account's detail: opening one takes a reason, on the account page.
"""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer
from retention import idle, policy
from retention.idle import Idle
from warehouse import database
from warehouse.control import claim, claim_rule, told_apart
from warehouse.control import member as members
from warehouse.home import Home

_PARTS = ("apiledger", "dagster", "dlt", "duckdb", "polars", "streamlit")


class LabelSum(NamedTuple):
    """What an account label of the logs cost this month and the one before, and its calls this month."""

    label: str
    cost_usd: Decimal
    before_usd: Decimal
    requests: int


class AccountSum(NamedTuple):
    """The same of an account: 0 is the operator's own and what nobody claims."""

    account_no: int
    members: int
    labels: int
    cost_usd: Decimal
    before_usd: Decimal
    requests: int


class Claim(NamedTuple):
    """An account label of the logs, or a rule for them: whose it is, who sees it, and why."""

    label: str
    seen_by: str
    how: str


class Folder(NamedTuple):
    """What lies in a folder of the home, or a file of it: bytes on the disk and how many files."""

    name: str
    bytes: int
    files: int


class Version(NamedTuple):
    """A published version that is kept: its number, when it was written (UTC), its bytes."""

    number: int
    written_at: datetime
    bytes: int


def label_sums(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> list[LabelSum]:
    """Every label's sums for the operator, nothing for anyone else; days of the months by UTC."""
    if not viewer.is_operator or viewer.projects is not None:
        return []
    start = today.replace(day=1)
    before = (start - timedelta(days=1)).replace(day=1)
    rows = connection.execute(
        """SELECT coalesce(label, ''), coalesce(sum(now_usd), 0), coalesce(sum(before_usd), 0),
              coalesce(sum(requests), 0)::BIGINT
           FROM (
              SELECT account_no, sum(cost_usd) FILTER (day >= $start) AS now_usd,
                  sum(cost_usd) FILTER (day < $start) AS before_usd, sum(requests) FILTER (day >= $start) AS requests
              FROM model.spend_summary_daily WHERE day BETWEEN $before AND $today GROUP BY account_no
           ) AS told
           LEFT JOIN model.account AS account ON account.account_no = told.account_no AND account.valid_to IS NULL
           GROUP BY 1""",
        {"start": start, "before": before, "today": today},
    ).fetchall()
    return [LabelSum(*row) for row in rows]


def accounts(home: Home, viewer: Viewer, sums: list[LabelSum]) -> list[AccountSum]:
    """The sums by account; what nobody claims is the operator's."""
    if not viewer.is_operator or viewer.projects is not None:
        return []
    with database.control(home) as control:
        listed = [
            (number, is_operator, len(members.of_account(control, number)), claim.labels_of(control, number))
            for number, is_operator in members.accounts(control)
        ]
    claimed = {label for *_, labels in listed for label in labels}
    found = []
    for number, is_operator, count, labels in listed:
        mine = [one for one in sums if one.label in labels or (is_operator and one.label not in claimed)]
        found.append(
            AccountSum(
                number,
                count,
                len(mine),
                sum((one.cost_usd for one in mine), Decimal(0)),
                sum((one.before_usd for one in mine), Decimal(0)),
                sum(one.requests for one in mine),
            )
        )
    return sorted(found, key=lambda one: one.cost_usd, reverse=True)


def idle_accounts(home: Home, viewer: Viewer, today: date) -> list[Idle]:
    """Accounts that nobody uses and that go soon, or stay for a reason, the one used longest ago first."""
    if not viewer.is_operator or viewer.projects is not None:
        return []
    held = policy.load(home.root / "policy.toml")
    with database.control(home) as control:
        return idle.listed(control, held, today)


def claims(home: Home, viewer: Viewer) -> list[Claim]:
    """What nobody claims, then what is told apart, the rules and the claims; the operator's alone."""
    if not viewer.is_operator or viewer.projects is not None:
        return []
    with database.control(home) as control:
        found = [Claim(label, "you", "nobody claims it") for label in claim_rule.unclaimed(control)]
        apart = told_apart.listed(control).items()
        found += [Claim(f"{label}/…", "whoever claims a part", f"told apart by {part}") for label, part in apart]
        numbers = [number for number, _ in members.accounts(control)]
        found += [
            Claim(rule, f"account {each}", "rule") for each in numbers for rule in claim_rule.of_account(control, each)
        ]
        found += [
            Claim(label, f"account {each}", "claimed") for each in numbers for label in claim.labels_of(control, each)
        ]
    return found


def folders(home: Home) -> list[Folder]:
    """Everything in the home by its first folder or file, the largest first; a link counts as nothing."""
    found: dict[str, tuple[int, int]] = {}
    for folder, _, names in os.walk(home.root):
        for name in names:
            path = Path(folder) / name
            try:
                told = path.lstat()
            except FileNotFoundError:
                continue
            first = path.relative_to(home.root).parts[0]
            size, count = found.get(first, (0, 0))
            found[first] = (size + told.st_blocks * 512, count + 1)
    return sorted((Folder(name, *told) for name, told in found.items()), key=lambda one: one.bytes, reverse=True)


def versions(home: Home) -> list[Version]:
    """The versions that are kept, the newest first."""
    found = []
    for path in home.published.glob("warehouse-*.duckdb"):
        try:
            told = path.stat()
        except FileNotFoundError:
            continue
        written = datetime.fromtimestamp(told.st_mtime, UTC).replace(tzinfo=None)
        found.append(Version(int(path.stem.rsplit("-", 1)[1]), written, told.st_size))
    return sorted(found, reverse=True)


def parts() -> list[tuple[str, str]]:
    """What the programme is made of, each with its version."""
    found = []
    for name in _PARTS:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found
