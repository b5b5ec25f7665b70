"""What the reconciliation page shows equals what the marts say, for the viewer and the range that are asked for."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import drill_figures, reconciliation_figures
from dashboards.figures.reconciliation_figures import Asked, Unclaimed
from dashboards.figures.viewer import Viewer
from dashboards.views import download
from tests.dashboards import made_version
from tests.dashboards.conftest import UNTIL
from tests.dashboards.made_version import FORMULA_KEY
from warehouse import database
from warehouse.home import Home

TODAY = UNTIL.date()
ALL = Asked(TODAY - timedelta(days=29), TODAY)


def test_the_summary_goes_from_the_log_to_the_bill(connection: DuckDBPyConnection) -> None:
    """Nine billed days of two providers: log and causes are the bill, and the tenth day is said to have none."""
    found = reconciliation_figures.summary(connection, Viewer(), ALL)
    assert (found.billed_days, found.days_without_bill) == (9, 1)
    assert found.log_usd == 40 * 18
    assert found.log_usd + sum(amount for _, amount in found.causes) == found.bill_usd
    assert found.causes[0] == ("unlogged", Decimal("2.25") * 18)
    assert found.unexplained_usd == Decimal("0.004") * 18


def test_days_without_a_bill_are_in_the_table_and_not_in_the_parts(connection: DuckDBPyConnection) -> None:
    """A day that waits for its bill is shown with an empty bill; its parts would be half an explanation."""
    days = reconciliation_figures.days(connection, Viewer(), ALL).to_pylist()
    assert [row["bill_cost_usd"] for row in days if row["day"] == TODAY] == [None, None]
    parts = reconciliation_figures.parts(connection, Viewer(), ALL).to_pylist()
    assert {row["day"] for row in parts} == {row["day"] for row in days} - {TODAY}


def test_an_account_sees_its_bills_alone(connection: DuckDBPyConnection) -> None:
    """Summary, tables and providers hold nothing of another account."""
    viewer = Viewer(("Beta GmbH",))
    assert reconciliation_figures.providers(connection, viewer, None) == ["anthropic"]
    assert reconciliation_figures.summary(connection, viewer, ALL).log_usd == 40 * 9
    for question in (reconciliation_figures.days, reconciliation_figures.parts):
        assert set(question(connection, viewer, ALL)["provider"].to_pylist()) == {"anthropic"}


def test_a_day_and_a_key_open_into_their_parts(connection: DuckDBPyConnection) -> None:
    """One day's parts add up to its difference; a key's are of all its days; the table of days stays whole."""
    day = TODAY - timedelta(days=3)
    of_day = Asked(ALL.start, ALL.end, day=day)
    assert set(reconciliation_figures.parts(connection, Viewer(), of_day)["day"].to_pylist()) == {day}
    assert reconciliation_figures.summary(connection, Viewer(), of_day).billed_days == 1
    assert reconciliation_figures.days(connection, Viewer(), of_day).num_rows == 20
    of_key = reconciliation_figures.parts(connection, Viewer(), Asked(ALL.start, ALL.end, key=FORMULA_KEY)).to_pylist()
    assert {(row["key_label"], row["cause"]) for row in of_key} == {(FORMULA_KEY, "unlogged")}
    assert len({row["day"] for row in of_key}) == 9


def test_calls_that_nobody_claims_are_named_by_account(home: Home) -> None:
    """Whose they are, where they were sent, days and cost; who pays sees of another's calls only their sum."""
    made_version.publish(home, 1, UNTIL, extra=made_version.UNCLAIMED.replace("$until", f"'{UNTIL}'"))
    usd = Decimal("1.5") * 9
    acme = [Unclaimed("openai", "Acme", "litellm", number, True, 9, usd) for number in (91, None)]
    hidden = Unclaimed("openai", None, "litellm", None, is_seen=False, days=9, cost_usd=usd)
    with database.published(home) as connection:

        def told(looks: Viewer, asked: Asked = ALL) -> set[Unclaimed]:
            return set(reconciliation_figures.summary(connection, looks, asked).unclaimed)

        assert told(Viewer()) == {*acme, replace(acme[0], account="Beta GmbH", upstream_no=92)}
        assert told(Viewer(None, ("Beta GmbH",))) == told(Viewer(("Acme",))) == {*acme, hidden}
        assert told(Viewer(("Beta GmbH",))) == told(Viewer(("Acme",), (), ("search",))) == set()
        assert told(Viewer(), replace(ALL, providers=("anthropic",))) == set()
        assert {each.days for each in told(Viewer(), replace(ALL, day=TODAY))} == {1}


def test_a_provider_can_be_chosen(connection: DuckDBPyConnection) -> None:
    """Another provider's days are left out."""
    asked = Asked(ALL.start, ALL.end, ("openai",))
    assert set(reconciliation_figures.days(connection, Viewer(), asked)["provider"].to_pylist()) == {"openai"}


