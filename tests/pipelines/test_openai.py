"""OpenAI's reports: every endpoint as its own description says, costs by key from the day they are told by key."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.providers import openai
from pipelines.sandbox import openai_usage_api
from tests.pipelines.fixture_api import FIXTURES, answering, fixture
from warehouse.tables import INPUT_CLASSES, OUTPUT_CLASSES

DAY, AFTER = date(2026, 6, 20), date(2026, 6, 22)
ENDPOINTS = sorted(path.stem for path in (FIXTURES / "openai/usage").iterdir())
FILES = {"/organization/costs": "openai/costs.json"} | {
    f"/organization/usage/{name}": f"openai/usage/{name}.json" for name in ENDPOINTS
}


def test_every_usage_endpoint_has_its_report() -> None:
    """What is read, what is tried here and what the sandbox serves are the same ten."""
    read = {report.table.name.removeprefix("usage_") for report in openai.BILLER.reports if report.kind == "usage"}
    assert read == set(ENDPOINTS) == {*openai_usage_api.ENDPOINTS, "completions"}


@pytest.mark.parametrize("path", FILES)
def test_the_fixtures_are_of_openais_description(path: str, shared: Path) -> None:
    """Each made-up answer validates against the official file, and every grouping asked for is one it knows."""
    import jsonschema

    spec = json.loads((shared / "data/openai_openapi/openapi.organization-subset.json").read_text())
    described = spec["paths"][path]["get"]
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**schema, "components": spec["components"]})
    assert [error.message for error in validator.iter_errors(fixture(FILES[path]))] == []
    with answering(FILES) as api:
        name = path.rsplit("/", 1)[1]
        api.read(openai.BILLER, {"costs": "costs", "completions": "usage"}.get(name, f"usage_{name}"), DAY, AFTER)
    known = {one["name"]: one["schema"] for one in described["parameters"]}
    assert set(api.asked[0].query["group_by"]) <= set(known["group_by"]["items"]["enum"])
    assert set(api.asked[0].query) <= set(known)


@pytest.mark.parametrize(
    ("endpoint", "counted"),
    [
        ("embeddings", {"requests": 2, "uncached_tokens": 16}),
        ("moderations", {"requests": 3, "uncached_tokens": 90}),
        ("images", {"requests": 2, "quantity": 4, "quantity_unit": "images"}),
        ("audio_speeches", {"requests": 1, "quantity": 450, "quantity_unit": "characters"}),
        ("audio_transcriptions", {"requests": 1, "quantity": 200, "quantity_unit": "seconds"}),
        ("vector_stores", {"quantity": 1_048_576, "quantity_unit": "bytes", "key": None}),
        ("code_interpreter_sessions", {"quantity": 7, "quantity_unit": "sessions", "key": None}),
        ("file_search_calls", {"quantity": 9, "quantity_unit": "calls"}),
        ("web_search_calls", {"quantity": 13, "quantity_unit": "calls"}),
    ],
)
def test_an_endpoint_counts_in_its_own_unit(endpoint: str, counted: dict[str, Any]) -> None:
    """A tool adds no call: the call it was used in is counted as a completion."""
    with answering(FILES) as api:
        days = api.read(openai.BILLER, f"usage_{endpoint}", DAY, AFTER)
    (row,) = days.pop(DAY)
    assert days == {date(2026, 6, 21): []}
    told = {"project": "proj_web", "key": "key_ci", **counted}
    assert {name: row[name] for name in told} == told
    assert ("requests" in row) == ("requests" in counted)


def test_completions_are_told_in_disjoint_classes() -> None:
    """All input is the sum of its classes, and a batch is a tier."""
    with answering(FILES) as api:
        ((row,), _) = api.read(openai.BILLER, "usage", DAY, AFTER).values()
    assert sum(row[name] for name in INPUT_CLASSES if name in row) == 1000
    assert (row["cache_read_tokens"], row["cache_write_5m_tokens"], row["uncached_tokens"]) == (400, 100, 400)
    assert row["text_out_tokens"] + row["audio_out_tokens"] == 500
    assert row["service_tier"] == "batch"


def completions(tmp_path: Path, **told: int | None) -> tuple[dict[str, Any], dict[str, str]]:
    """How a row of completions is counted that tells this much, and what is said of it; None is not told at all."""
    answer = fixture("openai/usage/completions.json")
    result = answer["data"][0]["results"][0]
    counts = {name: 0 for name in result if name.endswith("_tokens")} | {"input_uncached_tokens": None} | told
    for name, count in counts.items():
        if count is None:
            del result[name]
        else:
            result[name] = count
    written = tmp_path / "completions.json"
    written.write_text(json.dumps(answer))
    (report,) = [one for one in openai.BILLER.reports if one.name == "usage"]
    with answering({"/organization/usage/completions": str(written)}) as api, api.session(openai.BILLER) as session:
        ((row,), _) = dict(report.read(session, DAY, AFTER)).values()
        assert isinstance(row, dict)
        return row, dict(session.notes)


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        # OpenAI's own example: 1000 = 400 cached + 100 written + 400 text + 50 audio + 50 image.
        (
            {"input_cached_tokens": 400, "input_cache_write_tokens": 100, "input_uncached_tokens": 500}
            | {"input_cached_audio_tokens": 50, "input_audio_tokens": 50, "input_image_tokens": 50},
            {"uncached": 400, "cache_read": 400, "cache_write_5m": 100, "audio_in": 50, "image_in": 50},
        ),
        # What is neither cached nor uncached was written, though the answer has no word for it.
        (
            {"input_cached_tokens": 400, "input_cache_write_tokens": None, "input_uncached_tokens": 500},
            {"uncached": 500, "cache_read": 400, "cache_write_5m": 100},
        ),
        # As once: no split but these, and audio holds what of it was cached.
        (
            {"input_cached_tokens": 900, "input_cache_write_tokens": None, "input_uncached_tokens": None}
            | {"input_audio_tokens": 950, "input_cached_audio_tokens": 900},
            {"uncached": 50, "cache_read": 900, "audio_in": 50},
        ),
    ],
)
def test_classes_of_input_add_up_to_it(tmp_path: Path, told: dict[str, int | None], counted: dict[str, int]) -> None:
    """Written to the cache is a class of its own, no token is in two, and nothing is said."""
    row, notes = completions(tmp_path, input_tokens=1000, output_tokens=10, output_audio_tokens=10, **told)
    assert {name.removesuffix("_tokens"): row[name] for name in INPUT_CLASSES if row.get(name)} == counted
    assert sum(counted.values()) == 1000
    assert (row["text_out_tokens"], row["audio_out_tokens"]) == (0, 10)
    assert notes == {}
    assert "is_unsplit" not in row


@pytest.mark.parametrize(
    "told",
    [
        {"input_cached_tokens": 1001},
        {"input_cached_tokens": 600, "input_audio_tokens": 500},
        {"input_cached_tokens": 600, "input_cache_write_tokens": 500},
        {"input_cached_tokens": 600, "input_cache_write_tokens": 0, "input_uncached_tokens": 300},
        {"input_cached_tokens": 600, "input_cache_write_tokens": 0, "input_uncached_tokens": 0},
        {"input_uncached_tokens": 1001, "input_cache_write_tokens": None},
        {"output_audio_tokens": 11},
    ],
)
def test_classes_that_do_not_add_up_are_counted_whole_and_said(tmp_path: Path, told: dict[str, int | None]) -> None:
    """No token is lost or made up; what cannot be told apart is counted where it costs most, and a note says so."""
    row, notes = completions(tmp_path, **{"input_tokens": 1000, "output_tokens": 10, **told})
    assert sum(row.get(name, 0) for name in INPUT_CLASSES) == 1000
    assert sum(row.get(name, 0) for name in OUTPUT_CLASSES) == 10
    ((topic, said),) = notes.items()
    assert topic == "classes of 2026-06"
    assert "last on 2026-06-20" in said
    if "output_audio_tokens" not in told:
        assert row["uncached_tokens"] == 1000


@pytest.mark.parametrize(
    ("first", "after", "asked"),
    [
        (
            date(2025, 12, 4),
            date(2025, 12, 9),
            [("2025-12-04", "2025-12-06", False), ("2025-12-06", "2025-12-09", True)],
        ),
        (date(2025, 11, 1), date(2025, 12, 6), [("2025-11-01", "2025-12-06", False)]),
        (date(2025, 12, 6), date(2025, 12, 8), [("2025-12-06", "2025-12-08", True)]),
    ],
)
def test_each_side_of_the_first_day_with_keys_is_asked_by_itself(
    first: date, after: date, asked: list[tuple[str, str, bool]]
) -> None:
    """Before 2025-12-06 no question names keys, since OpenAI refuses it; from then on every one does."""
    from datetime import UTC, datetime

    with answering({"/organization/costs": "openai/costs.json"}) as api:
        (report,) = [one for one in openai.BILLER.reports if one.name == "costs"]
        with api.session(openai.BILLER) as session:
            # The fixture's days are others: what counts here is how it is asked.
            list(report.read(session, first, after))
    told = []
    for one in api.asked:
        since, until = (
            datetime.fromtimestamp(int(one.query[name][0]), UTC).date().isoformat()
            for name in ("start_time", "end_time")
        )
        told.append((since, until, "api_key_id" in one.query["group_by"]))
        assert {"line_item", "project_id"} <= set(one.query["group_by"])
    assert told == asked


def test_costs_are_the_literals_by_line_project_and_key() -> None:
    """No digit is lost, and a correction keeps its sign."""
    with answering(FILES) as api:
        rows = api.read(openai.BILLER, "costs", DAY, AFTER)[DAY]
    assert [row["amount_usd"] for row in rows] == [Decimal("0.060000000001"), Decimal("1.25"), Decimal("-0.5")]
    assert [row["key"] for row in rows] == ["key_ci", None, None]
