"""The mails as a reader of mail shows them: light and dark, wide and narrow, and nothing is fetched for them."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

import pytest
from playwright.sync_api import Browser

from pipelines.alerts import budget_mail, security_mail
from tests.pipelines.test_mail import HOSTILE, telling
from warehouse.control.refusal import Refusal

pytestmark = pytest.mark.browser


def _contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours as `rgb(r, g, b)`."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _budget() -> str:
    return budget_mail.html(telling(unpriced_requests=1204, sandbox=True))


def _security() -> str:
    refused = Refusal("anthropic", datetime(2026, 11, 21, 9, 30), date(2026, 11, 21))  # noqa: DTZ001 (UTC here)
    mail = security_mail.message(
        refused, sender="a@b.example", receiver="c@d.example", message_id="<1@b.example>", sandbox=True
    )
    body = mail.get_body(("html",))
    assert body
    return str(body.get_content())


@pytest.mark.parametrize("mail", [_budget, _security])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 720])
def test_the_mail_is_read_in_light_and_dark_on_any_width(
    browser: Browser, mail: Callable[[], str], scheme: str, width: int
) -> None:
    """No word is cut off and each stands out from its ground by 4.5 to 1; nothing is fetched."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 700})  # type: ignore[arg-type]  # one of the two it knows
    try:
        page = context.new_page()
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        page.set_content(mail())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        colours = page.evaluate(
            """() => {
                const shown = (node, what) => getComputedStyle(node)[what];
                const ground = node => node ? (shown(node, 'backgroundColor') === 'rgba(0, 0, 0, 0)'
                    ? ground(node.parentElement) : shown(node, 'backgroundColor')) : 'rgb(255, 255, 255)';
                return [...document.querySelectorAll('h1, p, span, td')]
                    .filter(node => [...node.childNodes].some(one => one.nodeType === 3 && one.data.trim()))
                    .filter(node => node.dataset && !node.matches('.used, .over, .rest'))
                    .map(node => [node.textContent, shown(node, 'color'), ground(node)]);
            }"""
        )
        assert len(colours) > 6
        assert [(text, ink, ground) for text, ink, ground in colours if _contrast(ink, ground) < 4.5] == []
        grounds = {ground for _, _, ground in colours}
        assert ("rgb(255, 255, 255)" in grounds) == (scheme == "light")
        assert fetched == []
    finally:
        context.close()


def test_the_bar_is_as_long_as_the_spend(browser: Browser) -> None:
    """A sliver for nothing, four fifths for four fifths, and never wider than the mail."""
    page = browser.new_page()
    try:
        shares = []
        for spent in ("0.01", "400", "500", "9999"):
            page.set_content(budget_mail.html(telling(spent=spent, monthly_usd=Decimal(500))))
            bar = page.locator(".used, .over").bounding_box()
            whole = page.locator("table:has(> tbody > tr > .used, > tbody > tr > .over)").bounding_box()
            assert bar
            assert whole
            shares.append(round(bar["width"] / whole["width"], 1))
        assert shares == [0.0, 0.8, 1.0, 1.0]
    finally:
        page.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(browser: Browser, name: str) -> None:
    """It is shown, it runs nothing and fetches nothing."""
    page = browser.new_page()
    try:
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        page.on("dialog", lambda dialog: fetched.append(dialog.message))
        page.set_content(budget_mail.html(telling(name=name, account=name)))
        assert fetched == []
        assert page.locator("script, img, a, iframe").count() == 0
        assert page.locator("h1").inner_text().endswith("has reached 80 % of its budget for November 2026")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.close()
