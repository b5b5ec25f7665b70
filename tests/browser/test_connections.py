"""Connecting a provider as a person does, in a real browser: by role and label, and without a script."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipelines import passage
from pipelines.sandbox import bill_file, openai_api
from tests.browser.conftest import Dashboard
from tests.conftest import MASTER_KEY
from tests.pipelines.billed_world import LATER
from warehouse.home import Home

pytestmark = pytest.mark.browser
KEY = "sk-admin-canary-2c0a7711f3e9"


@pytest.fixture(scope="module")
def dashboard(serve: Callable[[Home], Dashboard], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A served home without rows, and OpenAI's API on loopback."""
    with (
        pytest.MonkeyPatch.context() as environment,
        openai_api.serve(bill_file.nothing(), KEY) as api,
    ):
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        environment.setenv("APILEDGER_OPENAI_API", api.address)
        home = passage.make_home(Home(Path(tmp_path_factory.mktemp("connections")) / "own"), LATER.replace(tzinfo=None))
        yield serve(home)


@pytest.mark.soak
def test_a_provider_is_connected_and_removed(page: Page, dashboard: Dashboard) -> None:
    """From the empty overview: a wrong key is explained, the right one is kept, and it goes after a second look."""
    page.goto(dashboard.url)
    page.get_by_role("link", name="Connections").click()
    expect(page.get_by_role("heading", name="Connections")).to_be_visible()
    for key, said in (("sk-proj-canary0001canary", "an OpenAI project key"), (KEY, "is kept sealed")):
        page.get_by_label("Provider").select_option("OpenAI")
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Try it and keep it").click()
        expect(page.get_by_role("status").or_(page.get_by_role("alert"))).to_contain_text(said)
        assert page.get_by_label("Key", exact=True).input_value() == ""
    listed = page.get_by_role("list", name="Connections")
    expect(listed).to_contain_text(f"…{KEY[-4:]}")
    assert KEY[:12] not in page.content()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Destroy the key").click()
    expect(page.get_by_role("status")).to_contain_text("The key is destroyed")
    expect(listed).to_contain_text("Removed")
    assert KEY not in dashboard.log.read_text()
