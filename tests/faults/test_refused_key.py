"""A key that a provider refuses: its source is paused, one security mail goes out, the others go on."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines.alerts import postman
from pipelines.bills.biller import billers
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull_or_say
from tests.pipelines.billed_world import KEYS, LATER, World, world
from tests.pipelines.mail_trap import Trap
from warehouse import database

NOW = LATER.replace(tzinfo=None)
REVOKED = "sk-admin-revoked-0000000000"
OPERATOR = "operator@team.example"
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[World]:
    """A week of one world."""
    assert master_key
    with world(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """A mail server, and an operator who is told."""
    made = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{made.port}?from=apiledger@costs.example")
    monkeypatch.setenv("APILEDGER_OPERATOR_MAIL", OPERATOR)
    with made.up():
        yield made


def at(moment: datetime) -> Callable[[], datetime]:
    """A clock that stands."""
    return lambda: moment


def tick(made: World, now: datetime, provider: str = "openai") -> Pulled:
    """What the schedule and the sensor do every half an hour."""
    pulled = pull_or_say(made.home, billers()[provider], now, lambda *_: None)
    postman.deliver(made.home, at(now))
    return pulled


@pytest.mark.clause("AL-2.3")
@pytest.mark.clause("AL-7.1")
@pytest.mark.clause("VA-4.4")
def test_a_revoked_key_is_one_mail_and_one_try_a_day(
    billed: World, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three days of half-hourly ticks: three requests, one mail to the operator, the other provider's bill lands."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", REVOKED)
    for number in range(3 * 48):
        assert tick(billed, NOW + number * HALF_HOUR).skipped
    assert len(billed.apis["openai"].asked) == 3
    assert tick(billed, NOW, "anthropic").rows > 0
    (mail,) = trap.mails
    assert trap.receivers == [[OPERATOR]]
    assert mail["Subject"] == "[made-up data] OpenAI refuses the key: its bills are not read"
    bodies = [part.get_content() for part in mail.walk() if not part.is_multipart()]
    assert len(bodies) == 2
    for body in bodies:
        assert "Made-up data" in body
        assert "15 Aug 2026 at 01:00 UTC" in body
        assert "OPENAI_ADMIN_KEY" in body
        assert REVOKED[:12] not in body
        assert "http" not in body


@pytest.mark.soak
def test_a_new_key_works_and_a_later_refusal_is_told_again(
    billed: World, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another key is tried at once, and each new refusal is a mail: of another key, and of one that had worked."""
    api = billed.apis["openai"]
    monkeypatch.setenv("OPENAI_ADMIN_KEY", REVOKED)
    assert tick(billed, NOW).skipped
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEYS["openai"])
    assert tick(billed, NOW + HALF_HOUR).rows > 0
    billed.take_in()
    assert billed.query("SELECT skipped FROM mart.freshness WHERE source = 'openai'") == [(None,)]
    # Refused on one path alone, the others would land.
    api.faults = [403] * len(billers()["openai"].reports)
    assert "(403)" in (tick(billed, NOW + 2 * HALF_HOUR).skipped or "")
    assert tick(billed, NOW + 3 * HALF_HOUR).skipped
    assert [str(mail["Subject"]).split()[2] for mail in trap.mails] == ["OpenAI"] * 2
    assert len(set(trap.ids)) == 2
    assert "read up to 15 Aug 2026" in trap.mails[1].get_body(("plain",)).get_content()  # type: ignore[union-attr] # it has one
    assert tick(billed, NOW + timedelta(days=1, hours=1)).skipped is None
    assert len(trap.mails) == 2


def test_without_an_address_the_mail_waits_and_a_key_that_works_withdraws_it(
    billed: World, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address: no try is used up. With one it goes at once; what is mended first is not told of."""

    def states() -> list[tuple[str, int]]:
        with database.control(billed.home) as control:
            return control.execute("SELECT state, tries FROM mail ORDER BY mail_no").fetchall()

    monkeypatch.setenv("APILEDGER_OPERATOR_MAIL", "not an address")
    billed.apis["openai"].faults = [401]
    assert tick(billed, NOW).skipped
    assert states() == [("queued", 0)]
    monkeypatch.setenv("APILEDGER_OPERATOR_MAIL", OPERATOR)
    postman.deliver(billed.home, at(NOW))
    assert states() == [("sent", 1)]
    monkeypatch.delenv("APILEDGER_OPERATOR_MAIL")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", REVOKED)
    assert tick(billed, NOW).skipped
    assert states() == [("sent", 1), ("queued", 0)]
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEYS["openai"])
    assert tick(billed, NOW).rows > 0
    assert states() == [("sent", 1), ("withdrawn", 0)]
    assert len(trap.mails) == 1


def test_a_clock_that_ran_ahead_keeps_no_source_paused(
    billed: World, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by a clock a year ahead: once it is right again the key is tried, not in a year."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", REVOKED)
    assert tick(billed, NOW + timedelta(days=365)).skipped
    asked = len(billed.apis["openai"].asked)
    assert tick(billed, NOW).skipped
    assert len(billed.apis["openai"].asked) == asked + 1
    assert len(trap.mails) == 1
