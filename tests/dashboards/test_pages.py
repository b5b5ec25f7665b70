"""The pages as Streamlit runs them, without a browser: no view ends in an exception."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from dashboards import formats, freshness
from dashboards.figures import frame_figures, marts
from dashboards.figures.spend_filter import DIMENSIONS
from tests.dashboards import made_version
from warehouse import database
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime.now(UTC).replace(tzinfo=None)
TODAY = NOW.date()
BEFORE_START = (TODAY.replace(day=1) - timedelta(days=1)).replace(day=1)
FIRST_ROW_ONLY = (
    "DELETE FROM mart.spend_daily WHERE rowid > 0; DELETE FROM mart.spend_hourly; DELETE FROM mart.latency_daily; "
    "UPDATE mart.spend_daily SET day = current_date"
)
BILL_ONLY = (
    f"{FIRST_ROW_ONLY}; UPDATE mart.spend_daily SET requests = 0, basis = 'bill', cost_usd = -12.5, model = NULL"
)


def _overview() -> None:
    from dashboards.pages import overview

    overview.page()


def _spend() -> None:
    from dashboards.pages import spend

    spend.page()


def _reconciliation() -> None:
    from dashboards.pages import reconciliation

    reconciliation.page()


def _changes() -> None:
    from dashboards.pages import changes

    changes.page()


def _allocation() -> None:
    from dashboards.pages import allocation

    allocation.page()


def _invoices() -> None:
    from dashboards.pages import invoices

    invoices.page()


def _credits() -> None:
    from dashboards.pages import credits as credits_page

    credits_page.page()


def _drawn(page: Callable[[], None], home: Home, query: dict[str, list[str]] | None = None, extra: str = "") -> AppTest:
    made_version.publish(home, 1, NOW, extra=extra)
    marts.forget()
    test = AppTest.from_function(page, default_timeout=20)
    for name, values in (query or {}).items():
        test.query_params[name] = values
    return test.run()


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"grain": ["hour"], "from": [str(NOW.date())]},
        {"grain": ["hour"], "by": ["key", "model"]},
        {"grain": ["total"], "by": ["none"]},
        {"grain": ["total"], "by": ["account", "team"], "q": ["o"]},
        {"by": ["none"], "provider": ["openai"]},
        {"provider": ["openrouter"]},
        {"grain": ["total"], "provider": ["openrouter"]},
        {"project": [""]},
        {"q": ["nothing is called so"]},
        {"to": [str(NOW.date() - timedelta(days=400))]},
    ],
)
def test_every_view_of_spend_is_drawn(home: Home, query: dict[str, list[str]]) -> None:
    """Whatever is sliced, grouped, chosen or searched, also what has no price, no name or no row."""
    test = _drawn(_spend, home, query)
    assert not test.exception
    assert len(test.multiselect) == len(DIMENSIONS) + 1


@pytest.mark.parametrize("extra", ["", FIRST_ROW_ONLY, BILL_ONLY], ids=["ten weeks", "one row", "a credit alone"])
def test_both_pages_are_drawn_from_little_and_from_much(home: Home, extra: str) -> None:
    """A home of one row, and a bill that gives money back, are drawn as well."""
    assert not _drawn(_overview, home, extra=extra).exception
    home.published.joinpath("warehouse-1.duckdb").unlink()
    assert not _drawn(_spend, home, extra=extra).exception


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"provider": ["openai"]},
        {"provider": ["nobody"]},
        {"from": [str(TODAY)]},
        {"to": ["2020-01-01"]},
        {"day": [str(TODAY)]},
        {"key": ["nobody's"]},
        {"by": ["model"]},
        {"by": ["price"], "day": [str(TODAY - timedelta(days=2))]},
        {"model": ["gpt-5.2"], "by": ["line"]},
    ],
)
def test_reconciliation_is_drawn_with_bills_and_without(home: Home, query: dict[str, list[str]]) -> None:
    """The whole range, one provider, none, and days that no bill tells of."""
    assert not _drawn(_reconciliation, home, query).exception


@pytest.mark.parametrize("query", [{}, {"centre": ["left", "nobody"]}, {"from": ["2001-01-01"], "to": ["2001-01-02"]}])
def test_cost_centres_are_drawn_whatever_is_asked(home: Home, query: dict[str, list[str]]) -> None:
    """All, some with one that is not there, and days without spend: each is a page."""
    assert not _drawn(_allocation, home, query).exception


ZONED = "INSERT INTO model.account_zone VALUES (NULL, 'Africa/Tripoli')"


@pytest.mark.parametrize("query", [{}, {"grain": ["hour"], "from": ["2026-01-01"]}, {"grain": ["total"]}])
def test_spend_is_drawn_by_the_days_of_a_zone(home: Home, query: dict[str, list[str]]) -> None:
    """Days, hours and totals are a page in any zone, which says whose days it shows and what is not of them."""
    test = _drawn(_spend, home, query, extra=ZONED)
    assert not test.exception
    assert any("Africa/Tripoli" in each.label for each in test.date_input)
    assert any("are UTC days" in each.value for each in test.caption)


def test_the_overview_says_whose_days_it_draws(home: Home) -> None:
    """Its chart is of the zone's days, and a zone off the full hour is told."""
    half = f"{ZONED}, (2, 'Asia/Kolkata')"
    said = [each.value for each in _drawn(_overview, home, extra=half).caption]
    assert any("each account's zone" in each and "Asia/Kolkata a day begins within a UTC hour" in each for each in said)


