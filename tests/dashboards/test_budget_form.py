"""Budgets by a form: owners and editors set and remove their own; another's is answered as what is not there."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.entry import budget_form
from dashboards.gate import Gate
from dashboards.people import sign_in
from tests.dashboards.people_site import EMAIL, HASH, Site, served, token
from tests.pipelines.spend_version import known
from warehouse import database
from warehouse.control import budget as budgets
from warehouse.control import claim
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime.now(UTC).replace(tzinfo=None)
MAIL = "costs@team.example"


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """Two accounts of the logs, acme claimed by Ada and beta by nobody; the forms behind the gate, Ada signed in."""
    assert master_key
    known(home, NOW, "web", account="acme")
    known(home, NOW, "search", account="beta")
    with database.control(home) as control:
        assert members.sign_up(control, Vault(control, NOW), EMAIL, HASH, NOW)
        ada = members.find(control, Vault(control, NOW), EMAIL)
        assert ada
        claim.put(control, "acme", ada[0].account_no, NOW)
    app = Starlette(routes=[*sign_in.ROUTES, *budget_form.ROUTES], middleware=[Middleware(Gate)])
    with served(app) as port:
        site = Site(port, home)
        _as_member(site, EMAIL)
        yield site


def _as_member(site: Site, email: str, role: str = "owner") -> None:
    with database.control(site.home) as control:
        found = members.find(control, Vault(control, NOW), email)
        assert found
        control.execute("UPDATE member SET role = ? WHERE member_no = ?", (role, found[0].member_no))
        site.cookie = f"sid={sessions.begin(control, found[0].member_no, sessions.BY_PASSWORD, NOW)}"


def _places(site: Site) -> dict[str, str]:
    """What the form offers: name and the word it sends."""
    _, _, text = site.ask("GET", "/budget")
    return {name: word for word, name in re.findall(r'<option value="([\d-]+)">([^<]+)</option>', text)}


def _fields(site: Site, scope: str, **changed: str) -> dict[str, str]:
    _, _, text = site.ask("GET", "/budget")
    usual = {"monthly": "500", "thresholds": "50,100", "address": MAIL}
    return {"form": token(text), "scope": scope, **usual, **changed}


def _in_force(home: Home) -> list[tuple[str, str | None, str, tuple[int, ...]]]:
    with database.control(home) as control:
        found = [(budgets.scope_of(control, one), one) for one in budgets.current(control)]
        return [
            (place.account, place.project, f"{one.monthly_usd.normalize():f}", one.thresholds) for place, one in found
        ]


def test_a_budget_is_set_changed_and_removed(site: Site) -> None:
    """Each by a form of ours; the page lists it with the address masked, and nowhere whole."""
    places = _places(site)
    assert sorted(places) == ["acme", "web (acme)"]
    web = places["web (acme)"]
    assert site.post("/budget/set", _fields(site, web))[0] == 303
    assert site.post("/budget/set", _fields(site, web, monthly="600"))[0] == 303
    assert _in_force(site.home) == [("acme", "web", "600", (50, 100))]
    _, _, text = site.ask("GET", "/budget")
    assert "c…@team.example" in text
    assert MAIL not in text
    assert site.post("/budget/remove", _fields(site, web))[0] == 303
    assert _in_force(site.home) == []


@pytest.mark.clause("AL-5.4")
def test_anothers_scope_is_not_there(site: Site) -> None:
    """What is beta's and what nobody has are answered alike, set and removed by nobody; a viewer has no form at all."""
    with database.control(site.home) as control:
        other = budgets.scope(control, "beta", None)
        budgets.put(control, Vault(control, NOW), other, budgets.amount("9"), (50,), MAIL, NOW)
    for path in ("/budget/set", "/budget/remove"):
        answers = {site.post(path, _fields(site, scope))[::2] for scope in (f"{other.account_no}-0", "1-0", "", "x")}
        assert {status for status, _ in answers} == {404}
        assert len({re.sub(r'value="\w+"', "", text) for _, text in answers}) == 1
    assert _in_force(site.home) == [("beta", None, "9", (50,))]
    mine = _places(site)["acme"]
    fields = _fields(site, mine)
    _as_member(site, EMAIL, "viewer")
    assert site.ask("GET", "/budget")[0] == 404
    assert site.post("/budget/set", fields)[0] in {403, 404}
    _as_member(site, EMAIL, "editor")
    assert site.post("/budget/set", _fields(site, mine))[0] == 303


@pytest.mark.attack("T06")
def test_a_form_of_another_site_sets_nothing(site: Site) -> None:
    """T06: without our token, from another origin, or without a session, nothing is done."""
    fields = _fields(site, _places(site)["acme"])
    assert site.post("/budget/set", {**fields, "form": "a" * 64})[0] == 403
    assert site.post("/budget/set", fields, Origin="https://evil.example")[0] == 403
    signed_in, site.cookie = site.cookie, ""
    assert site.post("/budget/set", fields)[0] == 403
    site.cookie = signed_in
    assert _in_force(site.home) == []
    assert site.post("/budget/set", fields)[0] == 303


@pytest.mark.parametrize(
    "wrong", [{"monthly": "0"}, {"monthly": "<b>"}, {"thresholds": "5000"}, {"address": "a@team.example, b@x.example"}]
)
def test_what_is_no_budget_is_refused_and_told(site: Site, wrong: dict[str, str]) -> None:
    """Nothing is set; what a person typed is not markup."""
    status, _, text = site.post("/budget/set", _fields(site, _places(site)["acme"], **wrong))
    assert status == 422
    assert "<b>" not in text
    assert _in_force(site.home) == []
