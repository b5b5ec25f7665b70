"""Sessions, links, letters, failed sign-ins, known places and looks go by their days; members stay."""

from datetime import datetime, timedelta

import pytest

from retention import expire_control, policy
from warehouse import database
from warehouse.control import claim, letter, member, protection, session, throttle, ticket
from warehouse.control.vault import Vault
from warehouse.home import Home

START = datetime(2026, 1, 5, 12)  # noqa: DTZ001 - naive moments are UTC in the store
LEFT = {
    "session": 31,
    "ticket": 1,
    "throttle": 1,
    "known_place": 30,
    "opening": 1095,
    "letter": 1,
    "look": 1095,
}


@pytest.mark.parametrize("table", LEFT)
def test_rows_go_the_night_after_their_last_day(home: Home, master_key: str, table: str) -> None:
    """A row is there for as long as its clause says, and gone a day later, with a receipt."""
    assert master_key
    with database.control(home) as control:
        vault = Vault(control, START)
        owner = member.operator(control, vault, START)
        token = session.begin(control, owner.member_no, session.BY_LINK, START)
        ticket.link(control, owner, START)
        guess = throttle.Guess.of(vault, "ada@team.example", "192.0.2.1")
        throttle.succeeded(control, guess, START)
        throttle.admit(control, guess, START)
        letter.ask_reset(control, vault, "ada@team.example", START)
        protection.put(control, vault, "a good reason", START, on=True)
        found_by = session.lookup(token)
        claim.open_account(control, vault, found_by, owner.member_no, owner.account_no, "a good reason", START)
        for days, there in ((LEFT[table], True), (LEFT[table] + 1, False)):
            gone = list(expire_control.from_control(control, policy.load(), START + timedelta(days=days)))
            assert bool(control.execute(f"SELECT 1 FROM {table}").fetchone()) is there
            assert (f"control.{table}" in {one.place for one in gone}) is not there
        assert member.of_account(control, owner.account_no) == [owner]
