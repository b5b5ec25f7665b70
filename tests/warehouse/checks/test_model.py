"""Each thing that holds of calls, tags and hours, held against one row that breaks it."""

from datetime import timedelta

import pytest

from tests.warehouse.checks import planted_line
from tests.warehouse.checks.planted_line import (
    BETWEEN,
    CREDENTIAL,
    IN_SET,
    MATCHES,
    NOT_NULL,
    UNIQUE,
    UNIQUE_TOGETHER,
    WITHOUT,
    Line,
    Planted,
)
from warehouse import tables
from warehouse.checks import model
from warehouse.models.usage_hourly import GRAIN

REQUESTS, TAGS, HOURS = "model.requests", "model.request_tag", "model.usage_hourly"
LEAST = "0.000000000001"
IN_SUM = (IN_SET, "input_tokens_are_their_classes")
OUT_SUM = (IN_SET, "output_tokens_are_their_classes")
NOT_NEGATIVE = (IN_SET, "list_cost_is_not_negative")
OUTCOMES = (IN_SET, "outcomes_are_of_its_requests")
UNPRICED = (IN_SET, "unpriced_are_of_its_requests")
SUMS = {
    **dict.fromkeys(tables.INPUT_CLASSES, ("input_tokens", IN_SUM)),
    **dict.fromkeys(tables.OUTPUT_CLASSES, ("output_tokens", OUT_SUM)),
}

REQUESTS_PLANTED: list[Planted] = [
    *(
        (f"{name} = NULL", {(NOT_NULL, name)})
        for name in (
            "request_no",
            "request_id",
            "requested_at",
            "account_no",
            "gateway",
            "provider",
            "model",
            "outcome",
        )
    ),
    *((f"{name} = NULL", {(NOT_NULL, name), broken}) for name, (_, broken) in SUMS.items()),
    *((f"{total} = {total} - {name} - 1, {name} = -1", {(BETWEEN, name)}) for name, (total, _) in SUMS.items()),
    *((f"{name} = {name} + 1", {broken}) for name, (_, broken) in SUMS.items()),
    ("input_tokens = NULL", {IN_SUM}),
    ("output_tokens = output_tokens + 1", {OUT_SUM}),
    *((f"{name} = 'a b'", {(MATCHES, name)}) for name in ("request_id", "provider", "model", "service_tier", "region")),
    (f"model = {CREDENTIAL}", {(WITHOUT, "model")}),
    ("outcome = 'timeout'", {(IN_SET, "outcome")}),
    ("http_status = 0", {(BETWEEN, "http_status")}),
    ("latency_ms = -1", {(BETWEEN, "latency_ms")}),
    (f"logged_cost_usd = -{LEAST}", {(IN_SET, "logged_cost_is_not_negative")}),
    (f"list_cost_usd = -{LEAST}, price_version = 'x'", {NOT_NEGATIVE}),
    (
        "list_cost_usd = 0, price_version = NULL, output_tokens = 1, text_out_tokens = 1, reasoning_out_tokens = 0",
        {(IN_SET, "cost_has_its_price_version")},
    ),
]
TAGS_PLANTED: list[Planted] = [
    ("tag = NULL", {(NOT_NULL, "tag")}),
    ("tag = 'someone@example.com'", {(MATCHES, "tag")}),
    (f"tag = {CREDENTIAL}", {(WITHOUT, "tag")}),
    ("request_no = NULL", {(NOT_NULL, "request_no"), (IN_SET, "tells_of_a_call")}),
    ("request_no = 1", {(IN_SET, "tells_of_a_call")}),
]
HOURS_PLANTED: list[Planted] = [
    *((f"{name} = NULL", {(NOT_NULL, name)}) for name in ("hour", "account_no", "gateway", "provider", "model")),
    ("requests = NULL", {(NOT_NULL, "requests"), OUTCOMES, UNPRICED}),
    ("error_requests = NULL", {(NOT_NULL, "error_requests"), OUTCOMES}),
    ("cancelled_requests = NULL", {(NOT_NULL, "cancelled_requests"), OUTCOMES}),
    ("unpriced_requests = NULL", {(NOT_NULL, "unpriced_requests"), UNPRICED}),
    (
        "requests = 0, error_requests = 0, cancelled_requests = 0, unpriced_requests = 0, list_cost_usd = 0",
        {(BETWEEN, "requests")},
    ),
    ("error_requests = -1", {(BETWEEN, "error_requests")}),
    ("cancelled_requests = -1", {(BETWEEN, "cancelled_requests")}),
    ("unpriced_requests = -1", {(BETWEEN, "unpriced_requests")}),
    ("hour = hour + INTERVAL 1 SECOND", {(IN_SET, "hour_is_whole")}),
    ("error_requests = 1, cancelled_requests = requests", {OUTCOMES}),
    ("unpriced_requests = requests + 1", {UNPRICED}),
    (f"unpriced_requests = requests, list_cost_usd = {LEAST}", {(IN_SET, "no_price_has_no_cost")}),
    ("input_tokens = input_tokens - 1", {IN_SUM}),
    ("reasoning_out_tokens = NULL", {OUT_SUM}),
    (f"list_cost_usd = -{LEAST}", {NOT_NEGATIVE}),
]
ONE_DAY = {
    REQUESTS: ("requested_at = $day", REQUESTS_PLANTED, (UNIQUE, "request_no")),
    TAGS: ("day = $day", TAGS_PLANTED, None),
    # A key of its own for each row, since hours become one.
    HOURS: ("hour = $day, key_no = rowid", HOURS_PLANTED, (UNIQUE_TOGETHER, ", ".join(("hour", *GRAIN)))),
}


