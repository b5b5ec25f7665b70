"""A home with two accounts' figures and everybody's tokens, served behind the gate, and a program that asks it."""

import json
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.api import endpoints, health, metrics
from dashboards.gate import Gate
from dashboards.people import account, sign_in
from tests.dashboards import made_version
from tests.dashboards.people_site import HASH, now
from warehouse import database
from warehouse.control import claim, token
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.home import Home

# The last day of the made-up figures, and five weeks of them.
UNTIL = datetime(2026, 10, 31, 14, 30)  # noqa: DTZ001 - naive moments are UTC in the marts
DAYS = {"from": "2026-09-27", "to": "2026-10-31"}
# What an account's figures carry, and a second token of its viewer who sees one project.
LABELS = {"ada": "Acme", "bob": "Beta GmbH"}
PROJECT = "search"


@dataclass
class Told:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of an answer."""
        assert self.status == 200, self.body
        return list(self.json["rows"])


@dataclass
class Machines:
    """The port, the home, and each person's token by their name: operator, ada, bob, one (of ada's, one project)."""

    port: int
    home: Home
    tokens: dict[str, str] = field(default_factory=dict)
    people: dict[str, Member] = field(default_factory=dict)

    def ask(
        self, path: str, query: Any = (), whose: str | None = "operator", method: str = "GET", **headers: str
    ) -> Told:
        """One request, with somebody's token or, for None, without."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if whose is not None:
            sent["Authorization"] = f"Bearer {self.tokens.get(whose, whose)}"
        asked = f"{path}?{urlencode(query, doseq=True)}" if query else path
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, asked, None, sent)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Told(answer.status, told, answer.read())


def app() -> Starlette:
    """The routes of programs and those by which a person makes a token, behind the gate."""
    routes = [*sign_in.ROUTES, *account.ROUTES, *health.ROUTES, *metrics.ROUTES, *endpoints.ROUTES]
    return Starlette(routes=routes, middleware=[Middleware(Gate)])


def people(home: Home) -> Machines:
    """An operator, two accounts with a label each, a viewer of one project; a token of each. Nothing is served yet."""
    made, moment = Machines(0, home), now()
    with database.control(home) as control:
        vault = Vault(control, moment)
        made.people["operator"] = members.operator(control, vault, moment)
        for name, label in LABELS.items():
            assert members.sign_up(control, vault, f"{name}@team.example", HASH, moment)
            (made.people[name], _) = members.find(control, vault, f"{name}@team.example") or (None, None)  # type: ignore[assignment] # just made
            claim.put(control, label, made.people[name].account_no, moment)
        number = made.people["ada"].account_no
        with database.transaction(control):
            members.join(control, vault, number, "viewer", (PROJECT,), "one@team.example", HASH, moment)
        (made.people["one"], _) = members.find(control, vault, "one@team.example") or (None, None)  # type: ignore[assignment] # just made
        for name, member in made.people.items():
            ends = moment + timedelta(days=9)
            made.tokens[name] = token.make(control, vault, member, f"the program of {name}", moment, ends)
    return made


def publish(home: Home, version: int = 1) -> None:
    """Ten weeks of made-up figures."""
    made_version.publish(home, version, UNTIL)
