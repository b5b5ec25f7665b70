"""Cost centres by forms: the operator sets and ends rules, the next pass allocates by them; nobody else does."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.access import session
from dashboards.entry import centre_form
from dashboards.gate import Gate
from dashboards.people import sign_in
from tests.dashboards.people_site import EMAIL, HASH, Site, as_member, served, token
from warehouse import database
from warehouse.allocation import FILE, Rules, made
from warehouse.control import audit
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime.now(UTC).replace(tzinfo=None)
TODAY = NOW.date()
HOSTILE = "<script>alert(1)</script>"
WEB = {"name": "web", "what": "project", "called": "shop", "split": "", "centre": "storefront", "since": ""}


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """An account of Ada's; the operator signed in."""
    assert master_key
    with database.control(home) as control:
        vault = Vault(control, NOW)
        operator = members.operator(control, vault, NOW)
        members.set_password(control, operator.member_no, HASH)
        assert members.sign_up(control, vault, EMAIL, HASH, NOW)
    app = Starlette(routes=[*sign_in.ROUTES, *centre_form.ROUTES], middleware=[Middleware(Gate)])
    with served(app) as port:
        site = Site(port, home)
        as_member(site, operator.member_no, NOW)
        yield site


def _send(site: Site, doing: str, /, **fields: str) -> tuple[int, str]:
    """One of the forms, as the page sends it; the status, and where it leads or what it says."""
    hidden = token(site.ask("GET", "/centres")[2])
    status, headers, text = site.post(f"/centres/{doing}", {"form": hidden, **fields})
    return status, headers.get("location", text)


def test_rules_of_each_kind_are_set(site: Site) -> None:
    """All to one centre, shares, by use, of a tag, of everything else: what the command line and the file have."""
    assert "No rule is set" in site.ask("GET", "/centres")[2]
    assert _send(site, "set", **WEB) == (303, "/centres?said=set")
    shares = {
        "name": "both",
        "what": "tag",
        "called": "beta",
        "centre": "ops = 33.3, web=66.7 %",
        "since": "2026-06-01",
    }
    assert _send(site, "set", **(WEB | shares))[0] == 303
    assert _send(site, "set", name="rest", what="", called="", split="month", centre="", since="")[0] == 303
    rules = {rule.name: rule for rule in Rules.read(site.home.root).rules}
    assert (rules["web"].project, rules["web"].cost_centre, rules["web"].since) == ("shop", "storefront", None)
    assert rules["both"].tags == ("beta",)
    assert rules["both"].shares == {"ops": Decimal("33.3"), "web": Decimal("66.7")}
    assert str(rules["both"].since) == "2026-06-01"
    assert (rules["rest"].by_use, rules["rest"].rank) == ("month", 0)
    text = site.ask("GET", "/centres")[2]
    for said in ("project shop", "storefront", "tag beta", "from 2026-06-01", "everything else", "shared by use"):
        assert said in text
    with database.control(site.home) as control:
        noted = control.execute("SELECT count(*) FROM audit WHERE act = 'centres.set' AND actor_no IS NOT NULL")
        assert noted.fetchone() == (3,)
        assert audit.ACTS["centres.set"]


def test_a_rule_that_has_held_keeps_its_past(site: Site) -> None:
    """It ends with yesterday; one that begins today or later is taken out; an ended one has no end to set."""
    for name, project, since in (("old", "shop", ""), ("new", "blog", str(TODAY + timedelta(days=9)))):
        assert _send(site, "set", **(WEB | {"name": name, "called": project, "since": since}))[0] == 303
    assert _send(site, "end", rule="old") == (303, "/centres?said=ended")
    assert _send(site, "end", rule="new") == (303, "/centres?said=gone")
    (left,) = Rules.read(site.home.root).rules
    assert (left.name, left.until) == ("old", TODAY)
    assert _send(site, "end", rule="old")[0] == 404
    assert _send(site, "end", rule="nobody")[0] == 404
    assert 'name="rule"' not in site.ask("GET", "/centres")[2]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": HOSTILE}, "name: "),
        ({"called": ""}, "called: name what the rule takes"),
        ({"what": ""}, "called: name what the rule takes"),
        ({"what": "colour"}, "takes: choose"),
        ({"called": HOSTILE}, "project: "),
        ({"centre": ""}, "say where to once"),
        ({"split": "month"}, "say where to once"),
        ({"split": "year"}, "by_use: "),
        ({"centre": "ops=40, web=50"}, "the shares add up to 90"),
        ({"centre": "ops=1e9999999, web=50"}, "shares: "),
        ({"centre": "unallocated"}, "name a cost centre"),
        ({"since": "June"}, "from: give the day"),
        ({"name": "set", "called": "set"}, "two rules are called"),
        ({"called": "set"}, "ask for the same spend"),
    ],
)
def test_what_is_no_rule_is_refused_and_told(site: Site, changed: dict[str, str], said: str) -> None:
    """The file is what it was, what was typed stands in the form, and nothing typed is taken for markup."""
    Rules.of([made({"name": "set", "project": "set", "cost_centre": "a"}, "it")]).write(site.home.root)
    before = (site.home.root / FILE).read_bytes()
    status, text = _send(site, "set", **(WEB | changed))
    assert (status, HOSTILE in text) == (422, False)
    assert said in text
    assert 'value="web"' in text or "name" in changed
    assert (site.home.root / FILE).read_bytes() == before


def test_a_file_that_somebody_broke_is_named_and_kept(site: Site) -> None:
    """Neither form writes over it."""
    path = site.home.root / FILE
    path.write_text("[[rule]]\nname = ")
    status, _, text = site.ask("GET", "/centres")
    assert (status, "allocation.toml is no TOML" in text) == (200, True)
    assert _send(site, "set", **WEB)[0] == 422
    assert _send(site, "end", rule="web")[0] == 422
    assert path.read_text() == "[[rule]]\nname = "


@pytest.mark.attack("T06")
def test_nobody_but_the_operator_sets_a_rule(site: Site) -> None:
    """An account's owner, an operator who looks into an account, another site's form: each is turned away."""
    hidden = token(site.ask("GET", "/centres")[2])
    assert site.post("/centres/set", {**WEB, "form": "a" * 64})[0] == 403
    assert site.post("/centres/set", {**WEB, "form": hidden}, Origin="https://evil.example")[0] == 403
    with database.control(site.home) as control:
        found = members.find(control, Vault(control, NOW), EMAIL)
        assert found
        control.execute("UPDATE session SET opened_account_no = ?", (found[0].account_no,))
    assert site.post("/centres/set", {**WEB, "form": hidden})[0] == 404
    as_member(site, found[0].member_no, NOW)
    hidden = session.form_token(site.cookie.removeprefix("sid="))
    assert site.ask("GET", "/centres")[0] == 404
    for what in ("set", "end"):
        assert site.post(f"/centres/{what}", {**WEB, "rule": "web", "form": hidden})[0] == 404
    assert not (site.home.root / FILE).exists()


def test_what_is_written_is_the_files_own_form(site: Site) -> None:
    """The command line and people read it: nothing of the form's is in it."""
    assert _send(site, "set", **WEB)[0] == 303
    assert tomllib.loads((site.home.root / FILE).read_text()) == {
        "rule": [{"name": "web", "project": "shop", "cost_centre": "storefront"}]
    }
