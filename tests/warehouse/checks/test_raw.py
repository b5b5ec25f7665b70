"""Each promise of a landed row, held against one row that breaks it."""

import pytest

from tests.warehouse.checks import planted_line
from tests.warehouse.checks.planted_line import BETWEEN, CREDENTIAL, IN_SET, MATCHES, NOT_NULL, WITHOUT, Line, Planted
from warehouse import tables
from warehouse.checks import raw
from warehouse.errors import WarehouseError

TABLE = "raw_gateway_jsonl.calls"
CLASSES = (*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES)
TEXTS = ("request_id", "provider", "model", "service_tier", "region")
PLANTED: list[Planted] = [
    *(
        (f"{name} = NULL", {(NOT_NULL, name)})
        for name in ("load_no", "form", "request_no", "request_id", "requested_at", "account_no")
    ),
    *((f"{name} = NULL", {(NOT_NULL, name)}) for name in ("provider", "model", "outcome", *CLASSES)),
    *((f"{name} = 'a b'", {(MATCHES, name)}) for name in TEXTS),
    *((f"{name} = {name} || chr(10)", {(MATCHES, name)}) for name in TEXTS[:3]),
    ("model = 'someone@example.com'", {(MATCHES, "model")}),
    (f"model = {CREDENTIAL}", {(WITHOUT, "model")}),
    ("load_no = 0", {(BETWEEN, "load_no")}),
    ("outcome = 'OK'", {(IN_SET, "outcome")}),
    ("http_status = 99", {(BETWEEN, "http_status")}),
    ("http_status = 600", {(BETWEEN, "http_status")}),
    ("latency_ms = -1", {(BETWEEN, "latency_ms")}),
    *((f"{name} = -1", {(BETWEEN, name)}) for name in CLASSES),
    ("logged_cost_usd = -0.000000000001", {(IN_SET, "logged_cost_is_not_negative")}),
    ("""tags = '["someone@example.com"]'""", {(MATCHES, "tags")}),
    ("tags = 'night'", {(MATCHES, "tags")}),
    (f"""tags = '["' || {CREDENTIAL} || '"]'""", {(WITHOUT, "tags")}),
]


def test_each_landed_row_that_breaks_a_promise_is_found(line: Line) -> None:
    """Every expectation finds the rows planted for it, and none that is not."""
    line.gather(TABLE, "requested_at = $day")
    assert raw.check(line.connection, "gateway_jsonl", line.day).passed
    must_find = line.plant_each(TABLE, PLANTED)
    verdict = raw.check(line.connection, "gateway_jsonl", line.day)
    assert planted_line.counts(verdict, TABLE) == must_find
    assert planted_line.asked(verdict, TABLE) == set(must_find), "an expectation that no test sees fail"


def test_what_the_line_landed_passes(line: Line) -> None:
    """All rows of the day were looked at."""
    verdict = raw.check(line.connection, "gateway_jsonl", line.day)
    (rows,) = line.connection.execute(
        f"SELECT count(*) FROM {TABLE} WHERE requested_at::DATE = ?", [line.day]
    ).fetchall()
    assert (verdict.passed, verdict.rows) == (True, *rows)
    assert verdict.rows > 0


def test_what_the_boundary_writes_for_what_is_no_label_passes(line: Line) -> None:
    """Numbers standing for texts, a Vertex model, another alphabet, a hashed call id: all as the boundary has them."""
    line.update(TABLE, "provider = 'provider 123', model = 'model 9', service_tier = 'tier 5', region = 'region 7'")
    assert raw.check(line.connection, "gateway_jsonl", line.day).passed
    line.update(
        TABLE,
        """model = 'claude-sonnet-4@20250514', request_id = 'id-' || md5('x'), region = NULL, logged_cost_usd = NULL,
           tags = '["tag 12", "Zürich nord", "пр"]'""",
    )
    assert raw.check(line.connection, "gateway_jsonl", line.day).passed


def test_a_gateway_that_landed_nothing_passes_with_no_rows(line: Line) -> None:
    """Its raw schema is made by its first load."""
    verdict = raw.check(line.connection, "litellm", line.day)
    assert (verdict.passed, verdict.rows, verdict.expectations) == (True, 0, ())


def test_a_raw_table_without_a_column_is_an_error_that_names_it(line: Line) -> None:
    """A table of another form is no failed expectation: it is not as the program has it."""
    line.connection.execute(f"ALTER TABLE {TABLE} DROP COLUMN outcome")
    with pytest.raises(WarehouseError, match=f"{TABLE} is not as .* doctor"):
        raw.check(line.connection, "gateway_jsonl", line.day)
