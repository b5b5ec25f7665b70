"""The sandbox's OpenAI judges requests as Prism does by OpenAI's own description; skipped where Prism is not."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from pipelines.bills.biller import billers
from pipelines.bills.pull import pull
from pipelines.sandbox import openai_api
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.mail_trap import free_port
from warehouse.home import Home

pytestmark = pytest.mark.soak
ENDS = datetime(2026, 6, 30, 12, tzinfo=UTC)
START = int(datetime(2026, 6, 20, tzinfo=UTC).timestamp())
COSTS, USAGE = "/organization/costs", "/organization/usage/completions"
ASKED = f"start_time={START}"
# Requests that both answer alike; the verdict is theirs, not ours.
ALIKE = [
    *(
        f"{path}?{query}"
        for path in (COSTS, USAGE)
        for query in (
            ASKED,
            "",
            "start_time=",
            "start_time=yesterday",
            "start_time=1.5",
            "start_time=2026-06-20",
            f"{ASKED}&{ASKED}",
            f"end_time={START + 86_400}",
            f"{ASKED}&end_time={START + 86_400}",
            f"{ASKED}&end_time=soon",
            f"{ASKED}&limit=1",
            f"{ASKED}&limit=31",
            f"{ASKED}&limit=seven",
            f"{ASKED}&limit=2.5",
            f"{ASKED}&bucket_width=1d",
            f"{ASKED}&bucket_width=1w",
            f"{ASKED}&bucket_width=",
            f"{ASKED}&group_by=project_id",
            f"{ASKED}&group_by=api_key_id&group_by=project_id",
            f"{ASKED}&group_by=nothing",
            f"{ASKED}&group_by=project_id&group_by=nothing",
            f"{ASKED}&group_by=project_id,api_key_id",
            f"{ASKED}&unheard_of=1",
            f"{ASKED}&group_by[]=project_id",
        )
    ),
    f"{COSTS}?{ASKED}&bucket_width=1h",
    f"{COSTS}?{ASKED}&limit=180",
    f"{COSTS}?{ASKED}&group_by=line_item&group_by=project_id",
    f"{COSTS}?{ASKED}&group_by=model",
    f"{USAGE}?{ASKED}&group_by=line_item",
    f"{USAGE}?{ASKED}&group_by=model&group_by=batch&group_by=service_tier",
    f"{USAGE}?{ASKED}&batch=true",
    f"{USAGE}?{ASKED}&batch=perhaps",
    f"/organization/nothing?{ASKED}",
]
# Where they differ: (what Prism says, what the sandbox says), and why the sandbox is the stricter one.
DIFFERENT = {
    # The limits stand in the description's words alone, which no program reads; above them OpenAI answers 400.
    f"{COSTS}?{ASKED}&limit=181": (True, False),
    f"{COSTS}?{ASKED}&limit=0": (True, False),
    f"{COSTS}?{ASKED}&limit=-1": (True, False),
    f"{USAGE}?{ASKED}&limit=32": (True, False),
    # A cursor is any text by its type; OpenAI knows its own.
    f"{COSTS}?{ASKED}&page=made-up": (True, False),
    # No date: Prism looks at the type alone.
    "/organization/costs?start_time=99999999999999999": (True, False),
    # The sandbox bills by day and refuses what it could only answer wrongly.
    f"{USAGE}?{ASKED}&bucket_width=1h": (True, False),
    f"{USAGE}?{ASKED}&bucket_width=1m": (True, False),
}


@pytest.fixture(scope="module")
def prism(shared: Path) -> Iterator[str]:
    """Prism serving OpenAI's description; its address."""
    program = shutil.which("prism")
    if program is None:
        pytest.skip("no prism on PATH: `npm install -g @stoplight/prism-cli@5.14.2`")
    described = shared / "data/openai_openapi/openapi.organization-subset.with-examples.json"
    port = free_port()
    command = [program, "mock", "-h", "127.0.0.1", "-p", str(port), str(described)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while True:
                try:
                    assert accepted(address, f"{COSTS}?{ASKED}")
                    break
                except URLError:
                    assert time.monotonic() < deadline, "Prism does not start"
                    time.sleep(0.2)
            yield address
        finally:
            process.kill()


@pytest.fixture(scope="module")
def ours() -> Iterator[AdminApi]:
    """The sandbox's OpenAI."""
    truth = GroundTruth.make(seed=3, month_ends=ENDS, days=14, calls=600)
    with openai_api.serve(Bill.of(truth, "openai"), "k") as api:
        yield api


def accepted(address: str, request: str, bearer: str | None = "k") -> bool:
    """Whether the server answers a request, or refuses it with a 4xx."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    url = address + quote(request, safe="/?&=[],._-%")
    try:
        with urlopen(Request(url, headers=headers), timeout=30) as answer:  # noqa: S310 (a server of the test's own)
            return bool(answer.status == 200)
    except HTTPError as error:
        error.close()
        if error.code >= 500:
            raise
        return False


def test_both_give_the_same_verdict(prism: str, ours: AdminApi) -> None:
    """More than fifty good and bad requests, and one without a key: accepted by both or refused by both."""
    verdicts = {request: (accepted(prism, request), accepted(ours.address, request)) for request in ALIKE}
    asked = f"{COSTS}?{ASKED}"
    verdicts["without a key"] = (accepted(prism, asked, None), accepted(ours.address, asked, None))
    assert {request: both for request, both in verdicts.items() if both[0] != both[1]} == {}
    refused = sum(not one for one, _ in verdicts.values())
    assert len(verdicts) > 50
    assert min(refused, len(verdicts) - refused) > 15


def test_where_they_differ_the_sandbox_is_the_stricter(prism: str, ours: AdminApi) -> None:
    """Every known difference is one, each with its reason in this file."""
    found = {request: (accepted(prism, request), accepted(ours.address, request)) for request in DIFFERENT}
    assert found == DIFFERENT


def test_what_the_connector_asks_prism_takes(
    prism: str, ours: AdminApi, tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request of a first pull over 90 days and of a later one, pages included, passes Prism."""
    assert master_key
    biller = billers()["openai"]
    monkeypatch.setenv(biller.key_variable, "k")
    monkeypatch.setenv(biller.address_variable, ours.address)
    home = Home(tmp_path / "own").make()
    ours.asked.clear()
    for now in (ENDS, ENDS + timedelta(days=1)):
        assert pull(home, biller, now, lambda *_: None).skipped is None
    assert len(ours.asked) > 5
    assert any("page=" in request for request in ours.asked)
    assert [request for request in ours.asked if not accepted(prism, request)] == []
