"""Who operates the installation: asked by the pages that change what is not one account's alone."""

from starlette.requests import Request

from dashboards.access import session
from warehouse.control.session import Session

_ROLES = frozenset({"owner", "editor"})


def who(request: Request) -> Session | None:
    """The operator's session; None for everybody else, and for an operator who looks into another account."""
    found = session.find(session.token_of(request.cookies))
    if found is None or not found.member.is_operator or found.member.role not in _ROLES:
        return None
    return found if found.opened_account_no is None and found.member.projects is None else None
