"""What the invoices page shows equals what the marts say, for the viewer who asks."""

from datetime import timedelta
from decimal import Decimal

from duckdb import DuckDBPyConnection

from dashboards.figures import invoice_figures
from dashboards.figures.viewer import Viewer
from tests.dashboards.conftest import UNTIL

TODAY = UNTIL.date()


def test_an_invoice_stands_beside_what_its_days_say(connection: DuckDBPyConnection) -> None:
    """Invoiced less told is the difference, for each of them."""
    found = {one.number: one for one in invoice_figures.invoices(connection, Viewer(), None)}
    assert (found["A-77"].told_usd, found["A-77"].difference_usd) == (Decimal("298.2"), Decimal("12.3"))
    for one in found.values():
        assert one.amount_usd is not None
        assert one.told_usd is not None
        assert one.amount_usd - one.told_usd == one.difference_usd
    paid = found["P-1"]
    assert (paid.currency, paid.billed_amount, paid.fx_usd_per_unit) == ("EUR", Decimal(320), Decimal("1.25"))


def test_a_plans_worth_is_its_own_figure(connection: DuckDBPyConnection) -> None:
    """Fee, worth and their ratio; months older than a year are left out."""
    (one,) = [one for one in invoice_figures.plans(connection, Viewer(), TODAY) if one.plan == "claude max"]
    assert (one.fee_usd, one.worth_usd, one.ratio) == (Decimal(160), Decimal("512.4"), Decimal("3.2025"))
    assert invoice_figures.plans(connection, Viewer(), TODAY + timedelta(days=400)) == []


def test_an_account_sees_its_own_alone(connection: DuckDBPyConnection) -> None:
    """Invoices, plans and both files to take away."""
    viewer = Viewer(("Beta GmbH",))
    assert [one.number for one in invoice_figures.invoices(connection, viewer, None)] == ["A-77"]
    assert [one.provider for one in invoice_figures.plans(connection, viewer, TODAY)] == ["openai"]
    for question in (invoice_figures.tie_out, invoice_figures.plan_value):
        assert set(question(connection, viewer, None)["account"].to_pylist()) == {"Beta GmbH"}
