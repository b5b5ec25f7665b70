"""What the page of credits shows equals what the marts say, for the viewer who asks."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import credit_figures
from dashboards.figures.credit_figures import Asked
from dashboards.figures.viewer import Viewer
from tests.dashboards.conftest import UNTIL

TODAY = UNTIL.date()
ACME, BETA = Asked("Acme", TODAY), Asked("Beta GmbH", TODAY)


@pytest.mark.clause("VA-4.2")
def test_what_is_left_is_what_came_in_less_what_was_deducted(connection: DuckDBPyConnection) -> None:
    """The last day's balance is the account's; each day's is the one before with what moved; all rows add up to it."""
    standing = {one.account: one for one in credit_figures.standings(connection, Viewer(), None)}
    for asked in (ACME, BETA):
        days = credit_figures.balances(connection, Viewer(), asked)
        assert len(days) == 41
        for before, day in pairwise(days):
            assert day.balance_usd == before.balance_usd + day.moved_usd
        rows = credit_figures.moved(connection, Viewer(), asked.account).to_pylist()
        assert days[-1].balance_usd == standing[asked.account].balance_usd == sum(row["amount_usd"] for row in rows)
    assert [one.account for one in credit_figures.standings(connection, Viewer(), None)] == ["Beta GmbH", "Acme"]


def test_days_on_which_nothing_moved_keep_what_was_left(connection: DuckDBPyConnection) -> None:
    """Ten days later the balance is drawn on to that day, and a day before the window still counts."""
    later = credit_figures.balances(connection, Viewer(), Asked("Acme", TODAY + timedelta(days=30)))
    assert len(later) == credit_figures.SHOWN_DAYS
    assert {one.balance_usd for one in later[-30:]} == {later[-1].balance_usd}
    assert later[0].balance_usd == later[1].balance_usd - later[1].moved_usd
    assert credit_figures.balances(connection, Viewer(), Asked("nobody", TODAY)) == []


def test_deductions_by_model_are_all_that_was_deducted(connection: DuckDBPyConnection) -> None:
    """Ten models: the seven dearest by name, the rest together, nothing lost."""
    rows = credit_figures.deductions(connection, Viewer(), ACME)
    names = list(dict.fromkeys(name for _, name, _ in rows))
    assert names == [f"canary-Acme-model{part}" for part in range(10, 3, -1)] + [credit_figures.OTHERS]
    assert sum(cost for *_, cost in rows) == Decimal("0.25") * 55 * 40


def test_an_account_sees_its_own_credits_alone(connection: DuckDBPyConnection) -> None:
    """Also where it names another's; who is limited to projects sees none."""
    mine, limited = Viewer(("Beta GmbH",)), Viewer(("Acme", "Beta GmbH"), (), ("search",))
    assert [one.account for one in credit_figures.standings(connection, mine, None)] == ["Beta GmbH"]
    for looks in (mine, limited, Viewer(None, ("Acme",))):
        assert credit_figures.balances(connection, looks, ACME) == []
        assert credit_figures.deductions(connection, looks, ACME) == []
        assert credit_figures.moved(connection, looks, "Acme").num_rows == 0
    assert credit_figures.standings(connection, limited, None) == []


def test_payments_that_are_nobodys_are_the_operators_alone(connection: DuckDBPyConnection) -> None:
    """Not an account's, not somebody's who is limited to projects, not an operator's who looks into an account."""
    found = credit_figures.unclaimed(connection, Viewer(), None).to_pylist()
    assert [(row["customer"], row["amount_minor"]) for row in found] == [("customer 4242", 2550), (None, -900)]
    assert credit_figures.unclaimed(connection, Viewer(None, ("Beta GmbH",)), None).num_rows == 2
    for looks in (Viewer(("Acme",)), Viewer(()), Viewer(None, (), ("search",))):
        assert credit_figures.unclaimed(connection, looks, None).num_rows == 0
