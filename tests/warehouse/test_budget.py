"""Budgets: what they are for, which version is in force, and where the address rests."""

import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.pipelines.spend_version import MAIL, known, limited
from warehouse import database
from warehouse.control import budget as budgets
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (naive moments are UTC here)


@pytest.fixture
def control(home: Home, master_key: str) -> Iterator[sqlite3.Connection]:
    """The control store of a home whose log named an account and two projects."""
    assert master_key
    known(home, NOW, "web", "search")
    with database.control(home) as connection:
        yield connection


def test_the_same_budget_again_is_the_same_version(home: Home, control: sqlite3.Connection) -> None:
    """Only a change of amount, shares or address is a new version of it."""
    first = limited(home, NOW, "web")
    assert limited(home, NOW + timedelta(days=1), "web") == first
    versions = [
        limited(home, NOW, "web", **change).version
        for change in ({"monthly": "100.01"}, {"shares": "50"}, {"shares": "50", "mail": "other@team.example"})
    ]
    assert versions == [2, 3, 4]
    (in_force,) = budgets.current(control)
    assert (in_force.version, in_force.monthly_usd, in_force.thresholds) == (4, Decimal(100), (50,))


def test_an_address_rests_sealed_and_only_while_it_is_needed(home: Home, control: sqlite3.Connection) -> None:
    """No byte of it lies in the home, the version before keeps none, a removed budget keeps none."""
    number = limited(home, NOW, "web").budget_no
    limited(home, NOW, "web", monthly="200")
    vault = Vault(control, NOW)
    assert budgets.address_of(control, vault, number) == MAIL
    sealed = "SELECT count(*) FROM budget WHERE sealed_address IS NOT NULL"
    assert control.execute(sealed).fetchone() == (1,)
    for path in home.root.glob("control.sqlite*"):
        assert MAIL.encode() not in path.read_bytes()
    assert budgets.remove(control, budgets.scope(control, None, "web"), NOW)
    assert control.execute(sealed).fetchone() == (0,)
    assert budgets.address_of(control, vault, number) is None
    assert not budgets.remove(control, budgets.scope(control, None, "web"), NOW)


def test_a_budget_is_of_an_account_or_of_one_project(home: Home, control: sqlite3.Connection) -> None:
    """Both stand side by side; the same project's name in two accounts is asked about."""
    limited(home, NOW, None)
    limited(home, NOW, "web")
    assert [budgets.scope_of(control, one).name for one in budgets.current(control)] == ["acme", "web"]
    known(home, NOW, "web", account="globex")
    with pytest.raises(WarehouseError, match="--account: acme, globex"):
        budgets.scope(control, None, "web")
    assert budgets.scope(control, "globex", "web").account == "globex"
    with pytest.raises(WarehouseError, match=r"no log has named that project yet; known are: search, web$"):
        budgets.scope(control, None, "unheard-of")


@pytest.mark.parametrize("text", ["0", "-5", "nan", "1e40", "five", ""])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """A budget is more than nothing, and a number."""
    with pytest.raises(WarehouseError):
        budgets.amount(text)


@pytest.mark.parametrize("text", ["", "0,50", "50.5", "abc", "1001", ",".join(map(str, range(1, 13)))])
def test_what_are_no_thresholds_is_refused(text: str) -> None:
    """Thresholds are one to ten whole percents."""
    with pytest.raises(WarehouseError):
        budgets.thresholds(text)


def test_a_threshold_is_reached_exactly(home: Home, control: sqlite3.Connection) -> None:
    """A pico-dollar below is not reached, the amount itself is."""
    assert control
    budget = limited(home, NOW, "web", monthly="33.33", shares="100,50,80%")
    assert budget.thresholds == (50, 80, 100)
    assert budget.reached(Decimal("16.664999999999")) == ()
    assert budget.reached(Decimal("16.665")) == (50,)
    assert budget.reached(Decimal("33.33")) == (50, 80, 100)


def test_a_month_ends_where_the_next_begins() -> None:
    """December ends with the year, February by its own length."""
    assert budgets.month(date(2026, 12, 31)) == (date(2026, 12, 1), date(2027, 1, 1))
    assert budgets.month(date(2028, 2, 29)) == (date(2028, 2, 1), date(2028, 3, 1))
