"""`apiledger policy`: verify, audit and report, over one home that has worked."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from pipelines.cli import cli
from pipelines.orchestration import audit_asset
from retention import edition, policy
from tests.pipelines.gateway_log import NOW, line, put, take_in
from warehouse import database
from warehouse.control import audit, self_audit
from warehouse.home import Home

OWN = '[kept_days]\nR-client = 14\n\n[installation]\ncontroller = "Acme GmbH"\nregion = "EU, Frankfurt"\n'


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("made") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        put(home, "a.jsonl", [line(request_id=f"{n}", ip="203.0.113.5") for n in "ab"])
        take_in(home)
    return home


@pytest.fixture
def lived(_made: Home, tmp_path: Path, master_key: str) -> Home:
    """A copy of a home with two calls."""
    assert master_key
    shutil.copytree(_made.root, tmp_path / "own", symlinks=True)
    return Home(tmp_path / "own")


def _run(home: Home, *words: str) -> Result:
    return CliRunner().invoke(cli, ["policy", *words, "--home", str(home.root)])


def test_verify_says_what_is_not_kept_yet_and_finds_nothing_wrong(lived: Home) -> None:
    """Each promise that is not kept stands there with its reason, and does not make the home wrong."""
    done = _run(lived, "verify")
    assert done.exit_code == 0, done.output
    _, promised = edition.in_force(lived)
    for promise in promised:
        assert (f"not kept yet  {promise.id:<8} {promise.lacks}" in done.output) is not promise.kept


@pytest.mark.clause("AL-5.3")
@pytest.mark.clause("AL-5.5")
def test_an_audit_finds_and_keeps_what_is_wrong(lived: Home) -> None:
    """What is wrong is said by check; its count is kept, with the act that vouches for it; verify finds it, too."""
    with database.control(lived) as control:
        control.execute(
            """INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at)
               VALUES (5, 'openai', 'openai', 1, 1, '2026-11-21T00:00:00.000000Z')"""
        )
    assert _run(lived, "audit").exit_code == 0
    with database.control(lived) as control:
        control.execute("UPDATE client SET sealed_ip = '203.0.113.5'")
        control.execute("UPDATE connection SET used_since = '2025-01-01T00:00:00.000000Z'")
        control.execute("UPDATE audit SET at = '2026-01-01T00:00:00.000000Z'")
    with database.build(lived) as build:
        build.execute("UPDATE model.usage_daily SET requests = requests + 1, account_no = account_no + 1")
    lived.build_lock.chmod(0o644)
    done = _run(lived, "audit")
    assert done.exit_code == 1
    for said in (
        "client.sealed_ip: 1 rows are not sealed",
        "the key of openai has been the same for",
        "act 1 was changed, or one before it",
        f"others may look into {lived.build_lock}",
        "model.usage_monthly 2026-11 differs in requests",
        "model.usage_daily has 1 keys under an account that is not theirs",
    ):
        assert said in done.output
    assert _run(lived, "verify").exit_code == 1
    with database.control(lived) as control:
        newest = audit.last(control, "selfaudit.run")
        assert newest
        found = {one.name: (one.wrong, one.audit_no) for one in self_audit.newest(control).values()}
    assert found["sealed"] == (1, newest.audit_no)
    assert found["inventory"] == (0, newest.audit_no)
    told = _run(lived, "verify", "--promises").output
    with database.control(lived) as control:
        receipt = f"act {newest.audit_no} {audit.chain_of(control, newest.audit_no)}"
    assert re.search(rf"AL-5\.2   sealed     {newest.at:%Y-%m-%d %H:%M}  1 wrong  {receipt}", told)
    assert re.search(r"AL-6\.1   tests      -                 1 file of tests", told)


@pytest.mark.clause("AL-5.3")
@pytest.mark.clause("VA-5.2")
def test_an_audit_finds_an_address_that_nobody_expects(lived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that is asked elsewhere is found, until the owner names that host."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-x")
    assert _run(lived, "audit").exit_code == 0
    monkeypatch.setenv("APILEDGER_OPENAI_API", "https://proxy.example/v1")
    assert "OpenAI is asked at proxy.example: name that host" in _run(lived, "audit").output
    (lived.root / "policy.toml").write_text('[installation]\nhosts = ["proxy.example"]\n')
    (lived.root / "policy.toml").chmod(0o600)
    assert _run(lived, "audit").exit_code == 0
    monkeypatch.setenv("APILEDGER_OPENAI_API", "http://proxy.example/v1")
    assert "not asked over an encrypted connection" in _run(lived, "audit").output


@pytest.mark.clause("AL-5.3")
def test_an_audit_that_is_missing_for_long_is_said(lived: Home) -> None:
    """Eight days after the last one, verify ends with 1."""
    with database.control(lived) as control:
        control.execute("INSERT INTO self_audit VALUES ('2026-01-01T00:00:00.000000Z', 'modes', 0, 1)")
    done = _run(lived, "verify")
    assert done.exit_code == 1
    assert "no self-audit since 2026-01-01" in done.output


@pytest.mark.clause("AL-5.3")
def test_a_changed_policy_is_written_down_once(lived: Home) -> None:
    """Its hash, and nothing of what it says."""

    def changes() -> int:
        with database.control(lived) as control:
            ((count,),) = control.execute("SELECT count(*) FROM audit WHERE act = 'policy.changed'").fetchall()
        return int(count)

    assert _run(lived, "audit").exit_code == 0
    assert changes() == 1
    with database.control(lived) as control:
        edition.note(control, lived, NOW.replace(tzinfo=None))
    assert changes() == 1
    (lived.root / "policy.toml").write_text(OWN)
    with database.control(lived) as control:
        edition.note(control, lived, NOW.replace(tzinfo=None))
    assert changes() == 2
    assert "sha256=" in _run(lived, "acts", "--since", "2026-01-01").output


@pytest.mark.clause("AL-5.3")
def test_a_tail_that_was_cut_is_told_by_the_published_version(lived: Home) -> None:
    """Whoever takes the newest acts, and the store's own count with them, meets what the version says."""
    with database.control(lived) as control:
        audit.note(control, "account.made", NOW.replace(tzinfo=None))
    put(lived, "b.jsonl", [line(request_id="c")])
    take_in(lived)
    assert _run(lived, "verify").exit_code == 0
    with database.control(lived) as control:
        control.execute("DELETE FROM audit")
        control.execute("DELETE FROM sqlite_sequence WHERE name = 'audit'")
    done = _run(lived, "verify")
    assert done.exit_code == 1
    assert "tells of act 1, which is gone: the end was cut off" in done.output
    # Whoever did so with a snapshot of the disk says it, and it stands there from then on.
    assert "Said in the chain and outside; 1 anchors" in _run(lived, "restored", "--yes").output
    done = _run(lived, "verify")
    told = done.output
    assert done.exit_code == 0, told
    assert re.search(r"act 1  \S+ \S+  an older home was put in this one's place  from=elsewhere", told)
    assert re.search(r"act 1 is anchored outside the home, \d{4}-\d\d-\d\dT\d\d:\d\d, [0-9a-f]{64}", told)


