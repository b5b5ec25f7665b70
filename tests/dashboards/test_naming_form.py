"""Keys and projects are named by a form: by owners and editors, their own alone; another's is as one not there."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.entry import naming_form
from dashboards.gate import Gate
from dashboards.people import sign_in
from tests.dashboards.people_site import EMAIL, HASH, Site, as_role, served, token
from warehouse import database
from warehouse.control import claim, naming
from warehouse.control import member as members
from warehouse.control.naming import Naming
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime.now(UTC).replace(tzinfo=None)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """Two accounts of the logs with a key and a project each, acme claimed by Ada; Ada signed in."""
    assert master_key
    with database.control(home) as control:
        vault = Vault(control, NOW)
        with database.transaction(control):
            for gateway in ("gateway_jsonl", "litellm"):
                ids = OutsideIds(control, vault, NOW)
                for name in ("acme", "beta"):
                    number = ids.accounts(gateway, [name])[name]
                    ids.numbers("key", gateway, [(number, f"sk-{name}", f"{name} key")])
                    ids.numbers("project", gateway, [(number, name, f"{name} web")])
        assert members.sign_up(control, vault, EMAIL, HASH, NOW)
        ada = members.find(control, vault, EMAIL)
        assert ada
        claim.put(control, "acme", ada[0].account_no, NOW)
    app = Starlette(routes=[*sign_in.ROUTES, *naming_form.ROUTES], middleware=[Middleware(Gate)])
    with served(app) as port:
        site = Site(port, home)
        as_role(site, "owner", NOW)
        yield site


def _things(site: Site) -> dict[str, str]:
    """What the form offers: name and the word it sends."""
    _, _, text = site.ask("GET", "/name")
    return {name: word for word, name in re.findall(r'<option value="(\d+)"[^>]*>([^<]+)</option>', text)}


def _fields(site: Site, thing: str, **changed: str) -> dict[str, str]:
    usual = {"called": "Checkout", "owner": "payments team", "tags": "prod, eu,prod", "since": "2026-11-01"}
    return {"form": token(site.ask("GET", "/name")[2]), "thing": thing, **usual, **changed}


def _said(home: Home) -> dict[str, list[Naming]]:
    """What is said of each thing that has something said of it, by its name in the log and its gateway."""
    with database.control(home) as control:
        query = "SELECT no, gateway, label FROM outside_id JOIN label USING (no) WHERE kind IN ('key', 'project')"
        every = {f"{label} {gateway}": naming.of(control, number) for number, gateway, label in control.execute(query)}
    return {name: told for name, told in every.items() if told}


def test_a_key_is_named_with_its_owner_and_tags_from_a_day_on(site: Site) -> None:
    """In every gateway that calls it so; the page shows it as text with its dates; a later day leaves the former."""
    things = _things(site)
    assert sorted(things) == ["key acme key (acme)", "project acme web (acme)"]
    key = things["key acme key (acme)"]
    status, headers, _ = site.post("/name", _fields(site, key))
    assert status == 303
    first = datetime(2026, 11, 1)  # noqa: DTZ001 (naive moments are UTC here)
    told = [Naming("Checkout", "payments team", ("prod", "eu"), first)]
    assert _said(site.home) == {"acme key gateway_jsonl": told, "acme key litellm": told}
    page = site.ask("GET", headers["location"])[2]
    assert "It is written down" in page
    assert 'value="payments team"' in page
    assert site.post("/name", _fields(site, key, called="", owner="", tags="", since=f"{NOW:%Y-%m-%d}"))[0] == 303
    said = _said(site.home)["acme key litellm"]
    assert [(one.name, one.valid_from, one.valid_to) for one in said] == [
        ("Checkout", first, MIDNIGHT),
        (None, MIDNIGHT, None),
    ]
    with database.control(site.home) as control:
        acts = control.execute("SELECT count(*), count(actor_no) FROM audit WHERE act = 'name.said'").fetchone()
    assert acts == (4, 4)


@pytest.mark.parametrize(
    "wrong",
    [{"called": HOSTILE}, {"owner": "ada@team.example"}, {"tags": ",".join("abcdefghijklmnopqrstuvw")}, {"since": "x"}],
)
def test_what_is_no_name_is_refused_and_told(site: Site, wrong: dict[str, str]) -> None:
    """Nothing is written down; what a person typed is not markup."""
    status, _, text = site.post("/name", _fields(site, _things(site)["key acme key (acme)"], **wrong))
    assert (status, HOSTILE in text, "Nothing was written down" in text) == (422, False, True)
    assert HOSTILE not in site.ask("GET", "/name?kind=key&label=%3Cscript%3Ealert(1)%3C/script%3E")[2]
    assert _said(site.home) == {}


@pytest.mark.clause("AL-5.4")
def test_anothers_key_is_not_there(site: Site) -> None:
    """Beta's and nobody's are answered alike; a viewer has no form, an editor has; no other site's form counts."""
    with database.control(site.home) as control:
        query = "SELECT no FROM outside_id JOIN label USING (no) WHERE label.label = 'beta key'"
        (theirs,) = control.execute(query).fetchone()
        naming.put(control, theirs, 1, Naming("zq-beta", None, (), NOW - timedelta(days=1)))
    before, mine = _said(site.home), _things(site)["key acme key (acme)"]
    answers = {site.post("/name", _fields(site, word))[::2] for word in (str(theirs), "1", "", "x")}
    assert {status for status, _ in answers} == {404}
    assert len({re.sub(r'value="\w+"', "", text) for _, text in answers}) == 1
    assert "beta" not in site.ask("GET", "/name?kind=key&label=beta+key&account=beta")[2]
    fields = _fields(site, mine)
    assert site.post("/name", {**fields, "form": "a" * 64})[0] == 403
    assert site.post("/name", fields, Origin="https://evil.example")[0] == 403
    as_role(site, "viewer", NOW)
    assert site.ask("GET", "/name")[0] == 404
    assert site.post("/name", fields)[0] in {403, 404}
    assert _said(site.home) == before
    as_role(site, "editor", NOW)
    assert site.post("/name", _fields(site, mine))[0] == 303
    site.cookie = ""
    assert site.post("/name", fields)[0] == 403
