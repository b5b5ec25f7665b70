"""Claims by forms: the operator says whose labels, keys and upstreams are, once more themselves; nobody else does."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.access import session
from dashboards.entry import claim_form
from dashboards.gate import Gate
from dashboards.people import sign_in
from tests.dashboards.people_site import EMAIL, HASH, PASSWORD, Site, as_member, served, token
from warehouse import database
from warehouse.control import claim, claim_rule, connection, key_rule, told_apart, upstream_claim
from warehouse.control import member as members
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime.now(UTC).replace(tzinfo=None)
TODAY = NOW.date()
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """Two labels of the logs that nobody claims, an account of Ada's and a connection; the operator signed in."""
    assert master_key
    with database.control(home) as control:
        vault = Vault(control, NOW)
        operator = members.operator(control, vault, NOW)
        members.set_password(control, operator.member_no, HASH)
        assert members.sign_up(control, vault, EMAIL, HASH, NOW)
        with database.transaction(control):
            OutsideIds(control, vault, NOW).accounts("litellm", ["acme", "beta"])
            connection.insert(control, "openai", "openai", operator.account_no, NOW, is_operator=True)
    app = Starlette(routes=[*sign_in.ROUTES, *claim_form.ROUTES], middleware=[Middleware(Gate)])
    with served(app) as port:
        site = Site(port, home)
        as_member(site, operator.member_no, NOW)
        yield site


def _ada(site: Site) -> members.Member:
    with database.control(site.home) as control:
        found = members.find(control, Vault(control, NOW), EMAIL)
    assert found
    return found[0]


def _send(site: Site, what: str, **fields: str) -> tuple[int, str]:
    """One of the forms, as the page sends it; the status, and where it leads or what it says."""
    hidden = token(site.ask("GET", "/claims")[2])
    status, headers, text = site.post(f"/claims/{what}", {"form": hidden, **fields})
    return status, headers.get("location", text)


def _give(site: Site, label: str, **changed: str) -> tuple[int, str]:
    usual = {"label": label, "whose": str(_ada(site).account_no), "proof": PASSWORD}
    return _send(site, "give", **(usual | changed))


def test_a_label_is_given_and_taken_back(site: Site) -> None:
    """What nobody claims is listed; a label and a rule are theirs at once, and the operator's again when they end."""
    text = site.ask("GET", "/claims")[2]
    assert "Only you see the calls of: <strong>acme</strong>, <strong>beta</strong>" in text
    assert "a…@team.example" in text
    assert EMAIL not in text
    assert _give(site, "acme") == (303, "/claims?said=given")
    assert _give(site, "team-*") == (303, "/claims?said=given")
    number = _ada(site).account_no
    with database.control(site.home) as control:
        assert claim.labels_of(control, number) == ("acme",)
        assert claim_rule.of_account(control, number) == ("team-*",)
        acts = "SELECT count(*) FROM audit WHERE act = 'claim.given' AND object_no = ? AND actor_no IS NOT NULL"
        assert control.execute(acts, (number,)).fetchone() == (2,)
    for label in ("acme", "team-*"):
        assert _send(site, "end", label=label) == (303, "/claims?said=ended")
        assert _send(site, "end", label=label)[0] == 404
    with database.control(site.home) as control:
        assert claim_rule.unclaimed(control) == ["acme", "beta"]
        claim.put(control, f"account {number}", number, NOW)
    assert _send(site, "end", label=f"account {number}")[0] == 404


def test_what_cannot_be_given_is_refused_and_told(site: Site) -> None:
    """Without the password, a label that no log has, one that is another's, an account that is not there."""
    assert "the password is another one" in _give(site, "acme", proof="wrong")[1]
    assert "Label: no log has that account" in _give(site, "nobody")[1]
    status, text = _give(site, f"{HOSTILE}*")
    assert (status, HOSTILE in text, "Label: a rule is a label" in text) == (422, False, True)
    assert _give(site, "acme", whose="1")[0] == 404
    with database.control(site.home) as control:
        other = 10**9
        control.execute("INSERT INTO account VALUES (?, 0, ?)", (other, database.stamp(NOW)))
        claim.put(control, "beta", other, NOW)
    assert f"claimed by account {other}" in _give(site, "beta")[1]
    with database.control(site.home) as control:
        assert claim.labels_of(control, _ada(site).account_no) == ()


