"""The postman: what is due goes out once, what the server does not take waits, and who is gone gets nothing."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from pipelines.alerts import budget_state, postman
from pipelines.alerts.mail_server import MailSettingError
from tests.pipelines.mail_trap import TAKEN, Trap
from tests.pipelines.spend_version import MAIL, known, limited, publish
from warehouse import database
from warehouse.control import budget as budgets
from warehouse.control import outbox
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (naive moments are UTC here)
DAY = date(2026, 11, 20)


def at(moment: datetime) -> Callable[[], datetime]:
    """A clock that stands."""
    return lambda: moment


@pytest.fixture
def crossed(home: Home, master_key: str) -> Home:
    """A home with three budgets, each crossed."""
    assert master_key
    names = ("web", "search", "batch")
    known(home, NOW, *names)
    for name in names:
        limited(home, NOW, name)
    publish(home, {(DAY, name): "85" for name in names})
    assert budget_state.evaluate(home, NOW) == 3
    return home


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Trap:
    """A mail server that is not up yet, named in the environment."""
    made = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{made.port}?from=apiledger@costs.example")
    return made


@pytest.mark.clause("AL-2.2")
def test_what_is_due_goes_out_once(crossed: Home, trap: Trap) -> None:
    """Three mails to the address; a second round has nothing to do."""
    with trap.up():
        assert postman.deliver(crossed, at(NOW)).sent == 3
        assert postman.deliver(crossed, at(NOW + timedelta(days=99))).sent == 0
    assert len(trap.ids) == 3
    assert set(trap.ids.values()) == {1}
    assert trap.receivers == [[MAIL]] * 3
    assert sorted(str(mail["Subject"]).split(":")[0] for mail in trap.mails) == ["batch", "search", "web"]


def test_a_server_that_is_down_is_asked_once_a_round_and_gets_all_when_it_is_back(crossed: Home, trap: Trap) -> None:
    """Nothing is lost, nothing is doubled, and no round waits for it three times."""
    assert postman.deliver(crossed, at(NOW)).put_off == 1
    with trap.up():
        # The two that were not tried go, and with the first of them the one that waited.
        assert postman.deliver(crossed, at(NOW)).sent == 3
    assert set(trap.ids.values()) == {1}
    assert not list(postman.told(crossed))


def test_refused_for_good_is_given_up_and_told(crossed: Home, trap: Trap) -> None:
    """5xx to one mail leaves the others alone; `retry` queues it again."""
    answers = iter(["550 no", TAKEN, "450 later", TAKEN])
    trap.answer = lambda: next(answers)
    with trap.up():
        done = postman.deliver(crossed, at(NOW))
    assert (done.sent, done.given_up, done.put_off) == (1, 1, 1)
    (said,) = postman.told(crossed)
    assert said == (
        "Mail           1 waiting (the mail server answered 450 to the mail); "
        "1 given up (the mail server answered 550 to the mail)"
    )
    trap.answer = lambda: TAKEN
    with database.control(crossed) as control:
        assert outbox.revive(control, NOW) == 2
    with trap.up():
        assert postman.deliver(crossed, at(NOW)).sent == 2
    assert set(trap.ids.values()) == {1}


def test_a_removed_budget_says_nothing_more(crossed: Home, trap: Trap) -> None:
    """What waits is withdrawn at once, what was being sent when it is looked at next."""
    with database.control(crossed) as control:
        assert outbox.take(control, NOW)
        for name in ("web", "search"):
            budgets.remove(control, budgets.scope(control, None, name), NOW)
    with trap.up():
        done = postman.deliver(crossed, at(NOW + outbox.PATIENCE.lease))
    assert (done.sent, done.withdrawn) == (1, 1)
    assert len(trap.mails) == 1


def test_a_mail_goes_where_the_budget_says_now(crossed: Home, trap: Trap) -> None:
    """An address that was wrong and was mended before anything went out gets it all."""
    limited(crossed, NOW, "web", mail="right@team.example")
    with trap.up():
        postman.deliver(crossed, at(NOW))
    assert sorted(trap.receivers) == [[MAIL], [MAIL], ["right@team.example"]]


def test_an_erased_account_gets_no_mail(crossed: Home, trap: Trap) -> None:
    """Without the account's own key no address opens: its mails are withdrawn, not tried for ever."""
    with database.control(crossed) as control:
        control.execute("DELETE FROM data_key WHERE account_no <> 0")
    with trap.up():
        assert postman.deliver(crossed, at(NOW)).withdrawn == 3
    assert not trap.mails


def test_without_the_master_key_everything_waits(crossed: Home, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is away for a while costs no try."""
    monkeypatch.delenv("APILEDGER_MASTER_KEY")
    with trap.up(), pytest.raises(KeyUnavailableError):
        postman.deliver(crossed, at(NOW))
    with database.control(crossed) as control:
        assert control.execute("SELECT DISTINCT state, tries FROM mail").fetchall() == [("queued", 0)]


def test_without_a_server_everything_waits_and_it_is_said(crossed: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is no error of the mail's: no try is spent; an address that names none is told as such."""
    assert postman.deliver(crossed, at(NOW)).unconfigured
    monkeypatch.setenv("APILEDGER_SMTP", "smtp://user:secret-7f3a@mail.example?tls=none&from=f@c.example")
    with pytest.raises(MailSettingError):
        postman.deliver(crossed, at(NOW))
    with database.control(crossed) as control:
        assert control.execute("SELECT DISTINCT state, tries FROM mail").fetchall() == [("queued", 0)]


def test_the_servers_address_rests_sealed(crossed: Home) -> None:
    """Kept in the home it works like the environment's, and no file has its password."""
    trap = Trap()
    with database.control(crossed) as control:
        postman.keep_server(
            control, Vault(control, NOW), f"smtp://127.0.0.1:{trap.port}?from=secret-7f3a@costs.example"
        )
    with trap.up():
        assert postman.deliver(crossed, at(NOW)).sent == 3
    for path in crossed.root.rglob("*"):
        assert not path.is_file() or b"secret-7f3a" not in path.read_bytes()


def test_no_address_and_no_name_rests_in_the_outbox(crossed: Home) -> None:
    """Rows of alerts and mails have numbers, amounts and times."""
    with database.control(crossed) as control:
        for table in ("alert", "mail"):
            text = repr(control.execute(f"SELECT * FROM {table}").fetchall())
            assert MAIL not in text
            assert "search" not in text
