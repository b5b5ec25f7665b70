"""`apiledger budget`: what a person sets is what is told of, and each mistake has its sentence."""

import pytest
from click.testing import CliRunner, Result

from pipelines.alerts import budget_state, postman
from pipelines.alerts.mail_server import MailSettingError, NotSentError
from pipelines.cli import cli
from pipelines.commands import doctor
from pipelines.errors import PipelineError
from pipelines.orchestration import alert
from tests.pipelines.mail_trap import Trap
from tests.pipelines.spend_version import known, publish
from warehouse.errors import WarehouseError
from warehouse.home import Home


@pytest.fixture
def spent(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose two projects spent 85 USD each this month, and no mail server."""
    assert master_key
    monkeypatch.delenv("APILEDGER_SMTP", raising=False)
    now = alert._now()
    known(home, now, "web", "search")
    publish(home, {(now.date(), "web"): "85", (now.date(), "search"): "85"}, unpriced=3)
    return home


def apiledger(home: Home, *arguments: str, typed: str | None = None) -> Result:
    """Run a command on this home."""
    return CliRunner().invoke(cli, [*arguments, "--home", str(home.root)], input=typed)


def said(home: Home, *arguments: str, typed: str | None = None) -> str:
    """What a command that succeeds says."""
    result = apiledger(home, *arguments, typed=typed)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_a_budget_is_set_listed_changed_and_removed(spent: Home) -> None:
    """The address is shown so that only its owner knows it."""
    setting = ("budget", "set", "--project", "web", "--mail", "costs@team.example")
    assert said(spent, "budget", "list") == "No budget is set; `apiledger budget set` sets one\n"
    assert said(spent, *setting, "--monthly", "500") == (
        "web: $500.00 a month, a mail to c…@team.example at 50 %, 80 %, 100 %\n"
    )
    said(spent, *setting, "--monthly", "$100", "--thresholds", "75")
    month = f"{alert._now():%B}"
    assert said(spent, "budget", "list") == (
        f"web of acme  at least $85.00 of $100.00 in {month}; 3 calls without a known price are not in it; "
        "75 % to c…@team.example\n"
    )
    assert said(spent, "budget", "remove", "--project", "web") == "web has no budget any more\n"
    missing = apiledger(spent, "budget", "remove", "--project", "web").exception
    assert isinstance(missing, PipelineError)
    assert "web has no budget" in str(missing)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--project", "nobody", "--monthly", "5", "--mail", "a@b.example"), "known are: search, web"),
        (("--project", "web", "--monthly", "0", "--mail", "a@b.example"), "above 0"),
        (("--project", "web", "--monthly", "5", "--mail", "a@b.example,c@d.example"), "not one e-mail address"),
        (("--monthly", "5", "--mail", "a@b.example", "--thresholds", "many"), "whole percents"),
    ],
)
def test_a_mistake_has_its_sentence(spent: Home, arguments: tuple[str, ...], words: str) -> None:
    """What is wrong is named, and nothing is set."""
    error = apiledger(spent, "budget", "set", *arguments).exception
    assert isinstance(error, (WarehouseError, PipelineError))
    assert words in str(error)
    assert "No budget is set" in said(spent, "budget", "list")


def test_the_mail_server_is_typed_unseen_and_tried(spent: Home) -> None:
    """A test mail goes out, says that it is one, and leaves no trace in the outbox."""
    trap = Trap()
    with pytest.raises(PipelineError, match="no mail server is named"):
        raise apiledger(spent, "budget", "test", "--mail", "a@b.example").exception or AssertionError
    with trap.up() as address:
        typed = f"smtp://{address}&tls=none"
        shown = said(spent, "budget", "server", typed=f"{typed}\n")
        assert shown == (
            f"Address of the mail server: \nMails go through 127.0.0.1:{trap.port}; `apiledger budget test` sends one\n"
        )
        assert said(spent, "budget", "test", "--mail", "a@b.example") == "127.0.0.1 took a mail to a…@b.example\n"
    (mail,) = trap.mails
    assert str(mail["Subject"]).startswith("[test] example: 80 % of $500.00")
    with pytest.raises(NotSentError, match="does not answer"):
        raise apiledger(spent, "budget", "test", "--mail", "a@b.example").exception or AssertionError
    with pytest.raises(MailSettingError):
        raise apiledger(spent, "budget", "server", typed="nonsense\n").exception or AssertionError
    assert not list(postman.told(spent))


def test_doctor_and_status_say_what_was_not_sent(spent: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server, a server that is down, a mail that was refused: each with its next step, then nothing."""

    def found() -> list[tuple[str, bool]]:
        return [
            (one.what, one.warning) for one in doctor.findings(spent, alert._now().astimezone()) if "mail" in one.what
        ]

    assert found() == []
    said(spent, "budget", "set", "--project", "web", "--monthly", "100", "--mail", "a@b.example")
    assert found() == [("there are mails to send and no mail server is set, so nobody is told", False)]
    trap = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{trap.port}?from=f@c.example")
    assert found() == []
    assert budget_state.evaluate(spent, alert._now()) == 1
    postman.deliver(spent, alert._now)
    assert found() == [("1 mails wait: the mail server does not answer", True)]
    assert "Mail           1 waiting (the mail server does not answer)" in said(spent, "status")
    trap.answer = lambda: "550 no"
    assert said(spent, "budget", "retry") == "1 mails are tried again\n"
    with trap.up():
        postman.deliver(spent, alert._now)
    assert found() == [("1 mails were given up: the mail server answered 550 to the mail", False)]
    monkeypatch.setenv("APILEDGER_SMTP", "smtp://192.0.2.1?tls=none&from=f@c.example")
    assert next(what for what, _ in found()).startswith("mail to 192.0.2.1 would go in the clear")
