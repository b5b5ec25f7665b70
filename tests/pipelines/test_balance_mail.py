"""A low balance is told once a crossing, to whom it concerns, by the outbox of every mail."""

import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.alerts import balance_mail, balance_state, postman
from pipelines.alerts.balance_mail import Telling
from tests.pipelines.mail_trap import Trap
from tests.pipelines.spend_version import known
from warehouse import database
from warehouse.control import balance_watch, credit, objection, prepaid, restriction
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (naive moments are UTC here)
DAY = date(2026, 11, 20)
MAIL = "pays@acme.example"
USD = 10**9


@pytest.fixture
def control(home: Home, master_key: str) -> Iterator[sqlite3.Connection]:
    """A control store with one account that a log has named."""
    assert master_key
    known(home, NOW, "web")
    with database.control(home) as connection:
        yield connection


def number(control: sqlite3.Connection) -> int:
    """The account's number."""
    return next(iter(prepaid.ledgers(control)))


def watched(control: sqlite3.Connection, low: str = "10", address: str | None = MAIL) -> int:
    """Watch the account's balance."""
    account_no = number(control)
    balance_watch.put(control, Vault(control, NOW), account_no, Decimal(low), address, NOW)
    return account_no


def moved_to(control: sqlite3.Connection, account_no: int, usd: int) -> None:
    """Bring the balance to an amount."""
    with database.transaction(control):
        moved = usd * USD - credit.balance(control, account_no)
        credit.post(control, account_no, "adjustment", "adjust", DAY, moved, NOW)


def evaluated(control: sqlite3.Connection, unasked: tuple[int, ...] = ()) -> int:
    """Look once; how many mails were made."""
    return balance_watch.evaluate(control, unasked, NOW, has_operator=False)


@pytest.mark.clause("VA-4.4")
@settings(max_examples=15, deadline=None)
@given(balances=st.lists(st.integers(-5, 20), min_size=1, max_size=25))
def test_one_mail_a_crossing_and_none_for_a_balance_that_swings(
    balances: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a state of two lines: told below 10, again only after it was at 12 or above."""
    with database.control(Home(tmp_path_factory.mktemp("balance") / "own").make()) as control:
        control.execute("PRAGMA synchronous=OFF")
        control.execute("INSERT INTO credit_watch VALUES (7, ?, ?, 'sealed', 0, 0, '')", (10 * USD, 12 * USD))
        expected, is_low = 0, False
        for usd in balances:
            moved_to(control, 7, usd)
            evaluated(control)
            evaluated(control)
            expected += not is_low and usd < 10
            is_low = usd < 10 or (is_low and usd < 12)
        assert control.execute("SELECT count(*), count(DISTINCT message_id) FROM mail").fetchone() == (expected,) * 2


@pytest.mark.clause("VA-4.4")
def test_the_mail_arrives_once_where_it_is_to_go(
    home: Home, control: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the address that was set, with the balance and the line; a second round sends nothing."""
    trap = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{trap.port}?from=apiledger@costs.example")
    moved_to(control, watched(control), 4)
    assert [balance_state.evaluate(home, NOW) for _ in range(3)] == [1, 0, 0]
    with trap.up():
        assert postman.deliver(home, lambda: NOW).sent == 1
        assert postman.deliver(home, lambda: NOW + timedelta(days=9)).sent == 0
    (mail,) = trap.mails
    assert trap.receivers == [[MAIL]]
    assert mail["Subject"] == "acme: $4.00 of credits left"
    assert "The credits of acme are below $10.00." in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr] # it has one


def test_who_is_told_is_the_address_else_an_owner_else_the_operator(control: sqlite3.Connection) -> None:
    """Without any of them nothing is queued, and it is once somebody can be told."""
    account_no = watched(control, address=None)
    vault = Vault(control, NOW)
    assert balance_watch.receiver(control, vault, account_no, "op@here.example") == "op@here.example"
    assert evaluated(control) == 0
    assert balance_watch.evaluate(control, (), NOW, has_operator=True) == 1
    watched(control)
    assert balance_watch.receiver(control, vault, account_no, "op@here.example") == MAIL
    sealed = control.execute("SELECT sealed_address FROM credit_watch").fetchone()[0]
    assert MAIL not in sealed
    balance_watch.remove(control, account_no)
    assert balance_watch.receiver(control, vault, account_no, "op@here.example") is None


@pytest.mark.clause("VA-8.4")
def test_who_is_restricted_or_objects_is_told_nothing(home: Home, control: sqlite3.Connection) -> None:
    """Nothing is queued; once that is lifted the balance, which is low still, is told."""
    account_no = watched(control)
    moved_to(control, account_no, 1)
    restriction.begin(control, account_no, [account_no], NOW)
    assert balance_state.evaluate(home, NOW) == 0
    restriction.lift(control, account_no, NOW)
    objection.begin(control, account_no, "alerts", NOW)
    assert balance_state.evaluate(home, NOW) == 0
    objection.end(control, account_no, "alerts")
    assert balance_state.evaluate(home, NOW) == 1


def test_another_line_is_told_anew(control: sqlite3.Connection) -> None:
    """A balance below a higher line is a crossing of that one; the same line set again is not."""
    account_no = watched(control)
    moved_to(control, account_no, 8)
    assert [evaluated(control), evaluated(control)] == [1, 0]
    watched(control, "10")
    assert evaluated(control) == 0
    watched(control, "9")
    assert evaluated(control) == 1


def test_a_hostile_name_steers_no_mail() -> None:
    """Line ends and tags in a name are text, and what looks like an address is no link."""
    told = Telling("a\r\nBcc: x@y.example <b>", Decimal(-3), Decimal(10), NOW, sandbox=True)
    mail = balance_mail.message(told, sender="a@b.example", receiver="c@d.example", message_id="<1@x.invalid>")
    assert mail["Bcc"] is None
    assert "[made-up data]" in mail["Subject"]
    assert "<b>" not in balance_mail.html(told)
    assert "are used up" in balance_mail.text(told)
    assert "$3.00" in balance_mail.text(told)
