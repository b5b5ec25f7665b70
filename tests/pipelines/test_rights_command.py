"""`apiledger rights`: a list with due days, what is carried out at once, and a bundle that another home takes in."""

import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import cli
from pipelines.commands import rights_overdue
from tests.retention.erased_world import NOW, Canary, lived
from tests.templates import Templates
from warehouse import database
from warehouse.control import claim, credential, objection, restriction, right
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

ANNE, BELA = Canary(1), Canary(2)


@pytest.fixture
def filled(home: Home, templates: Templates, master_key: str) -> Home:
    """A home with two accounts of a log."""
    assert master_key

    def filled(home: Home) -> None:
        lived(home, [ANNE, BELA])

    return templates.once(home, filled)


def _run(home: Home, *words: str) -> Result:
    return CliRunner().invoke(cli, ["rights", *words, "--home", str(home.root)])


@pytest.mark.clause("VA-8.6")
@pytest.mark.parametrize(
    ("asked", "due"),
    [
        (date(2026, 11, 22), date(2026, 12, 22)),
        (date(2026, 12, 31), date(2027, 1, 31)),
        (date(2027, 1, 31), date(2027, 2, 28)),
        (date(2028, 1, 30), date(2028, 2, 29)),
    ],
)
def test_an_answer_is_due_within_a_month(asked: date, due: date) -> None:
    """On the same day of the next month, or its last one."""
    assert right.due(asked) == due


@pytest.mark.clause("VA-8.6")
def test_requests_are_listed_until_they_are_answered(filled: Home) -> None:
    """With number, kind and due day; what was asked is sealed; a refusal says why, and nothing is answered twice."""
    asked = _run(filled, "ask", ANNE.account, "rectification", "--note", "my words canary")
    assert asked.exit_code == 0, asked.output
    listed = _run(filled, "list").output
    assert "rectification" in listed
    assert "my words canary" in listed
    assert b"my words canary" not in filled.control_file.read_bytes()
    assert _run(filled, "done", "1", "--answer", "it is right now").output == "Request 1 is done\n"
    assert _run(filled, "list").output == "Nobody waits for an answer\n"
    assert "it is right now" in _run(filled, "list", "--all").output
    assert _run(filled, "refuse", "1", "--reason", "no").exit_code == 1
    assert _run(filled, "ask", "nobody", "access").exit_code == 1


@pytest.mark.clause("VA-8.6")
def test_the_doctor_says_what_is_overdue(home: Home, master_key: str) -> None:
    """A warning in the last week, wrong the day after; nothing before, and nothing once it is answered."""
    assert master_key
    asked = datetime(2026, 11, 22, 12)  # noqa: DTZ001 (naive moments are UTC here)
    with database.control(home) as control:
        vault = Vault(control, asked)
        right.ask(control, vault, 1, "erasure", "secret canary", asked)

        def said(days: int) -> list[tuple[bool, bool]]:
            now = asked.replace(tzinfo=UTC) + timedelta(days=days)
            found = list(rights_overdue.findings(home, now))
            assert "canary" not in str(found)
            return [(each.warning, "was due on 2026-12-22" in each.what) for each in found]

        assert [said(days) for days in (0, 22, 23, 30, 31)] == [
            [],
            [],
            [(True, False)],
            [(True, False)],
            [(False, True)],
        ]
        right.end(control, vault, 1, "done", "", asked)
        assert said(31) == []


@pytest.mark.clause("AL-8.1")
@pytest.mark.clause("VA-8.5")
def test_a_bundle_is_exported_and_imported(filled: Home, tmp_path: Path) -> None:
    """The request is written down as answered; the totals of the new home are printed, and a used one is refused.

    A provider's key stays behind: its connection is there and waits for one.
    """
    with database.control(filled) as control:
        vault = Vault(control, NOW)
        members.sign_up(control, vault, "anne@team.example", "no hash", NOW)
        found = members.find(control, vault, "anne@team.example")
        assert found
        claim.put(control, ANNE.account, found[0].account_no, NOW)
        credential.add(control, vault, found[0].account_no, "openai", "main", "sk-admin-canary-0123456789", NOW)
    made = _run(filled, "export", ANNE.account)
    assert made.exit_code == 0, made.output
    bundle = filled.exports / "rights-1.zip"
    assert str(bundle) in made.output
    assert "access" in _run(filled, "list", "--all").output
    fresh = Home(tmp_path / "fresh")
    taken = _run(fresh, "import", str(bundle))
    assert taken.exit_code == 0, taken.output
    assert "The totals are those of the bundle" in taken.output
    with database.control(fresh) as control:
        query = "SELECT label, state, sealed_key, sealed_data_key, hint FROM credential"
        assert control.execute(query).fetchall() == [("main", "removed", None, None, None)]
    assert _run(filled, "import", str(bundle)).exit_code == 1


@pytest.mark.clause("VA-8.4")
def test_restriction_and_objection_are_one_command_each(filled: Home) -> None:
    """Written down with their dates as requests that were answered at once; lifting and taking back end them."""
    assert _run(filled, "restrict", ANNE.account).exit_code == 0
    assert _run(filled, "object", BELA.account, "alerts").exit_code == 0
    with database.control(filled) as control:
        assert restriction.labels(control) == (ANNE.account,)
        assert len(objection.numbers(control, "alerts")) == 1
    assert _run(filled, "lift", ANNE.account).output.endswith("is restricted no more\n")
    assert _run(filled, "object", BELA.account, "alerts", "--take-back").exit_code == 0
    assert _run(filled, "rectify", BELA.account, "team", BELA.word("team"), "blue").exit_code == 0
    with database.control(filled) as control:
        assert restriction.numbers(control) == set()
        assert objection.numbers(control, "alerts") == set()
        kinds = [(one.kind, one.state) for one in right.listed(control, Vault(control, NOW), ended=True)]
    assert sorted(kinds) == [("objection", "done"), ("rectification", "done"), ("restriction", "done")]


@pytest.mark.clause("AL-8.1")
def test_a_copy_is_made_of_one_person(filled: Home) -> None:
    """Of a user by the id of the log, of a member by number; that somebody is not there is told."""
    user = f"{ANNE.word('user')}@example.org"
    told = _run(filled, "copy", "user", user, "--account", ANNE.account)
    assert "Request 1:" in told.output, told.exception
    with zipfile.ZipFile(filled.exports / "rights-1.zip") as archive:
        text = b"".join(archive.read(name) for name in archive.namelist() if name.startswith("json/"))
    assert user.encode() in text
    assert b"zq002" not in text
    assert "is called so here" in str(_run(filled, "copy", "end-user", user).exception)
    with database.control(filled) as control:
        operator = members.operator(control, Vault(control, NOW), NOW)
    assert "Request 2:" in _run(filled, "copy", "member", str(operator.member_no)).output
    assert "nobody is called so" in str(_run(filled, "copy", "member", "nobody@team.example").exception)
