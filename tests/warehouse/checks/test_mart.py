"""Each thing that holds of spend a day, held against one row that breaks it."""

import pytest

from tests.warehouse.checks import planted_line
from tests.warehouse.checks.planted_line import (
    BETWEEN,
    CREDENTIAL,
    IN_SET,
    MATCHES,
    NOT_NULL,
    UNIQUE_TOGETHER,
    WITHOUT,
    Line,
    Planted,
)
from warehouse.checks import mart

SPEND, BY_SOURCE = "mart.spend_daily", "mart.spend_by_source"
NAMES = ("account", "project", "team", "key_label")
ERRORS = (IN_SET, "errors_are_of_its_requests")
UNPRICED = (IN_SET, "unpriced_are_of_its_requests")
CACHE = (IN_SET, "cache_reads_are_of_its_input")
WITH_COUNT: dict[str, set[tuple[str, str]]] = {
    "requests": {ERRORS, UNPRICED},
    "error_requests": {ERRORS},
    "unpriced_requests": {UNPRICED},
    "input_tokens": {CACHE},
    "output_tokens": set(),
    "cache_read_tokens": {CACHE},
}
UNIQUE = (UNIQUE_TOGETHER, "day, account, project, team, key_label, provider, model, basis, connection_no, invoice")
ALL_AGREE = {(IN_SET, "requests_agree"), (IN_SET, "tokens_agree"), (IN_SET, "cost_agrees")}

PLANTED: list[Planted] = [
    *((f"{name} = NULL", {(NOT_NULL, name)}) for name in ("day", "account", "provider", "basis", "settlement")),
    *((f"{name} = NULL", {(NOT_NULL, name), *broken}) for name, broken in WITH_COUNT.items()),
    *((f"{name} = 'someone@example.com'", {(MATCHES, name)}) for name in (*NAMES, "provider", "model")),
    *((f"{name} = {CREDENTIAL}", {(WITHOUT, name)}) for name in NAMES),
    ("basis = 'guess'", {(IN_SET, "basis")}),
    ("settlement = 'paid'", {(IN_SET, "settlement")}),
    ("requests = -1, error_requests = 0, unpriced_requests = 0", {(BETWEEN, "requests"), ERRORS, UNPRICED}),
    ("error_requests = -1", {(BETWEEN, "error_requests")}),
    ("unpriced_requests = -1", {(BETWEEN, "unpriced_requests")}),
    ("input_tokens = -1, cache_read_tokens = 0", {(BETWEEN, "input_tokens"), CACHE}),
    ("output_tokens = -1", {(BETWEEN, "output_tokens")}),
    ("cache_read_tokens = -1", {(BETWEEN, "cache_read_tokens")}),
    ("error_requests = requests + 1", {ERRORS}),
    ("unpriced_requests = requests + 1", {UNPRICED}),
    ("cache_read_tokens = input_tokens + 1", {CACHE}),
    ("cost_usd = -0.000000000001", {(IN_SET, "cost_is_not_negative")}),
    ("model = NULL", {(IN_SET, "calls_have_their_model")}),
]
AGREEMENT_PLANTED: list[Planted] = [
    ("requests = requests + 1", {(IN_SET, "requests_agree")}),
    ("output_tokens = output_tokens + 1", {(IN_SET, "tokens_agree")}),
    ("cost_usd = cost_usd + 0.000000000001", {(IN_SET, "cost_agrees")}),
]


@pytest.fixture
def spend(line: Line) -> Line:
    """The line, with the day's spend as rows that can be changed where a view stood."""
    for statement in (
        f"CREATE TABLE mart.kept AS FROM {SPEND}",
        f"DROP VIEW {SPEND}",
        "ALTER TABLE mart.kept RENAME TO spend_daily",
        f"CREATE OR REPLACE VIEW {BY_SOURCE} AS SELECT *, basis AS source FROM {SPEND}",
    ):
        line.connection.execute(statement)
    return line


def test_each_row_of_spend_that_is_wrong_is_found(spend: Line) -> None:
    """Every expectation finds the rows planted for it, and none that is not."""
    # A key of its own for each row, since days become one.
    spend.gather(SPEND, "day = $day, key_label = 'key ' || rowid")
    assert planted_line.failures(mart.check(spend.connection, spend.day), SPEND) == set()
    must_find = spend.plant_each(SPEND, PLANTED)
    verdict = mart.check(spend.connection, spend.day)
    assert planted_line.counts(verdict, SPEND) == must_find
    assert planted_line.asked(verdict, SPEND) == {*must_find, UNIQUE}


def test_spend_that_is_there_twice_is_found(spend: Line) -> None:
    """By the day, the names, the model and the basis."""
    spend.repeat(SPEND)
    assert planted_line.failures(mart.check(spend.connection, spend.day), SPEND) == {UNIQUE}


@pytest.mark.parametrize(("assignments", "found"), AGREEMENT_PLANTED)
def test_spend_that_differs_from_the_models_is_found(
    spend: Line, assignments: str, found: set[tuple[str, str]]
) -> None:
    """To the request, the token and the pico-dollar."""
    spend.update(SPEND, assignments)
    assert planted_line.failures(mart.check(spend.connection, spend.day), BY_SOURCE) == found


def test_spend_under_two_names_at_once_is_found(line: Line) -> None:
    """No row of it looks wrong, and every sum is too high."""
    line.connection.execute(
        """INSERT INTO model.account SELECT * REPLACE ('second name' AS label) FROM model.account
           WHERE valid_to IS NULL"""
    )
    verdict = mart.check(line.connection, line.day)
    assert planted_line.failures(verdict, SPEND) == set()
    assert planted_line.failures(verdict, BY_SOURCE) == ALL_AGREE


def test_spend_that_is_missing_is_found(spend: Line) -> None:
    """A mart without the day's rows is not an empty day while the models have them."""
    spend.connection.execute(f"DELETE FROM {SPEND}")
    assert planted_line.failures(mart.check(spend.connection, spend.day), BY_SOURCE) >= {(IN_SET, "requests_agree")}


def test_an_account_without_a_name_is_found(line: Line) -> None:
    """Through the real view: the name is what people look for."""
    line.connection.execute("DELETE FROM model.account")
    assert planted_line.failures(mart.check(line.connection, line.day), SPEND) == {(NOT_NULL, "account")}


def test_what_the_line_shows_passes(line: Line) -> None:
    """The real views; every expectation of agreement is one that a test above sees fail."""
    verdict = mart.check(line.connection, line.day)
    assert verdict.passed
    assert planted_line.asked(verdict, BY_SOURCE) == ALL_AGREE


def test_a_bill_may_be_less_than_its_calls_and_names_no_model(spend: Line) -> None:
    """What is left of a bill after its calls is signed, and belongs to no model."""
    spend.connection.execute(
        f"""INSERT INTO {SPEND} SELECT * REPLACE ('bill' AS basis, -5 AS cost_usd, NULL AS model, 0 AS requests,
            0 AS error_requests, 0 AS unpriced_requests, 0 AS input_tokens, 0 AS cache_read_tokens, NULL AS project)
            FROM {SPEND} WHERE {spend.row(SPEND)}"""
    )
    assert mart.check(spend.connection, spend.day).passed