def test_a_label_is_told_apart_and_made_whole(site: Site) -> None:
    """By team or key, from the next pass on."""
    assert _send(site, "part", parted="acme", part="team")[0] == 303
    assert _send(site, "part", parted="acme", part="colour")[0] == 404
    assert "Label: an account is told apart" in _send(site, "part", parted=HOSTILE, part="key")[1]
    with database.control(site.home) as control:
        assert told_apart.listed(control) == {"acme": "team"}
    assert "acme/…" in site.ask("GET", "/claims")[2]
    assert _send(site, "whole", whole="acme")[0] == 303
    assert _send(site, "whole", whole="acme")[0] == 404


def test_keys_are_given_a_project_from_a_day_on(site: Site) -> None:
    """A later rule of the same keys leaves the former its days; one that is ended holds until yesterday."""
    rule = {"account": "acme", "pattern": "web-*", "project": "shop"}
    assert _send(site, "keys", **rule, since="2026-06-01")[0] == 303
    assert _send(site, "keys", **(rule | {"project": "store"}), since="2026-07-01")[0] == 303
    assert "From: give the day" in _send(site, "keys", **rule, since="June")[1]
    for wrong, said in (
        ("account", "an account is named"),
        ("pattern", "a key&#x27;s alias"),
        ("project", "a project is"),
    ):
        status, text = _send(site, "keys", **(rule | {wrong: HOSTILE}), since="2026-06-01")
        assert (status, said in text, HOSTILE in text) == (422, True, False)
    number = re.findall(r'name="rule" value="(\d+)"', site.ask("GET", "/claims")[2])[-1]
    assert _send(site, "keys/end", rule=number)[0] == 303
    assert _send(site, "keys/end", rule="99")[0] == 404
    with database.control(site.home) as control:
        found = [(one.project, one.first_day, one.last_day) for one in key_rule.listed(control)]
    assert found == [
        ("shop", date(2026, 6, 1), date(2026, 6, 30)),
        ("store", date(2026, 7, 1), TODAY - timedelta(days=1)),
    ]


def test_an_upstream_is_claimed_for_a_connection(site: Site) -> None:
    """Since ever or from a day on; ended, it holds until yesterday; a connection that is not there is not found."""
    (number,) = re.findall(r'<option value="(\d+)">openai, account', site.ask("GET", "/claims")[2])
    assert _send(site, "upstreams", upstream="openai@*", connection=number, first="")[0] == 303
    assert _send(site, "upstreams", upstream="openai@*", connection="1", first="")[0] == 404
    assert "Upstream: name an upstream" in _send(site, "upstreams", upstream="*", connection=number, first="")[1]
    with database.control(site.home) as control:
        (one,) = upstream_claim.listed(control, Vault(control, NOW))
    assert _send(site, "upstreams/end", claim=str(one.claim_no))[0] == 303
    with database.control(site.home) as control:
        (one,) = upstream_claim.listed(control, Vault(control, NOW))
    assert (one.pattern, one.last_day) == ("openai@*", TODAY - timedelta(days=1))


@pytest.mark.attack("T06")
@pytest.mark.clause("AL-5.4")
def test_nobody_but_the_operator_claims(site: Site) -> None:
    """An account's owner, an operator who looks into an account, another site's form: each is turned away."""
    fields = {"label": "acme", "whose": str(_ada(site).account_no), "proof": PASSWORD}
    hidden = token(site.ask("GET", "/claims")[2])
    assert site.post("/claims/give", {**fields, "form": "a" * 64})[0] == 403
    assert site.post("/claims/give", {**fields, "form": hidden}, Origin="https://evil.example")[0] == 403
    with database.control(site.home) as control:
        control.execute("UPDATE session SET opened_account_no = ?", (_ada(site).account_no,))
    assert site.post("/claims/give", {**fields, "form": hidden})[0] == 404
    as_member(site, _ada(site).member_no, NOW)
    hidden = session.form_token(site.cookie.removeprefix("sid="))
    assert site.ask("GET", "/claims")[0] == 404
    for what in ("give", "end", "part", "whole", "keys", "keys/end", "upstreams", "upstreams/end"):
        assert site.post(f"/claims/{what}", {**fields, "part": "team", "form": hidden})[0] == 404
    with database.control(site.home) as control:
        assert claim_rule.unclaimed(control) == ["acme", "beta"]
