"""The pages in a real browser, by role and label."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Download, Page, expect

from tests.browser.conftest import Dashboard
from tests.dashboards import made_version
from warehouse import database
from warehouse.home import Home
from warehouse.money import shown

pytestmark = pytest.mark.browser
# A machine that does other things as well draws slowly.
expect.set_options(timeout=15_000)
NOW = datetime.now(UTC).replace(tzinfo=None)
TODAY = NOW.date()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Home], Dashboard]) -> Dashboard:
    """Ten weeks of made-up calls up to now, served."""
    home = Home(tmp_path_factory.mktemp("pages") / "own")
    made_version.publish(home, 1, NOW)
    return serve(home)


def _sum(dashboard: Dashboard, condition: str = "true", **bound: object) -> Decimal:
    with database.published(dashboard.home) as connection:
        row = connection.execute(f"SELECT sum(cost_usd) FROM mart.spend_daily WHERE {condition}", bound).fetchone()
    assert row
    return Decimal(row[0])


def _open(page: Page, dashboard: Dashboard, address: str = "") -> None:
    """Go there and wait until the last thing on the page is drawn."""
    page.goto(dashboard.url + address)
    expect(page.get_by_role("region", name="Freshness")).to_be_visible()


def _saved(page: Page, button: str) -> Download:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    return waiting.value


def test_the_months_total_is_what_sql_says(page: Page, dashboard: Dashboard) -> None:
    """The first figure a person sees is the sum of the mart, and every axis of time names its zone."""
    _open(page, dashboard)
    hero = page.get_by_role("region", name="This month so far")
    month = _sum(dashboard, "day >= $start", start=TODAY.replace(day=1))
    expect(hero).to_contain_text(shown(month))
    expect(page.get_by_role("status", name="Unpriced requests")).to_contain_text("openrouter/nova-preview")
    expect(page.get_by_role("region", name="Freshness")).to_contain_text("UTC")
    expect(page.get_by_text("Sandbox")).to_have_count(0)


def test_spend_is_told_apart_as_chosen(page: Page, dashboard: Dashboard) -> None:
    """Switching the grouping changes the chart's series, and the address, which a reload keeps."""
    _open(page, dashboard)
    series = page.get_by_role("list", name="Series").first
    expect(series).to_contain_text("anthropic")
    page.get_by_role("radio", name="Project").click()
    expect(series).to_contain_text("support-bot")
    expect(page).to_have_url(re.compile("by=Project"))
    page.reload()
    expect(page.get_by_role("list", name="Series").first).to_contain_text("support-bot")


@pytest.mark.attack("T16")
def test_names_from_data_are_text(page: Page, dashboard: Dashboard) -> None:
    """A project called like a script, a formula or an image is shown as it is written, and runs nowhere."""
    _open(page, dashboard)
    projects = page.get_by_role("region", name="Projects this month")
    expect(projects).to_contain_text(made_version.SCRIPT_NAME)
    expect(projects).to_contain_text(made_version.LATEX_NAME)
    _open(page, dashboard, "/spend?by=project")
    expect(page.get_by_role("list", name="Series")).to_contain_text(made_version.SCRIPT_NAME)
    assert page.title() != "taken"


def test_a_filter_is_in_the_address_and_survives_a_reload(page: Page, dashboard: Dashboard) -> None:
    """What one person filters, another sees from the link."""
    _open(page, dashboard, "/spend")
    whole = page.get_by_role("status", name="Spend in this view")
    expect(whole).to_contain_text("$")
    page.get_by_text("Filters", exact=True).click()
    page.wait_for_timeout(700)  # a list opened while the filters still unfold closes with their last frame
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="claude-opus-4-5").click()
    expect(page).to_have_url(re.compile("model=claude-opus-4-5"))
    page.keyboard.press("Escape")
    expected = _sum(dashboard, "day >= $start AND model = 'claude-opus-4-5'", start=TODAY - timedelta(days=29))
    expect(whole).to_contain_text(shown(expected))
    page.reload()
    expect(whole).to_contain_text(shown(expected))


