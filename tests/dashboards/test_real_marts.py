"""The pages' questions against the marts that the real line builds, not the made-up ones."""

from datetime import date, timedelta
from decimal import Decimal

from dashboards.figures import (
    budget_figures,
    frame_figures,
    freshness_figures,
    installation_figures,
    invoice_figures,
    model_figures,
    name_figures,
    overview_figures,
    rhythm_figures,
    spend_figures,
)
from dashboards.figures.overview_figures import DailySpend
from dashboards.figures.period import Period
from dashboards.figures.spend_filter import DIMENSIONS, GRAINS, SpendFilter
from dashboards.figures.viewer import Viewer
from warehouse import database
from warehouse.home import Home

# The day the sandbox's logs end.
LAST_DAY = date(2026, 6, 30)


def test_the_overview_is_answered_by_the_real_marts(sandbox_home: Home) -> None:
    """Each figure of the overview comes from a published version of the real line, and they agree."""
    with database.published(sandbox_home) as connection:
        month = overview_figures.month_to(connection, Viewer(), LAST_DAY)
        drawn = overview_figures.spend_by_day(connection, Viewer(), DailySpend(LAST_DAY, 30, "project"))
        shares = overview_figures.shares(connection, Viewer(), LAST_DAY)
        whole, *days = overview_figures.latency(connection, Viewer(), DailySpend(LAST_DAY, 30, "model"))
        unpriced = overview_figures.unpriced(connection, Viewer(), LAST_DAY)
        frame = frame_figures.frame(connection, Viewer(), LAST_DAY)
        glance = overview_figures.at_a_glance(connection, Viewer(), LAST_DAY)
    assert month.so_far.requests > 0
    assert sum(row.cost_usd for row in drawn) == month.so_far.cost_usd > 0
    assert sum(row.cost_usd for row in shares if row.dimension == "provider") == month.so_far.cost_usd
    assert sum(row.requests for row in unpriced) == month.so_far.unpriced_requests
    assert whole.p50_ms is not None
    assert days
    assert glance[:4] == (month, [whole, *days], unpriced, shares)
    assert frame.has_spend
    assert frame.sources
    assert frame.version is not None
    assert frame.version.home == "sandbox"


def test_invoices_and_plans_are_answered_by_the_real_marts(sandbox_home: Home) -> None:
    """Every column that the page asks for is there, and the sandbox has entered none."""
    with database.published(sandbox_home) as connection:
        assert invoice_figures.invoices(connection, Viewer(), None) == []
        assert invoice_figures.plans(connection, Viewer(), LAST_DAY) == []
        assert invoice_figures.tie_out(connection, Viewer(), None).num_rows == 0
        assert invoice_figures.plan_value(connection, Viewer(), None).num_rows == 0


def test_every_slice_of_spend_is_answered_by_the_real_marts(sandbox_home: Home) -> None:
    """Group by group the real marts add up to one amount; hours hold the log alone, since a bill names only days."""
    sums: dict[bool, set[Decimal]] = {True: set(), False: set()}
    with database.published(sandbox_home) as connection:
        for grain in GRAINS:
            for group in DIMENSIONS:
                asked = SpendFilter(LAST_DAY - timedelta(days=20), LAST_DAY, grain, (group,))
                table = spend_figures.rows(connection, Viewer(), asked)
                assert str(table.schema.field("cost_usd").type) == "decimal128(38, 12)"
                same = sums[grain == "hour"]
                same.add(sum((cost for cost in table["cost_usd"].to_pylist() if cost), Decimal(0)))
                assert spend_figures.totals(connection, Viewer(), asked).cost_usd in same
        names = spend_figures.names(connection, Viewer(), (LAST_DAY - timedelta(days=20), LAST_DAY))
        ((billed,),) = connection.execute("SELECT sum(cost_usd) FROM mart.spend_daily WHERE basis = 'bill'").fetchall()
    assert [len(same) for same in sums.values()] == [1, 1]
    assert sums[False].pop() - sums[True].pop() == billed > 0
    assert names["model"]