@pytest.mark.clause("AL-5.3")
def test_once_a_week_dagster_audits_the_home(lived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is due where none was made, keeps its result, and is due again a week later, not before."""
    monkeypatch.setattr(audit_asset, "HOME", lived)
    now = datetime.now(UTC).replace(tzinfo=None)
    assert audit_asset.is_due(lived, now)
    with dg.DagsterInstance.ephemeral() as instance:
        made = dg.materialize(audit_asset.ASSETS, instance=instance)
    (told,) = made.asset_materializations_for_node("retention__self_audit")
    assert told.metadata["wrong"].value == 0
    assert told.metadata["audit"].value == 0
    assert not audit_asset.is_due(lived, now + timedelta(days=6))
    assert audit_asset.is_due(lived, now + timedelta(days=7, hours=-1, minutes=1))


@pytest.mark.clause("AL-10.1")
@pytest.mark.clause("VA-9.1")
def test_the_report_tells_all_there_is_and_is_the_same_twice(lived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers, the region, each processor, each clause and each promise with its last result and receipt."""
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", "sk-ant-admin-x")
    monkeypatch.setenv("APILEDGER_SMTP", "smtp://a%40team.example:canary-5e@mail.example")
    unsaid = _run(lived, "report").output
    assert "| Controller | not said: set it under [installation]" in unsaid
    (lived.root / "policy.toml").write_text(OWN)
    (lived.root / "policy.toml").chmod(0o600)
    assert _run(lived, "audit").exit_code == 0
    first, second = (_run(lived, "report", "--format", "json") for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    said = json.loads(first.output)
    assert said["installation"] == {"contact": None, "controller": "Acme GmbH", "region": "EU, Frankfurt"}
    assert [(one["name"], one["host"]) for one in said["processors"]] == [
        ("Anthropic", "api.anthropic.com"),
        ("Mail server", "mail.example"),
    ]
    held = policy.load(lived.root / "policy.toml")
    assert [one["clause"] for one in said["schedule"]] == [clause.id for clause in held.clauses]
    assert {one["clause"]: one["kept"] for one in said["record_of_processing"]}["R-client"] == "14 days, then deleted"
    (shown,) = [one for one in said["promises"] if one["id"] == "AL-5.2"]
    with database.control(lived) as control:
        newest = audit.last(control, "selfaudit.run")
        assert newest
        receipt = {"kind": "act", "number": newest.audit_no, "sha256": audit.chain_of(control, newest.audit_no)}
    assert [(one["check"], one["wrong"], one["receipt"]) for one in shown["checks"]] == [
        ("sealed", 0, receipt),
        ("key_age", 0, receipt),
        ("erasure", None, None),
    ]
    told = _run(lived, "report").output
    assert all(f"| {promise['id']} |" in told for promise in said["promises"])
    assert "canary-5e" not in told + first.output
    assert "sk-ant" not in told + first.output
