"""`apiledger erase`: what it says before, what it does, and the bills of somebody else that keep their total."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import cli
from retention import erase
from tests.pipelines.billed_world import LATER, world
from tests.pipelines.gateway_log import query
from tests.retention.erased_world import Canary, lived
from tests.retention.people_world import moved_in
from warehouse import database
from warehouse.control import audit
from warehouse.home import Home

_ANNE, _BELA = Canary(1), Canary(2)


def _run(home: Home, *words: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, ["erase", *words, "--home", str(home.root)], input=answer)


def _accounts(home: Home) -> list[str]:
    return [name for (name,) in query(home, "SELECT DISTINCT account FROM mart.spend_daily ORDER BY 1")]


def test_a_dry_run_and_a_no_change_nothing(home: Home, master_key: str) -> None:
    """Both say what would go; figures are read on."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    dry = _run(home, "account", _ANNE.account, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "6  model.requests" in dry.output
    assert _run(home, "account", _ANNE.account, answer="n\n").exit_code == 1
    assert _accounts(home) == [_ANNE.account, _BELA.account]


@pytest.mark.clause("AL-8.3")
@pytest.mark.clause("VA-8.3")
def test_one_command_erases_and_leaves_a_receipt(home: Home, master_key: str) -> None:
    """Two accounts at once, one version; what is beyond reach is said, and the receipts are printed as JSON lines."""
    assert master_key
    lived(home, [_ANNE, _BELA, Canary(3)])
    before = database.current_version(home) or 0
    done = _run(home, "account", _ANNE.account, _BELA.account, "--yes")
    assert done.exit_code == 0, done.output
    assert "the gateway's own database" in done.output
    assert database.current_version(home) == before + 1
    assert _accounts(home) == [Canary(3).account]
    assert (_ANNE.found(home), _BELA.found(home)) == ({}, {})
    lines = _run(home, "receipts").output.splitlines()
    assert [json.loads(line)["receipt"]["erasure_no"] for line in lines] == [1, 2]
    again = _run(home, "account", _ANNE.account, "--yes")
    assert again.exit_code == 1
    assert _run(home, "resume").output == "Nobody waits to be erased\n"


@pytest.mark.clause("AL-9.2")
def test_what_a_minor_left_is_erased_and_the_reason_written_down(home: Home, master_key: str) -> None:
    """The same road as any erasure, at once; the audit chain says why, and of whom nothing."""
    assert master_key
    assert erase.REASONS == ("request", "minor", "inactive")
    lived(home, [_ANNE, _BELA])
    done = _run(home, "account", _ANNE.account, "--reason", "minor", "--yes")
    assert done.exit_code == 0, done.output
    assert _ANNE.found(home) == {}
    with database.control(home) as control:
        begun = audit.last(control, "erasure.begun")
        assert (begun and begun.detail) == "reason=minor"
        assert (audit.last(control, "erasure.done") or begun) != begun
        assert audit.wrong(control, []) == []


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_bill_that_somebody_else_pays_keeps_its_total(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str
) -> None:
    """Its calls are in no mart; each day still adds up to the bill, and the comparison is made anew."""
    assert master_key
    with world(tmp_path, monkeypatch) as billed:
        for provider in ("openai", "anthropic"):
            billed.pull(provider)
        billed.take_in()
        home = billed.home
        paid = "WHERE provider IN ('openai', 'anthropic')"
        total = f"SELECT day, provider, sum(cost_usd) FROM mart.spend_daily {paid} GROUP BY ALL ORDER BY ALL"
        cause = "SELECT sum(amount_usd) FROM model.difference"
        logged = f"SELECT sum(list_cost_usd) FROM model.usage_daily {paid}"
        days, differs, ((whole,),) = billed.query(total), billed.query(cause), billed.query(logged)
        owner = "SELECT account_no FROM model.connection"
        ((name,),) = billed.query(
            f"""SELECT label FROM model.usage_daily JOIN model.account USING (account_no)
                WHERE account_no NOT IN ({owner}) AND label <> 'own' GROUP BY ALL ORDER BY count(*) DESC LIMIT 1"""
        )
        done = _run(home, "account", name, "--yes")
        assert done.exit_code == 0, done.output
        ((left,),) = billed.query(logged)
        assert left < whole
        assert billed.query(total) == days
        assert name not in [account for (account,) in billed.query("SELECT DISTINCT account FROM mart.spend_daily")]
        # What was logged and is not any more, the bill has more than the log.
        assert billed.query(cause)[0][0] - differs[0][0] == whole - left
        billed.take_in(LATER)
        assert billed.query(total) == days


@pytest.mark.clause("AL-8.3")
def test_a_member_is_erased_by_address(home: Home, master_key: str) -> None:
    """One address, no version withheld; the account by number next, with everything it holds."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    people = moved_in(home, _ANNE)
    assert _run(home, "member", people.first, "--dry-run").exit_code == 0
    assert people.member(home, people.first)
    done = _run(home, "member", people.first, "--yes")
    assert done.exit_code == 0, done.output
    assert people.first not in done.output
    assert people.member(home, people.first) is None
    assert _accounts(home) == [_ANNE.account, _BELA.account]
    last = _run(home, "member", people.second, "--yes")
    assert last.exit_code == 1
    assert "last owner" in last.output + str(last.exception)
    whole = _run(home, "account", str(people.account_no), answer="y\n")
    assert whole.exit_code == 0, whole.output
    assert _accounts(home) == [_BELA.account]
    assert _ANNE.found(home) == {}