def test_models_keys_and_projects_are_answered_by_the_real_marts(sandbox_home: Home) -> None:
    """Each adds up to the spend of the same days, what names no model, key or project set beside."""
    asked = Period(LAST_DAY - timedelta(days=29), LAST_DAY)
    with database.published(sandbox_home) as connection:

        def summed(only: str) -> Decimal:
            query = f"SELECT coalesce(sum(cost_usd), 0) FROM mart.spend_daily WHERE day BETWEEN ? AND ? AND {only}"
            ((found,),) = connection.execute(query, [asked.start, asked.end]).fetchall()
            return Decimal(found)

        models = model_figures.view(connection, Viewer(), asked)
        assert summed("model IS NULL") == models.unnamed_usd
        assert summed("model IS NOT NULL") == sum(cost for cost in models.table["cost_usd"].to_pylist() if cost)
        assert models.buckets
        ((failed,),) = connection.execute(
            "SELECT sum(error_requests)::BIGINT FROM mart.spend_daily WHERE basis = 'log'"
        ).fetchall()
        assert sum(models.table["error_requests"].to_pylist()) == failed > 0
        ((told,),) = connection.execute("SELECT sum(error_requests)::BIGINT FROM mart.failures_daily").fetchall()
        assert told == failed
        kinds: list[tuple[name_figures.Kind, str]] = [("key", "key_label"), ("project", "project")]
        for kind, column in kinds:
            rows = name_figures.rows(connection, Viewer(), name_figures.Asked(kind, asked))
            assert sum(cost for cost in rows["cost_usd"].to_pylist() if cost) == summed(f"{column} IS NOT NULL")
            assert None not in rows["last_day"].to_pylist()


def test_the_other_new_pages_are_answered_by_the_real_marts(sandbox_home: Home) -> None:
    """Every column they ask for is there; nobody but the operator gets the sums of labels."""
    with database.published(sandbox_home) as connection:
        assert freshness_figures.reach(connection, Viewer(), LAST_DAY)
        freshness_figures.untold(connection, Viewer(), None)
        assert rhythm_figures.week(connection, Viewer(), LAST_DAY)
        assert budget_figures.uses(connection, Viewer(), budget_figures.Asked(LAST_DAY, ())) == []
        assert installation_figures.label_sums(connection, Viewer(), LAST_DAY)
        assert installation_figures.label_sums(connection, Viewer(("mira",)), LAST_DAY) == []
    assert installation_figures.accounts(sandbox_home, Viewer(("mira",)), []) == []
    assert freshness_figures.held_back(sandbox_home, Viewer(("mira",))) == []
    sizes = {one.name: one.bytes for one in installation_figures.folders(sandbox_home)}
    assert sizes["build"] > 0
    assert installation_figures.versions(sandbox_home)[0].bytes > 0


def test_numbers_find_what_names_find(sandbox_home: Home) -> None:
    """Whether a viewer's rows are found by name or by number, they are the same rows, for every kind of viewer."""
    query = "SELECT count(*), coalesce(sum(cost_usd), 0), sum(requests) FROM {}.spend_summary_daily WHERE {}"
    with database.published(sandbox_home) as connection:
        accounts = [name for (name,) in connection.execute("SELECT DISTINCT label FROM model.account").fetchall()]
        projects = [name for (name,) in connection.execute("SELECT DISTINCT label FROM model.project").fetchall()]
        viewers = [
            Viewer(),
            Viewer(None, (accounts[0],)),
            Viewer((accounts[0],)),
            Viewer(()),
            Viewer(tuple(accounts), (), (projects[0], "nobody's")),
            Viewer(None, (), (projects[0],)),
            Viewer((accounts[0],), (), ()),
        ]
        found = set()
        for viewer in viewers:
            (by_name, names), (by_number, numbers) = viewer.condition(), viewer.numbers()
            told = connection.execute(query.format("mart", by_name), names).fetchall()
            assert told == connection.execute(query.format("model", by_number), numbers).fetchall()
            found.update(told)
    assert len(found) > 3