@pytest.mark.attack("T09")
def test_a_hostile_address_shows_the_usual_view(page: Page, dashboard: Dashboard) -> None:
    """What an address says and nothing knows is ignored: the view is the usual one, without an error."""
    _open(page, dashboard, "/spend?by=evil&grain=x&from=no&provider=%27)%20OR%20true--&model=<script>")
    expected = _sum(dashboard, "day >= $start", start=TODAY - timedelta(days=29))
    expect(page.get_by_role("status", name="Spend in this view")).to_contain_text(shown(expected))
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_day_opens_into_its_hours_and_closes_again(page: Page, dashboard: Dashboard) -> None:
    """Ticking a day in the table shows that day's hours; the way back shows the days as they were."""
    _open(page, dashboard, "/spend?by=none&provider=openai")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    # The mouse reaches what is in the window alone.
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 18, box["y"] + 33 + 33 + 16)
    yesterday = TODAY - timedelta(days=1)
    expect(page).to_have_url(re.compile(f"from={yesterday}.*to={yesterday}.*grain=hour"))
    expected = _sum(dashboard, "day = $day AND provider = 'openai'", day=yesterday)
    whole = page.get_by_role("status", name="Spend in this view")
    expect(whole).to_contain_text(shown(expected))
    page.get_by_role("button", name="Back to days").click()
    expect(page).to_have_url(re.compile(r"/spend\?(?!.*grain).*provider=openai"))
    expect(page.get_by_role("button", name="Back to days")).to_have_count(0)


def test_a_download_is_whole_exact_and_safe(page: Page, dashboard: Dashboard) -> None:
    """CSV has every row with all decimal places and no formula; Parquet the same rows as DECIMAL."""
    _open(page, dashboard, "/spend?by=key&grain=total")
    saved = _saved(page, "Download CSV")
    assert re.fullmatch(r"spend_\d{4}-\d\d-\d\d_\d{4}-\d\d-\d\d_total\.csv", saved.suggested_filename)
    rows = list(csv.DictReader(io.StringIO(saved.path().read_text(), newline="")))
    expected = _sum(dashboard, "day >= $start", start=TODAY - timedelta(days=29))
    assert sum(Decimal(row["cost_usd"]) for row in rows) == expected
    assert f"'{made_version.FORMULA_KEY}" in {row["key_label"] for row in rows}
    table = pq.read_table(_saved(page, "Download Parquet").path())
    assert str(table.schema.field("cost_usd").type) == "decimal128(38, 12)"
    assert sum(table["cost_usd"].to_pylist()) == expected


@pytest.mark.soak
def test_a_day_of_a_bill_opens_into_its_models(page: Page, dashboard: Dashboard) -> None:
    """Ticking a day shows its models, then its parts, which the address keeps; back are all days; files in a row."""
    _open(page, dashboard, "/reconciliation?provider=openai")
    expect(page.get_by_role("table", name="Causes")).to_contain_text("Unlogged")
    expect(page.get_by_text("The axis is cut")).to_be_visible()
    csv_box = page.get_by_role("button", name="Download CSV").bounding_box()
    parquet_box = page.get_by_role("button", name="Download Parquet").bounding_box()
    assert csv_box
    assert parquet_box
    assert csv_box["y"] == parquet_box["y"]
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    page.wait_for_timeout(700)  # what is drawn above may still push the table down
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 18, box["y"] + 33 + 33 + 16)
    yesterday = TODAY - timedelta(days=1)
    expect(page).to_have_url(re.compile(f"day={yesterday}"))
    expect(page.get_by_role("heading", name=re.compile(f"^[A-Z].*{yesterday.year}$"))).to_be_visible()
    saved = _saved(page, "Download CSV").path().read_text()
    assert {row["model"] for row in csv.DictReader(io.StringIO(saved, newline=""))} == {"gpt-5.2"}
    page.get_by_role("radio", name="Every part").click()
    expect(page).to_have_url(re.compile(f"day={yesterday}.*by=part"))
    expect(page.get_by_role("heading", name=re.compile(f"Parts of .*{yesterday.year}"))).to_be_visible()
    saved = _saved(page, "Download CSV").path().read_text()
    assert {row["day"] for row in csv.DictReader(io.StringIO(saved, newline=""))} == {str(yesterday)}
    page.get_by_role("button", name="Back to all days").click()
    expect(page.get_by_role("radio", name="By day")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/reconciliation\?provider=openai$"))


def test_an_unlogged_key_leads_to_its_days(page: Page, dashboard: Dashboard) -> None:
    """Its name is text and a link to all it did, which is the same page with the key in the address."""
    _open(page, dashboard, "/reconciliation")
    page.get_by_role("table", name="Unlogged calls").get_by_role("link", name=made_version.FORMULA_KEY).first.click()
    expect(page.get_by_role("heading", name=re.compile("Parts of key =HYPERLINK"))).to_be_visible()
    rows = list(csv.DictReader(io.StringIO(_saved(page, "Download CSV").path().read_text(), newline="")))
    assert {row["cause"] for row in rows} == {"unlogged"}
    assert len({row["day"] for row in rows}) == 9


def test_what_changed_since_is_told_by_figure(page: Page, dashboard: Dashboard) -> None:
    """Bills first; the logs one click away, in the address; the windows measured below."""
    _open(page, dashboard, "/changes")
    expect(page.get_by_text("Bills of 5 past days moved")).to_be_visible()
    page.get_by_role("radio", name="Logs").click()
    expect(page).to_have_url(re.compile("figure=log"))
    expect(page.get_by_text("Logs of 5 past days moved")).to_be_visible()
    _open(page, dashboard, "/changes?figure=log")
    expect(page.get_by_role("table", name="Measured windows")).to_contain_text("anthropic")
    rows = list(csv.DictReader(io.StringIO(_saved(page, "Download CSV").path().read_text(), newline="")))
    assert sum(Decimal(row["moved_usd"]) for row in rows) == Decimal("3.75")


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "dark"),
        (390, "light"),
        pytest.param(1280, "light", marks=pytest.mark.soak),
        pytest.param(390, "dark", marks=pytest.mark.soak),
    ],
)
def test_a_page_fits_the_screen_and_follows_its_scheme(
    browser: Browser, dashboard: Dashboard, scheme: str, width: int
) -> None:
    """Nothing is wider than a phone, and the ground is light or dark as the system asks."""
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]  # a literal by the parameters above
    context.add_cookies([{"name": "sid", "value": dashboard.signed_in(), "url": dashboard.url}])
    page = context.new_page()
    for address in ("", "/spend", "/reconciliation", "/changes"):
        _open(page, dashboard, address)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        red = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor.match(/\\d+/)[0]")
        assert (int(red) < 64) is (scheme == "dark")
    context.close()


