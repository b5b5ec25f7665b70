"""Who asks by machine: the member of the token in `Authorization: Bearer`, and what they may see now.

A token is looked at nowhere else: not in an address, where logs would keep it, and not in a form.
"""

import math
import sqlite3
from dataclasses import dataclass

from starlette.requests import Request

from dashboards.access import session
from dashboards.api.problem import Problem
from dashboards.figures import viewer
from dashboards.figures.viewer import Viewer
from dashboards.rights import privacy
from warehouse import database
from warehouse.control import token as tokens
from warehouse.control.member import Member
from warehouse.control.token import Refused
from warehouse.control.vault import Vault
from warehouse.home import Home

_REALM = 'Bearer realm="apiledger"'
_MAKE = "make one on the page Account, or with `apiledger token add`, and send it as `Authorization: Bearer <token>`"
_LONGEST = 200


@dataclass(frozen=True)
class Caller:
    """Who asks, and what they see."""

    member: Member
    viewer: Viewer


def caller(request: Request) -> Caller:
    """The one whose token came with a request; a Problem where none lives, or its member has something to do first."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise Problem(401, "a token is needed here", _MAKE, headers={"WWW-Authenticate": _REALM})
    home = Home.own()
    if not home.control_file.exists():
        raise _unknown()
    with database.control(home) as control:
        return _of(control, secret[:_LONGEST], request.client.host if request.client else "")


def _of(control: sqlite3.Connection, secret: str, ip: str) -> Caller:
    now = session.now()
    found = tokens.of_secret(control, Vault(control, now), secret, ip, now)
    if isinstance(found, Refused):
        if found.wait:
            seconds = math.ceil(found.wait.total_seconds())
            raise Problem(
                429,
                "too many wrong tokens came from this address",
                f"try again in {seconds} s, with the right token",
                headers={"Retry-After": str(seconds)},
            )
        raise _unknown()
    if privacy.is_due_of(control, found.member_no):
        raise Problem(403, "the privacy policy has changed", "its member signs in at the dashboard and accepts it")
    return Caller(found, viewer.of_member(control, found))


def _unknown() -> Problem:
    return Problem(
        401,
        "this token is unknown, has expired, was revoked, or its account is restricted",
        _MAKE,
        headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'},
    )
