"""`apiledger token`: made, listed and revoked at a terminal; nobody else's figures are to be had by it."""

import re

from click.testing import CliRunner, Result

from pipelines.commands.token import token
from tests.dashboards.people_site import EMAIL, HASH, now
from warehouse import database
from warehouse.control import member as members
from warehouse.control import token as tokens
from warehouse.control.vault import Vault
from warehouse.home import Home


def ask(home: Home, *words: str) -> Result:
    """Run a command of the group in a home."""
    return CliRunner().invoke(token, [*words, "--home", str(home.root)])


def test_a_token_is_printed_once_listed_and_revoked(home: Home, master_key: str) -> None:
    """Its line has no more than its first letters; revoked it is gone, and a second time there is none."""
    assert master_key
    assert "There is no token" in ask(home, "list").output
    made = ask(home, "add", "prometheus", "--days", "30")
    secret = made.output.strip()
    assert re.fullmatch(r"aplg_[\w-]{43}", secret)
    listed = ask(home, "list").output
    assert secret[:9] in listed
    assert secret[:10] not in listed
    assert "prometheus" in listed
    with database.control(home) as control:
        found = tokens.of_secret(control, Vault(control, now()), secret, "127.0.0.1", now())
        assert found == members.operator(control, Vault(control, now()), now())
    assert "last used" in ask(home, "list").output
    assert ask(home, "revoke", "1").exit_code == 0
    assert ask(home, "revoke", "1").exit_code == 1
    assert ask(home, "add", " ").exit_code == 1


def test_no_token_of_another_account_is_made(home: Home, master_key: str) -> None:
    """Theirs they make themselves; the list shows it without its name, and revokes it."""
    assert master_key
    with database.control(home) as control:
        vault = Vault(control, now())
        members.sign_up(control, vault, EMAIL, HASH, now())
        (ada, _) = members.find(control, vault, EMAIL) or (None, None)
        assert ada
        tokens.make(control, vault, ada, "ada's board", now(), None)
    refused = ask(home, "add", "mine", "--of", EMAIL)
    assert "others make theirs on the page Account" in str(refused.exception)
    assert "ada's board" not in ask(home, "list").output
    assert ask(home, "revoke", "1").exit_code == 0