def test_a_new_version_appears_without_a_reload(page: Page, dashboard: Dashboard) -> None:
    """A call published while the page is open is in the total within seconds, the page untouched."""
    _open(page, dashboard)
    hero = page.get_by_role("region", name="This month so far")
    before = _sum(dashboard, "day >= $start", start=TODAY.replace(day=1))
    expect(hero).to_contain_text(shown(before))
    page.evaluate("window.untouched = true")
    made_version.publish(
        dashboard.home,
        2,
        NOW,
        extra="INSERT INTO mart.spend_daily SELECT * REPLACE (1234.5::DECIMAL(38,12) AS cost_usd) "
        "FROM mart.spend_daily WHERE day = current_date LIMIT 1",
    )
    expect(hero).to_contain_text(shown(before + Decimal("1234.5")))
    assert page.evaluate("window.untouched")


def test_the_overview_has_its_name_in_the_address_too(page: Page, dashboard: Dashboard) -> None:
    """/overview leads to the overview with what it asks for, and says nothing of a page that is not there."""
    _open(page, dashboard, "/overview?by=Model")
    expect(page).to_have_url(re.compile(r"/\?by=Model$"))
    expect(page.get_by_role("list", name="Series").first).to_contain_text("gpt-5.2")
    expect(page.get_by_text("Page not found")).to_have_count(0)


@pytest.mark.soak
def test_every_page_is_reached_on_a_phone(page: Page, dashboard: Dashboard) -> None:
    """At 390 pixels the menu opens and leads to each page, none of which is wider than the screen."""
    page.set_viewport_size({"width": 390, "height": 844})
    _open(page, dashboard)
    page.get_by_role("button", name="Expand sidebar").click()
    for name in (
        "Spend",
        "Models",
        "Projects",
        "Cost centres",
        "Reconciliation",
        "Budgets",
        "Freshness",
        "Installation",
    ):
        expect(page.get_by_role("link", name=name)).to_be_visible()
    page.get_by_role("link", name="Keys").click()
    expect(page.get_by_role("heading", name="Keys", level=1)).to_be_visible()
    for path in ("models", "projects", "budgets", "freshness", "operator"):
        _open(page, dashboard, f"/{path}")
        wide = page.get_by_test_id("stMain").evaluate("main => main.scrollWidth - main.clientWidth")
        assert wide <= 0, path


def test_a_picked_model_is_in_the_address_and_its_table_is_taken_away(page: Page, dashboard: Dashboard) -> None:
    """The chart of one model is sent as a link; the table comes as CSV, Parquet and DuckDB."""
    _open(page, dashboard, "/models")
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="openai/gpt-5.2").click()
    expect(page).to_have_url(re.compile("one=openai"))
    for kind in ("CSV", "Parquet", "DuckDB"):
        assert _saved(page, f"Download {kind}").path().stat().st_size > 100
    page.reload()
    expect(page.get_by_text("calls without an error; median")).to_be_visible()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("openai/gpt-5.2")