def test_without_a_zone_nothing_is_said_of_days(home: Home) -> None:
    """The overview of UTC days needs no word about them."""
    assert not any("UTC hours" in each.value for each in _drawn(_overview, home).caption)


def test_cost_centres_say_how_to_begin_where_no_rule_is_set(home: Home) -> None:
    """Without a rule the page shows everything as unallocated, and the commands that change that."""
    nothing = "DELETE FROM model.allocation_rule; UPDATE mart.allocated_daily SET cost_centre = 'unallocated'"
    test = _drawn(_allocation, home, extra=nothing)
    assert "allocate add" in test.code[0].value
    assert "(100.0%)" in _said(test)


def test_reconciliation_says_what_to_do_where_no_bill_is_read(home: Home) -> None:
    """An admin key is what it asks for."""
    test = _drawn(_reconciliation, home, extra="DELETE FROM mart.reconciliation_daily")
    assert not test.exception
    assert "ADMIN_KEY" in test.code[0].value


@pytest.mark.parametrize(
    "query", [{}, {"figure": ["log"]}, {"figure": ["usage"]}, {"since": [str(TODAY)], "with": ["first"]}]
)
def test_changes_are_drawn_where_something_moved_and_where_nothing_did(home: Home, query: dict[str, list[str]]) -> None:
    """Every figure, also one that nothing moved."""
    assert not _drawn(_changes, home, query).exception


def test_changes_say_so_where_nothing_moved(home: Home) -> None:
    """A home whose days stand still has no chart and no window."""
    test = _drawn(_changes, home, extra="DELETE FROM mart.changes; DELETE FROM mart.settlement_window")
    assert not test.exception
    assert "Nothing of a day that was over moved" in test.info[0].value


def test_the_cut_axis_is_said(home: Home) -> None:
    """The bars do not begin at zero, and the page says where they do."""
    assert "The axis is cut: it begins at $" in _said(_drawn(_reconciliation, home))


