"""What a provider does with a prompt is said to be the provider's, with a link to each one's policy."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.gate import Gate
from dashboards.people import connections, sign_in
from dashboards.processes.connection_child import Provider
from dashboards.rights import privacy, provider_policies
from pipelines.bills import key_check
from tests.dashboards.people_site import EMAIL, HASH, Site, now, served
from warehouse import database
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """One person's account."""
    assert master_key
    with database.control(home) as control:
        members.sign_up(control, Vault(control, now()), EMAIL, HASH, now())
    routes = [*sign_in.ROUTES, *privacy.ROUTES, *connections.ROUTES]
    with served(Starlette(routes=routes, middleware=[Middleware(Gate)])) as port:
        yield Site(port, home)


@pytest.mark.clause("AL-7.2")
@pytest.mark.clause("VA-3.2")
def test_every_provider_that_can_be_connected_has_its_policy_on_both_pages(site: Site) -> None:
    """Each over TLS and once; the sentence says whose it is. A provider added tomorrow without a policy is found."""
    policies = {biller.title: biller.policy_url for biller in key_check.connectable()}
    assert len(policies) >= 5
    for title, address in policies.items():
        parts = urlsplit(address)
        assert (parts.scheme, bool(parts.netloc)) == ("https", True), f"{title} has no policy_url"
    site.sign_in()
    for path in ("/privacy", "/connections"):
        text = site.ask("GET", path)[2]
        found = re.findall(
            r'<a href="(https://[^"]+)" rel="noreferrer noopener" target="_blank">Policy of ([^<]+)</a>', text
        )
        assert {title: address for address, title in found} == policies, path
        assert len(found) == len(policies)
        assert provider_policies.SAID in text


def test_a_policy_that_is_no_https_address_is_no_link() -> None:
    """Neither plain HTTP nor a script becomes something to click on; what a title holds is text."""
    for address in ("http://a.example/policy", "javascript:alert(1)", ""):
        assert provider_policies.link(Provider("a", "A", "", address)) == ""
    assert "&lt;b&gt;" in provider_policies.link(Provider("a", "<b>", "", "https://a.example/"))
