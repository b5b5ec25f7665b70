"""The doctor on connections: wrong, refused and old keys, silence, nobody to tell; and nothing where all is well."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.bills import connection_health
from pipelines.bills.biller import billers
from pipelines.bills.pull import pull_or_say
from tests.pipelines.billed_world import KEYS, LATER, World, world


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[World]:
    """A week of one world, with an operator who is told."""
    assert master_key
    monkeypatch.setenv("APILEDGER_OPERATOR_MAIL", "operator@team.example")
    with world(tmp_path, monkeypatch) as made:
        yield made


def found(made: World, days: float = 0) -> list[tuple[str, bool]]:
    """What is found so many days later, and whether it only warns."""
    findings = list(connection_health.findings(made.home, LATER + timedelta(days=days)))
    assert all(one.next_step for one in findings)
    return [(one.what, one.warning) for one in findings]


def test_nothing_is_found_where_all_is_well(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a pull and after it; an operator without an address is a warning, a wrong address is wrong."""
    assert found(billed) == []
    assert list(connection_health.told(billed.home)) == []
    billed.pull("openai")
    assert found(billed) == []
    assert list(connection_health.told(billed.home)) == ["openai         bills read up to 2026-08-15"]
    monkeypatch.setenv("APILEDGER_OPERATOR_MAIL", "operator")
    assert found(billed) == [("APILEDGER_OPERATOR_MAIL is not one e-mail address", False)]
    monkeypatch.delenv("APILEDGER_OPERATOR_MAIL")
    assert found(billed) == [("nobody is mailed when a provider refuses a key", True)]


def test_a_wrong_a_missing_a_refused_and_an_old_key_are_each_told(
    billed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its next step, and never the key itself."""
    billed.pull("openai")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-proj-canary")
    ((what, warning),) = found(billed)
    assert what.startswith("OPENAI_ADMIN_KEY holds an OpenAI project key")
    assert what.endswith("it is sent nowhere")
    assert not warning
    assert "canary" not in what
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    assert found(billed) == [("OpenAI was read before, and OPENAI_ADMIN_KEY is not set here", True)]
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEYS["openai"])
    assert found(billed, 364) == []
    assert found(billed, 366) == [("OPENAI_ADMIN_KEY has been the same for 366 days", True)]
    billed.apis["openai"].faults = [401]
    assert pull_or_say(billed.home, billers()["openai"], LATER, lambda *_: None).skipped
    assert found(billed) == [("OpenAI refuses the key since 2026-08-15 01:00 UTC", False)]
    refused = "OpenAI /organization/costs: the key was refused (401); set another one"
    assert list(connection_health.told(billed.home)) == [
        f"openai         bills read up to 2026-08-15; skipped: {refused}"
    ]


def test_a_provider_that_is_not_reached_warns_for_a_day(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address, its last error and since when; after a day it is wrong; an answer ends it."""
    address = billed.apis["openai"].address
    billed.apis["openai"].faults = [404]
    assert pull_or_say(billed.home, billers()["openai"], LATER, lambda *_: None).skipped
    monkeypatch.setenv("APILEDGER_OPENAI_API", address)
    said = "OpenAI /organization/costs: status 404; look at its changelog; so it is since 2026-08-15 01:00 UTC"
    assert found(billed, 0.5) == [(said, True)]
    assert found(billed, 1.5) == [(said, False)]
    billed.take_in()
    assert found(billed) == []