def test_days_open_into_models_and_keys(connection: DuckDBPyConnection) -> None:
    """The days that have a bill, then one of them, its model, its keys: each step adds up to the one above."""
    (openai, _) = drill_figures.rows(connection, Viewer(), replace(ALL, by="model")).to_pylist()
    assert (openai["model"], openai["log_cost_usd"], openai["usage_cost_usd"]) == ("gpt-5.2", 9 * 40, 9 * 41)
    assert openai["causes"] == "cancelled_streams, price, unexplained, unlogged"
    assert openai["difference_usd"] == openai["bill_cost_usd"] - openai["log_cost_usd"]
    of_day = replace(ALL, day=TODAY - timedelta(days=3), providers=("openai",))
    keys = drill_figures.rows(connection, Viewer(), replace(of_day, model="gpt-5.2")).to_pylist()
    assert [(row["key_label"], row["log_tokens"], row["bill_cost_usd"]) for row in keys] == [
        (FORMULA_KEY, None, None),
        (None, None, Decimal("40.785")),
        ("prod-7f3a", 900, None),
        ("shared", 100, None),
    ]
    assert sum(row["difference_usd"] or 0 for row in keys) == Decimal("0.785")
    one = replace(of_day, key=FORMULA_KEY)
    assert drill_figures.rows(connection, Viewer(), replace(one, by="class"))["usage_tokens"].to_pylist() == [1100]
    assert set(drill_figures.rows(connection, Viewer(), one)["cause"].to_pylist()) == {"unlogged"}


def test_a_day_without_a_bill_tells_of_it_by_itself_alone(connection: DuckDBPyConnection) -> None:
    """Among others it would tell half; asked for, it has its log and no bill."""
    (row,) = drill_figures.rows(connection, Viewer(("Acme",)), replace(ALL, day=TODAY)).to_pylist()
    assert (row["log_cost_usd"], row["bill_cost_usd"]) == (40, None)
    by_day = drill_figures.rows(connection, Viewer(("Acme",)), replace(ALL, by="day", model="gpt-5.2"))
    assert (by_day.num_rows, by_day["bill_cost_usd"].null_count) == (10, 1)


def test_the_words_of_a_bill_stay_where_they_name_no_model(connection: DuckDBPyConnection) -> None:
    """A dated name is the model's; another model has none of its lines, and a line without one may be of any."""
    asked = replace(ALL, by="line", model="gpt-5.2", providers=("openai",))
    (row,) = drill_figures.rows(connection, Viewer(), asked).to_pylist()
    assert (row["line"], row["amount_usd"]) == ("gpt-5.2, input", 9 * Decimal("40.785"))
    assert drill_figures.rows(connection, Viewer(), replace(asked, model="gpt-5")).num_rows == 0


def test_billed_and_listed_stand_in_one_row(connection: DuckDBPyConnection) -> None:
    """Nine billed days each: where today's list is not known of all, no sum of the rest takes its place."""
    anthropic, openai = drill_figures.rows(connection, Viewer(), replace(ALL, by="price")).to_pylist()
    assert (openai["list_cost_usd"], openai["list_cost_now_usd"], openai["billed_cost_usd"]) == (
        9 * 40,
        9 * 36,
        9 * Decimal("40.785"),
    )
    assert (openai["contract"], openai["contracted_cost_usd"]) == ("ours", 2 * 30 + 7 * 40)
    assert (anthropic["list_cost_usd"], anthropic["list_cost_now_usd"]) == (9 * 40, None)
    assert (anthropic["contract"], anthropic["contracted_cost_usd"]) == (None, None)


def test_who_pays_sees_no_name_of_anothers_key(connection: DuckDBPyConnection) -> None:
    """What another account's calls cost is in the bill that is theirs; what that account calls its key is not."""
    asked = replace(ALL, by="key")
    for viewer in (Viewer(("Acme",)), Viewer(None, ("Beta GmbH",))):
        keys = drill_figures.rows(connection, viewer, asked)["key_label"].to_pylist()
        assert "shared" not in keys
        assert drill_figures.OF_ANOTHER in keys
        assert drill_figures.rows(connection, viewer, replace(asked, key="shared")).num_rows == 0
    assert "shared" in drill_figures.rows(connection, Viewer(), asked)["key_label"].to_pylist()


def test_a_file_of_a_step_runs_no_formula(connection: DuckDBPyConnection) -> None:
    """The key that a provider's console calls a formula is text in the CSV."""
    written = download.csv_bytes(drill_figures.rows(connection, Viewer(), replace(ALL, by="key"))).decode()
    assert "'=HYPERLINK" in written
    assert ",=HYPERLINK" not in written


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"from": ["2026-10-03"], "to": ["2026-10-09"], "provider": ["openai", "google"]},
        {"to": ["2026-09-01"]},
        {"day": [str(TODAY)], "key": ["a&b=c"]},
        {"day": [str(TODAY)], "model": ["gpt 5"], "by": ["line"]},
    ],
)
def test_a_question_survives_the_url(query: dict[str, list[str]]) -> None:
    """What the page writes into the URL is what it reads from it."""
    asked = Asked.from_query(query, TODAY)
    assert Asked.from_query(asked.to_query(TODAY), TODAY) == asked


@pytest.mark.parametrize(
    "query",
    [
        {"from": ["tomorrow"]},
        {"day": ["2020-01-01"]},
        {"day": ["x"]},
        {"key": [""]},
        {"model": [""], "by": ["everything"]},
        {"from": ["0001-01-01"], "to": ["9999-12-31"]},
        {"to": [""]},
    ],
)
def test_a_url_that_makes_no_sense_is_the_usual_question(query: dict[str, list[str]]) -> None:
    """No error, no day in the future."""
    asked = Asked.from_query(query, TODAY)
    assert asked.start <= asked.end <= TODAY
    assert asked.whole == asked or asked.day is not None
