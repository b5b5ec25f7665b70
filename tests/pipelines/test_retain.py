"""The nightly expiry as people meet it: in Dagster with what it deleted, and on the command line."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from pipelines.commands import policy as policy_command
from pipelines.orchestration import retain
from tests.pipelines.gateway_log import line, one, put, take_in
from tests.templates import Templates
from warehouse import database
from warehouse.home import Home


@pytest.fixture
def old(home: Home, templates: Templates, master_key: str) -> Home:
    """A home with a call of 100 days ago and one of now."""
    assert master_key

    def old(home: Home) -> None:
        now = datetime.now(UTC)
        put(home, "a.jsonl", [line(request_id="old", ts=(now - timedelta(days=100)).isoformat(), ip="203.0.113.4")])
        put(home, "b.jsonl", [line(request_id="new", ts=(now - timedelta(minutes=5)).isoformat(), ip="203.0.113.4")])
        take_in(home, now.replace(tzinfo=None))

    return templates.once(home, old)


def _policy(home: Home, *command: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["policy", *command, "--home", str(home.root)])
    return done.exit_code, done.output


@pytest.mark.clause("VA-6.1")
def test_the_asset_says_what_it_deleted_under_which_clause(old: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows by clause in the run's metadata; afterwards nothing is overdue."""
    monkeypatch.setattr(retain, "HOME", old)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([retain.expired], instance=instance)
        (event,) = result.asset_materializations_for_node("retention__expired")
    counted = {name: value.value for name, value in event.metadata.items() if name.startswith("deleted/")}
    assert counted == {
        "deleted/R-raw": 1,
        "deleted/R-client": 1,
        "deleted/R-requests": 1,
        "deleted/R-receipt-days": 1,
    }
    assert "Single calls and their tags" in str(event.metadata["deleted"].value)
    assert one(old, "SELECT count(*) FROM model.requests") == 1
    assert one(old, "SELECT sum(requests) FROM model.usage_daily") == 2
    assert _policy(old, "verify")[0] == 0


def test_the_command_line_plans_and_verifies(old: Home) -> None:
    """The plan names clause and place and changes nothing; verify ends with 1 until the expiry has run."""
    code, said = _policy(old, "plan")
    assert code == 0
    assert "R-raw" in said
    assert "raw_gateway_jsonl.calls" in said
    day = datetime.now(UTC).date() - timedelta(days=100)
    assert f"R-client                    1  control.client, of {day}\n" in said
    assert "IP address and user agent, sealed, kept 30 days" in said
    code, said = _policy(old, "verify")
    assert code == 1
    assert "overdue under R-raw: raw_gateway_jsonl.calls" in said
    code, said = _policy(old, "expire")
    assert code == 0, said
    assert "R-requests" in said
    assert "is published" in said
    assert _policy(old, "plan")[1] == "Nothing goes tonight\n"
    assert _policy(old, "verify")[0] == 0
    (old.root / "backup").mkdir()
    code, said = _policy(old, "verify")
    assert code == 1
    assert "no clause holds backup: add it to retention/policy.toml" in said


@pytest.mark.clause("VA-6.1")
def test_a_file_that_a_missed_night_left_is_told(old: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused log a day longer than its week, with its clause and the next step."""
    assert _policy(old, "expire")[0] == 0
    (old.inbox / "gateway_jsonl" / "x.jsonl.refused").touch()
    for days, code in ((7, 0), (9, 1)):
        later = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=days)
        monkeypatch.setattr(policy_command, "_now", lambda later=later: later)
        assert ("overdue under S-set-aside: inbox/gateway_jsonl/x.jsonl.refused" in _policy(old, "verify")[1]) == code


def test_a_plan_changes_nothing(old: Home) -> None:
    """Rows, receipts and version are what they were."""
    before = database.current_version(old), one(old, "SELECT count(*) FROM model.requests")
    _policy(old, "plan")
    with database.control(old) as control:
        assert control.execute("SELECT count(*) FROM expiry").fetchone() == (0,)
        assert control.execute("SELECT count(*) FROM client").fetchone() == (2,)
    assert (database.current_version(old), one(old, "SELECT count(*) FROM model.requests")) == before