@pytest.mark.parametrize("table", ONE_DAY)
def test_each_modelled_row_that_is_wrong_is_found(line: Line, table: str) -> None:
    """Every expectation finds the rows planted for it, and none that is not."""
    for one, (assignments, _, _) in ONE_DAY.items():
        line.gather(one, assignments)
    assert model.check(line.connection, line.day).passed
    _, planted, unique = ONE_DAY[table]
    must_find = line.plant_each(table, planted)
    verdict = model.check(line.connection, line.day)
    assert planted_line.counts(verdict, table) == must_find
    assert planted_line.asked(verdict, table) == set(must_find) | ({unique} if unique else set())


def test_a_row_that_is_there_twice_is_found(line: Line) -> None:
    """A call by its number, an hour by all that it is rolled up by."""
    line.repeat(REQUESTS)
    line.repeat(HOURS)
    verdict = model.check(line.connection, line.day)
    for table, (_, _, unique) in ONE_DAY.items():
        assert planted_line.failures(verdict, table) == ({unique} if unique else set())


def test_what_the_line_modelled_passes(line: Line) -> None:
    """All rows of the three tables were looked at."""
    verdict = model.check(line.connection, line.day)
    (rows,) = line.connection.execute(
        f"""SELECT (SELECT count(*) FROM {REQUESTS} WHERE requested_at::DATE = $day)
            + (SELECT count(*) FROM {TAGS} WHERE day = $day)
            + (SELECT count(*) FROM {HOURS} WHERE hour::DATE = $day)""",
        {"day": line.day},
    ).fetchall()
    assert (verdict.passed, verdict.rows) == (True, *rows)
    assert {each.table for each in verdict.expectations} == set(ONE_DAY)


def test_a_day_without_rows_passes(line: Line) -> None:
    """There is nothing to be wrong."""
    verdict = model.check(line.connection, line.day + timedelta(days=400))
    assert (verdict.passed, verdict.rows, verdict.expectations) == (True, 0, ())


def test_a_bad_row_of_another_day_is_left_to_that_day(line: Line) -> None:
    """Only the day asked for is looked at."""
    line.update(REQUESTS, "outcome = 'timeout'")
    assert model.check(line.connection, line.day - timedelta(days=1)).passed
    assert not model.check(line.connection, line.day).passed


def test_numbers_that_a_float_would_make_one_stay_two(line: Line) -> None:
    """Neighbouring call numbers of 63 bits are no duplicates, even beside a row without a number."""
    for number in ("9223372036854775806", "9223372036854775807", "NULL"):
        one = f"SELECT * REPLACE ({number} AS request_no) FROM {REQUESTS} WHERE {line.row(REQUESTS)}"
        line.connection.execute(f"INSERT INTO {REQUESTS} {one}")
    verdict = model.check(line.connection, line.day)
    assert planted_line.failures(verdict, REQUESTS) == {(NOT_NULL, "request_no")}


def test_an_unpriced_call_and_the_largest_amount_pass(line: Line) -> None:
    """NULL is no price, which is allowed; an amount of 38 digits is compared as it is."""
    line.update(REQUESTS, "list_cost_usd = NULL, price_version = NULL, logged_cost_usd = NULL, http_status = NULL")
    assert model.check(line.connection, line.day).passed
    line.update(REQUESTS, "list_cost_usd = 99999999999999999999999999.999999999999, price_version = 'x'")
    assert model.check(line.connection, line.day).passed
