"""Who looks: the one place that binds what a page may read to an account.

Every question a page asks takes a Viewer and puts its condition into its WHERE, so that sign-in has one thing to give.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Viewer:
    """Someone who looks at pages. `account` None is the operator, who sees every account."""

    account: str | None = None

    def condition(self) -> tuple[str, list[object]]:
        """SQL over a mart with an `account` column, and its bound values."""
        if self.account is None:
            return "true", []
        return "account = ?", [self.account]


def current() -> Viewer:
    """The one who looks at this page. Before sign-in exists, whoever reaches the loopback address is the operator."""
    return Viewer()