def test_calls_that_nobody_claims_are_asked_about(home: Home) -> None:
    """The account whose calls none of its connections claims, where they went as its log says it, and the command."""
    with database.control(home) as control:
        vault = Vault(control, NOW)
        sealed = vault.seal(5, "outside_id.sealed", "openai@<b>lab\x1b")
        row = (91, "upstream", "litellm", 5, b"91", sealed, database.stamp(NOW))
        control.execute("INSERT INTO outside_id VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    extra = made_version.UNCLAIMED.replace("$until", f"'{NOW}'")
    said = _said(_drawn(_reconciliation, home, extra=extra))
    assert "<code>openai@&lt;b&gt;lab*</code>" in said
    assert "apiledger connect claim UPSTREAM NUMBER" in said


def test_invoices_and_plans_are_drawn(home: Home) -> None:
    """A verdict in a sentence, every status, names as text, worth beside fee and the way to enter one."""
    test = _drawn(_invoices, home)
    assert not test.exception
    said = _said(test)
    assert "2 of 4 invoices tied, <strong>1 differs, by $12.30</strong>, 1 open." in said
    assert "4 of 30 days told, 26 may change" in said
    assert "&lt;script&gt;" in said
    assert "at least $512.40" in said
    assert "covers no log" in said
    assert 'href="/invoice"' in said


def test_without_an_invoice_the_page_says_how_to_enter_one(home: Home) -> None:
    """No table, and no plan either."""
    test = _drawn(_invoices, home, extra="DELETE FROM mart.invoice_tie_out; DELETE FROM mart.plan_value")
    assert not test.exception
    assert "No invoice is entered yet" in _said(test)
    assert "<table" not in _said(test)
    assert "apiledger plan add" in test.code[0].value


def test_credits_say_what_is_left_and_what_is_missing(home: Home) -> None:
    """The account that needs a look first, another by its name, its tier as text, and what it can take away."""
    test = _drawn(_credits, home)
    assert not test.exception
    said = _said(test)
    assert "2 accounts; <strong>1 balance is low</strong>." in said
    assert "below $50.00" in said
    assert "overdrawn" not in said
    assert test.selectbox[0].value == "Beta GmbH"
    assert "<strong>2 payments are in nobody's credits.</strong>" in said
    assert "$25.50" in said
    assert "-900 EUR (smallest unit)" in said
    assert "the highest there is" in said
    home.published.joinpath("warehouse-1.duckdb").unlink()
    test = _drawn(_credits, home, {"account": ["Acme"]})
    assert "$150.00 more paid in is &lt;b&gt;Scale&lt;/b&gt;" in _said(test)
    assert "1.2 for a dollar of list price" in _said(test)
    assert "1 call without a known price is not deducted yet" in _said(test)


def test_without_credits_the_page_says_how_to_begin(home: Home) -> None:
    """No account is prepaid: one sentence and the commands."""
    test = _drawn(_credits, home, extra="DELETE FROM mart.credit_account")
    assert not test.exception
    assert "No account is prepaid" in _said(test)
    assert "apiledger credits prepaid" in test.code[0].value


def test_a_key_that_looks_like_a_formula_is_shown_as_text(home: Home) -> None:
    """The name of a stray key is text on the page."""
    assert "=HYPERLINK(&quot;" in _said(_drawn(_reconciliation, home))


def test_the_overview_tells_spend_apart_by_each_dimension(home: Home) -> None:
    """Choosing another dimension redraws the chart, without an exception."""
    test = _drawn(_overview, home)
    for dimension in ("model", "project", "account"):
        test.segmented_control(key="by").set_value(dimension)
        assert not test.run().exception


def _said(test: AppTest) -> str:
    return " ".join(element.proto.body for element in test.get("html"))


def test_a_change_is_shown_where_the_month_before_is_covered(home: Home) -> None:
    """Ten weeks reach past the first of the month before: the days are compared."""
    said = _said(_drawn(_overview, home))
    assert "against $" in said
    assert "nothing to compare with" not in said


@pytest.mark.parametrize("first", [BEFORE_START + timedelta(days=2), TODAY], ids=["last month", "today"])
def test_no_change_is_shown_against_half_a_month(home: Home, first: date) -> None:
    """The first call came too late to compare with: the page says since when, and no change anywhere."""
    said = _said(_drawn(_overview, home, extra=f"DELETE FROM mart.spend_daily WHERE day < '{first}'"))
    assert f"First call on {formats.days(first, first)}: nothing to compare with yet" in said
    assert "against" not in said
    assert "in all of" not in said


def test_the_freshness_shows_logs_and_bills_and_why_one_is_skipped(home: Home) -> None:
    """Two tables; what a provider's error says is text, not markup."""
    made_version.publish(home, 1, NOW)
    marts.forget()
    found = marts.answer(frame_figures.frame, TODAY)
    html = freshness.table(found.sources, found.version, NOW)
    assert html.count("<table") == 2
    assert "a key &lt;refused&gt;" in html
    assert f"{TODAY - timedelta(days=3):%d %b %Y}" in html
    bills = [row for row in found.sources if row.kind == "bill"]
    assert freshness.table(bills, found.version, NOW).count("<table") == 1
