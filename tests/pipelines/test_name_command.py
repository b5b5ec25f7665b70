"""`apiledger name`: names, owners and tags from a date on, seen after a pass, gone with their account."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from retention import hunter, policy
from tests.pipelines.gateway_log import line, put, query, take_in
from tests.retention.erased_world import erased
from warehouse import database
from warehouse.control import naming
from warehouse.errors import WarehouseError
from warehouse.home import Home

_NAMED = """SELECT kind, account, label, name, owner, tags, valid_from::DATE::VARCHAR, valid_to::DATE::VARCHAR
            FROM mart.name_history WHERE told_by = 'people' ORDER BY valid_from"""


def _said(home: Home, *words: str) -> str:
    found = CliRunner().invoke(cli, ["name", *words, "--home", str(home.root)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture
def logged(home: Home, master_key: str) -> Home:
    """A home with a key of the same name in two accounts, and one that was rotated under its name."""
    assert master_key
    named = {"model": "gpt-4o", "key_id": "prod"}
    calls = [
        line(request_id="1", account_id="acme", project="web", **named),
        line(request_id="2", account_id="beta", **named),
    ]
    put(home, "a.jsonl", calls)
    take_in(home)
    return home


def test_names_have_their_dates_and_are_seen_after_a_pass(logged: Home) -> None:
    """The next closes the one before; one from the same date or earlier takes its place."""
    _said(logged, "key", "prod", "--account", "acme", "--as", "Shop", "--from", "2026-10-01")
    words = ("--as", "Checkout", "--owner", "payments", "--tag", "eu", "--tag", "prod", "--from", "2026-11-01")
    _said(logged, "key", "prod", "--account", "acme", *words)
    take_in(logged)
    wanted = [
        ("key", "acme", "prod", "Shop", None, None, "2026-10-01", "2026-11-01"),
        ("key", "acme", "prod", "Checkout", "payments", "eu, prod", "2026-11-01", None),
    ]
    assert query(logged, _NAMED) == wanted
    assert "from 2026-10-01 to 2026-11-01  Shop" in _said(logged, "key", "prod", "--account", "acme")
    _said(logged, "key", "prod", "--account", "acme", "--owner", "platform", "--from", "2026-09-01")
    take_in(logged)
    assert query(logged, _NAMED) == [("key", "acme", "prod", None, "platform", None, "2026-09-01", None)]
    assert take_in(logged).version is None


def test_what_is_no_label_or_not_told_apart_is_refused(logged: Home) -> None:
    """An address is no owner; two accounts' keys of one name are asked about; what no log named has no name."""
    for words, said in (
        (("key", "prod", "--owner", "ada@team.example", "--account", "acme"), "letters"),
        (("key", "prod", "--owner", "ada"), "--account"),
        (("project", "nowhere", "--as", "x"), "no log has named"),
    ):
        with pytest.raises(WarehouseError, match=said):
            CliRunner().invoke(cli, ["name", *words, "--home", str(logged.root)], catch_exceptions=False)


@pytest.mark.clause("AL-4.2")
def test_names_go_with_their_account(logged: Home) -> None:
    """Erasing acme leaves none of its names, and every column has a clause."""
    _said(logged, "key", "prod", "--account", "acme", "--as", "zqcheckout", "--owner", "zqpayments")
    _said(logged, "key", "prod", "--account", "beta", "--as", "kept")
    take_in(logged)
    assert hunter.offences(logged, policy.load()) == []
    erased(logged, "account", "acme", now=datetime.now(UTC).replace(tzinfo=None))
    with database.control(logged) as control:
        assert [row[3] for row in naming.rows(control)] == ["kept"]
    take_in(logged)
    assert [row[3] for row in query(logged, _NAMED)] == ["kept"]
    for path in logged.root.rglob("*"):
        if path.is_file():
            assert b"zqcheckout" not in path.read_bytes()
