"""The sandbox's admin APIs answer as OpenAI's own description and Anthropic's documented shapes say."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from pipelines.sandbox import anthropic_api, openai_api
from pipelines.sandbox.bill import LEAKED_PROJECT, Bill
from pipelines.sandbox.ground_truth import GroundTruth

ENDS = datetime(2026, 6, 30, 12, tzinfo=UTC)
FIRST = 1_782_000_000 // 86_400 * 86_400
DAYS = 12
GROUPS = {
    "/organization/costs": ["line_item", "project_id"],
    "/organization/usage/completions": ["model", "project_id", "api_key_id", "batch", "service_tier"],
}


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    """A fortnight of calls."""
    return GroundTruth.make(seed=3, month_ends=ENDS, days=14, calls=600)


def asked(address: str, header: str, key: str, query: list[tuple[str, str]]) -> Any:
    """One answer as JSON."""
    request = Request(f"{address}?{urlencode(query)}", headers={header: key})  # noqa: S310 (a server of the test's own)
    with urlopen(request, timeout=10) as response:  # noqa: S310 (a server of the test's own)
        return json.load(response)


def openai_query(path: str, **other: str) -> list[tuple[str, str]]:
    """A request as the connector makes it."""
    window = {"start_time": str(FIRST), "end_time": str(FIRST + DAYS * 86_400), "bucket_width": "1d", "limit": "5"}
    return [*{**window, **other}.items(), *(("group_by", group) for group in GROUPS[path])]


@pytest.mark.parametrize("path", GROUPS)
def test_openais_answers_are_of_its_own_description(path: str, truth: GroundTruth, shared: Path) -> None:
    """Every page validates against the response schema of the official OpenAPI file."""
    import jsonschema

    spec = json.loads((shared / "data/openai_openapi/openapi.organization-subset.json").read_text())
    answers = spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    schema = {**answers, "components": spec["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    rows, page = 0, None
    with openai_api.serve(Bill.of(truth, "openai"), "k") as api:
        for _ in range(9):
            query = openai_query(path, **({"page": page} if page else {}))
            answer = asked(api.address + path, "Authorization", "Bearer k", query)
            # Every result is one of eleven objects; the description's own discriminator says which.
            assert [error.message for error in validator.iter_errors(answer)] == []
            rows += sum(len(bucket["results"]) for bucket in answer["data"])
            page = answer["next_page"]
            if not answer["has_more"]:
                break
    assert page is None
    assert rows > 20


def test_anthropics_answers_have_the_documented_fields(truth: GroundTruth, shared: Path) -> None:
    """The cost report has exactly the documented example's fields, and cents as strings."""
    shapes = json.loads((shared / "data/anthropic_admin_api/documented_shapes.json").read_text())
    window = [("starting_at", "2026-06-20T00:00:00Z"), ("ending_at", "2026-06-28T00:00:00Z"), ("limit", "31")]
    with anthropic_api.serve(Bill.of(truth, "anthropic"), "k") as api:
        costs = asked(f"{api.address}/cost_report", "x-api-key", "k", window)
        usage = asked(f"{api.address}/usage_report/messages", "x-api-key", "k", window)
    (example,) = shapes["cost_report"]["documented_response"]["data"]
    results = [result for bucket in costs["data"] for result in bucket["results"]]
    assert results
    assert all(bucket.keys() == example.keys() for bucket in costs["data"])
    assert all(result.keys() == example["results"][0].keys() for result in results)
    assert all(isinstance(result["amount"], str) for result in results)
    fields = set(shapes["usage_report_messages"]["result_fields"])
    assert all(fields <= result.keys() for bucket in usage["data"] for result in bucket["results"])


@pytest.mark.parametrize(
    ("key", "path", "other", "status"),
    [
        ("another", "/organization/costs", {}, 401),
        ("k", "/organization/costs", {"limit": "181"}, 400),
        ("k", "/organization/usage/completions", {"limit": "32"}, 400),
        ("k", "/organization/costs", {"bucket_width": "1h"}, 400),
        ("k", "/organization/costs", {"page": "page_of_another_query"}, 400),
        ("k", "/organization/costs", {"start_time": ""}, 400),
        ("k", "/organization/costs", {"start_time": "2026-06-20"}, 400),
        ("k", "/organization/costs", {"end_time": "soon"}, 400),
        ("k", "/organization/usage/completions", {"batch": "perhaps"}, 400),
    ],
)
def test_it_refuses_what_openai_refuses(
    key: str, path: str, other: dict[str, str], status: int, truth: GroundTruth
) -> None:
    """Another key, a limit above the most, another width, a cursor that is none."""
    with openai_api.serve(Bill.of(truth, "openai"), "k") as api, pytest.raises(HTTPError) as caught:
        asked(api.address + path, "Authorization", f"Bearer {key}", openai_query(path, **other))
    assert caught.value.code == status
    caught.value.close()


def test_without_an_end_it_tells_all_there_is(truth: GroundTruth) -> None:
    """An end is optional: the last bucket is the newest day with usage."""
    with openai_api.serve(Bill.of(truth, "openai"), "k") as api:
        query = [("start_time", str(FIRST)), ("limit", "180")]
        answer = asked(f"{api.address}/organization/costs", "Authorization", "Bearer k", query)
    assert answer["data"][-1]["start_time"] == int(datetime(2026, 6, 30, tzinfo=UTC).timestamp())
    assert answer["has_more"] is False


def test_whether_it_is_there_is_asked_without_a_key_and_takes_no_fault(truth: GroundTruth) -> None:
    """A supervisor's question is no request of a pull."""
    with openai_api.serve(Bill.of(truth, "openai"), "k") as api:
        api.faults = [500]
        assert asked(f"{api.address}/", "Authorization", "", []) == {}
        assert api.faults == [500]
        assert api.asked == []


def test_the_bill_differs_from_the_log_by_its_two_causes_alone(truth: GroundTruth) -> None:
    """Counts are the truth's, but for broken-off streams, which count twice, and the leaked key's calls."""
    for provider in ("openai", "anthropic"):
        calls = [c for c in truth.calls.iter_rows(named=True) if c["provider"] == provider and c["status"] != "error"]
        usage = Bill.of(truth, provider).usage
        own = usage.filter(usage["project"] != LEAKED_PROJECT)
        assert own["requests"].sum() == len(calls)
        assert own["text_out_tokens"].sum() == sum(
            call["output_tokens"] * (2 if call["status"] == "cancelled" else 1) for call in calls
        )
        first, last = (date.fromisoformat(str(usage["day"].sort()[at])) for at in (0, -1))
        assert usage.height - own.height == (last - first) // timedelta(days=3) + 1
