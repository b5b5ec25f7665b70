"""Who looks: the one place that binds what a page may read to an account.

Every question a page asks takes a Viewer and puts its condition into its WHERE. Who it is, is asked of the session each
time: what was true at the last click need not be true now.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from dashboards.access import session
from dashboards.access.session import SignedOutError
from warehouse import database
from warehouse.control import claim, restriction
from warehouse.control.member import Member
from warehouse.home import Home

_AMONG = "{0}_no IN (SELECT {0}_no FROM model.{0} WHERE valid_to IS NULL AND list_contains(?::VARCHAR[], label))"


@dataclass(frozen=True)
class Viewer:
    """Someone who looks at pages: the account labels they see, None for the operator, who sees all nobody claims.

    `claimed` are the labels of others, which the operator does not see; `projects` limits a viewer, None is all.
    """

    accounts: tuple[str, ...] | None = None
    claimed: tuple[str, ...] = ()
    projects: tuple[str, ...] | None = None

    @property
    def is_operator(self) -> bool:
        """Whether what concerns the whole installation is theirs to see."""
        return self.accounts is None

    def sees(self, account: str, project: str | None) -> bool:
        """Whether an account's project, or with None the account as a whole, is theirs to see; as `condition` says."""
        allowed = account not in self.claimed if self.accounts is None else account in self.accounts
        return allowed and (self.projects is None or project in self.projects)

    def condition(self) -> tuple[str, list[object]]:
        """SQL over a mart with columns `account` and `project`, and its bound values."""
        allowed, values = self.account_condition()
        if self.projects is None:
            return allowed, values
        return f"{allowed} AND list_contains(?::VARCHAR[], project)", [*values, list(self.projects)]

    def numbers(self) -> tuple[str, list[object]]:
        """`condition` over a model table with columns `account_no` and `project_no`.

        For what is large: rows are added up by number, and only the sums are given names.
        """
        allowed, values = self.account_condition()
        if self.accounts is not None or self.claimed:
            labels = self.claimed if self.accounts is None else self.accounts
            among = _AMONG.format("account")
            # A number without a name is nobody's, and the operator's to see.
            allowed = among if self.accounts is not None else f"(account_no IS NULL OR NOT {among})"
            values = [list(labels)]
        if self.projects is None:
            return allowed, values
        return f"{allowed} AND {_AMONG.format('project')}", [*values, list(self.projects)]

    def condition_without_project(self) -> tuple[str, list[object]]:
        """The same over a mart that knows no projects: who is limited to some sees nothing of it."""
        return self.account_condition() if self.projects is None else ("false", [])

    def account_condition(self) -> tuple[str, list[object]]:
        """The same over what only names the account, where nothing of a project is told."""
        if self.accounts is not None:
            return "list_contains(?::VARCHAR[], account)", [list(self.accounts)]
        if self.claimed:
            return "(account IS NULL OR NOT list_contains(?::VARCHAR[], account))", [list(self.claimed)]
        return "true", []


def current() -> Viewer:
    """The one who looks at this page; SignedOutError where the session of its browser has ended."""
    return of(session.of_page())


def again() -> Callable[[], Viewer]:
    """A way to ask who it is once more, later and outside the page's run, such as when a file is fetched.

    It tells only the browser that the page was drawn for: SignedOutError where another's asks.
    """
    found_by = session.of_page()

    def looks() -> Viewer:
        session.hold_asker(found_by)
        return of(found_by)

    return looks


def of(found_by: bytes) -> Viewer:
    """The one whose session has this hash; SignedOutError where it has ended."""
    found = session.find_by(found_by)
    if found is None:
        raise SignedOutError("nobody is signed in here any more")
    with database.control(Home.own()) as control:
        return of_member(control, found.member, found.opened_account_no)


def of_member(control: sqlite3.Connection, member: Member, opened_account_no: int | None = None) -> Viewer:
    """What a member may see now, by a session or a token; `opened_account_no` is what an operator's session opened."""
    if member.is_operator and opened_account_no in {None, member.account_no}:
        hidden = {*claim.labels_of_others(control, member.account_no), *restriction.labels(control)}
        return Viewer(None, tuple(sorted(hidden)), member.projects)
    seen = member.account_no if opened_account_no is None else opened_account_no
    return Viewer(claim.labels_of(control, seen), (), member.projects)
