"""`apiledger account`: links that are good once, labels that belong to one account, and who looked into it."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from pipelines.commands.account import account
from warehouse import database
from warehouse.control import claim, claim_rule, password, ticket
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

EMAIL = "ada@team.example"


def now() -> datetime:
    """The moment as the store keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def ask(home: Home, *words: str) -> Result:
    """Run a command of the group in a home."""
    return CliRunner().invoke(account, [*words, "--home", str(home.root)])


@pytest.fixture
def filled(home: Home, master_key: str) -> Home:
    """A home with one person's account."""
    assert master_key
    with database.control(home) as control:
        members.sign_up(control, Vault(control, now()), EMAIL, password.hashed("canary horses staple"), now())
    return home


def test_the_link_signs_the_operator_in_once(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two links, one operator; its address is the one that was set, never one of a request."""
    told = [ask(filled, "link").output.strip() for _ in range(2)]
    assert all(line.startswith("http://127.0.0.1:8501/link#") for line in told)
    with database.control(filled) as control:
        sent = told[0].partition("#")[2]
        first = ticket.use(control, "link", sent, now())
        assert first
        assert ticket.use(control, "link", sent, now()) is None
        assert [is_operator for _, is_operator in members.accounts(control)] == [False, True]
        assert first.member_no == members.operator(control, Vault(control, now()), now()).member_no
    monkeypatch.setenv("APILEDGER_PUBLIC_URL", "https://costs.team.example/")
    assert ask(filled, "link").output.startswith("https://costs.team.example/link#")


def test_a_label_belongs_to_one_account_at_a_time(filled: Home) -> None:
    """Claimed, listed, refused to another, ended; the past of a claim stays."""
    assert "belongs to account" in ask(filled, "claim", EMAIL, "Acme", "Beta").output
    listed = ask(filled, "list").output
    assert "a…@team.example" in listed
    assert EMAIL not in listed
    assert "Acme, Beta" in listed
    ask(filled, "link")
    with database.control(filled) as control:
        (operator,) = [number for number, is_operator in members.accounts(control) if is_operator]
    refused = ask(filled, "claim", str(operator), "Acme")
    assert isinstance(refused.exception, members.MemberError)
    assert ask(filled, "unclaim", "Acme").exit_code == 0
    assert ask(filled, "unclaim", "Acme").exit_code == 1
    assert ask(filled, "claim", str(operator), "Acme").exit_code == 0
    with database.control(filled) as control:
        assert control.execute("SELECT count(*) FROM claim").fetchone() == (3,)
        assert claim.labels_of(control, operator) == ("Acme",)
    assert ask(filled, "claim", "12345", "Acme").exit_code == 1
    assert ask(filled, "claim", "nobody@team.example", "Acme").exit_code == 1


def test_a_rule_claims_what_comes_up_and_no_ones_decision_is_undone(filled: Home) -> None:
    """The most particular rule wins; what a person took away stays away, what no rule fits is the operator's alone."""
    ask(filled, "link")
    with database.control(filled) as control:
        (operator,) = [number for number, is_operator in members.accounts(control) if is_operator]
        ada = next(number for number, is_operator in members.accounts(control) if not is_operator)
    assert "acme-*" in ask(filled, "claim", EMAIL, "acme-*").output
    assert ask(filled, "claim", str(operator), "acme-lab*").exit_code == 0
    assert ask(filled, "claim", str(operator), "acme-*").exit_code == 1
    assert ask(filled, "claim", EMAIL, "*").exit_code == 1
    assert "acme-*" in ask(filled, "list").output
    with database.control(filled) as control:
        ids = OutsideIds(control, Vault(control, now()), now())
        ids.accounts("litellm", ["acme-web", "acme-lab-1", "Acme", "other", ""])
        assert claim_rule.follow(control, now()) == {"acme-web": ada, "acme-lab-1": operator}
        assert claim.labels_of(control, ada) == ("acme-web",)
    assert ask(filled, "unclaim", "acme-web").exit_code == 0
    assert ask(filled, "unclaimed").output.split() == ["Acme", "acme-web", "other"]
    assert ask(filled, "unclaim", "acme-lab*").exit_code == 0
    with database.control(filled) as control:
        OutsideIds(control, Vault(control, now()), now()).accounts("litellm", ["acme-lab-2"])
        assert claim_rule.follow(control, now()) == {"acme-lab-2": ada}


def test_a_reset_and_an_invitation_are_printed(filled: Home) -> None:
    """For an address that has an account, and for one that gets one; the address is nowhere in clear."""
    assert "/reset#" in ask(filled, "reset", EMAIL).output
    assert ask(filled, "reset", "nobody@team.example").exit_code == 1
    told = ask(filled, "invite", "vi@team.example", "--project", "web", "--account", EMAIL).output
    assert "/invitation#" in told
    assert ask(filled, "invite", "a@b.example, c@d.example").exit_code == 1
    assert ask(filled, "invite", "vi@team.example", "--role", "owner", "--project", "web").exit_code == 1
    with database.control(filled) as control:
        found = ticket.find(control, "invitation", told.strip().partition("#")[2], now())
        assert found
        assert (found.role, found.projects) == ("viewer", ("web",))
        assert found.email(Vault(control, now())) == "vi@team.example"
    stored = b"".join(path.read_bytes() for path in filled.root.glob("control*"))
    assert b"canary" not in stored
    assert b"team.example" not in stored


@pytest.mark.clause("AL-2.5")
@pytest.mark.clause("AL-5.5")
def test_openings_are_told(filled: Home) -> None:
    """When, which member, and the reason."""
    with database.control(filled) as control:
        vault = Vault(control, now())
        operator = members.operator(control, vault, now())
        (number,) = [number for number, is_operator in members.accounts(control) if not is_operator]
        session = sessions.lookup(sessions.begin(control, operator.member_no, sessions.BY_LINK, now()))
        claim.open_account(control, vault, session, operator.member_no, number, "Ticket 17: a wrong total", now())
    told = ask(filled, "openings", EMAIL).output
    assert "still UTC" in told
    assert "Ticket 17" in told
