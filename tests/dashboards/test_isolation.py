"""Two accounts with canaries in every name: whatever is asked, however, an account never meets the other's."""

import ast
import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import (
    allocation_figures,
    budget_figures,
    change_figures,
    credit_figures,
    drill_figures,
    frame_figures,
    freshness_figures,
    installation_figures,
    marts,
    model_figures,
    name_figures,
    overview_figures,
    price_figures,
    reconciliation_figures,
    rhythm_figures,
    spend_figures,
    spend_source,
)
from dashboards.figures.overview_figures import DIMENSIONS, DailySpend
from dashboards.figures.period import Period
from dashboards.figures.reconciliation_figures import STEPS, Asked
from dashboards.figures.spend_filter import SpendFilter
from dashboards.figures.spend_source import SpendSource
from dashboards.figures.viewer import Viewer
from tests.dashboards import made_version
from tests.dashboards.conftest import UNTIL
from warehouse import database
from warehouse.control.budget import Budget, Scope
from warehouse.home import PROJECT, Home

TODAY = UNTIL.date()
ALL = SpendFilter(TODAY - timedelta(days=70), TODAY)
RANGE = Asked(TODAY - timedelta(days=30), TODAY)
HOSTILE = (
    "') OR true--",
    "' UNION SELECT account FROM mart.spend_daily--",
    "x'); ATTACH 'a.duckdb';--",
    "canary-Beta GmbH",
    "Beta GmbH",
    "%",
    "\\",
    "query('SELECT 1')",
)
PERIODS = [Period(ALL.start, TODAY, text) for text in ("", *HOSTILE)]
BUDGETS = tuple(
    budget_figures.Listed(
        Budget(number, 1, number, None, Decimal(100), (50,), UNTIL),
        Scope(number, None, account, project and f"canary-{account}-project"),
    )
    for number, account in ((1, "Acme"), (2, "Beta GmbH"))
    for project in (None, "own")
)
_NAMES = {
    "spend_daily": ("project", "team", "key_label", "model", "provider"),
    "spend_hourly": ("project", "team", "key_label", "model", "provider"),
    "latency_daily": ("project", "model", "provider"),
    "reconciliation_daily": ("provider",),
    "allocated_daily": ("project", "team", "key_label", "model", "provider", "cost_centre"),
    "changes": ("provider", "source"),
    "difference_cause": ("provider", "model", "key_label"),
    "reconciliation_by_class": ("provider", "model", "key_label"),
    "valued_daily": ("provider", "model", "key_label"),
    "bill_line": ("provider", "model", "line"),
    "failures_daily": ("project", "provider", "model"),
    "last_use": ("project", "key_label"),
    "coverage": ("note",),
}
CANARIES = ";".join(
    f"UPDATE mart.{table} SET " + ", ".join(f"{name} = 'canary-' || account || '-{name}'" for name in names)
    for table, names in _NAMES.items()
) + (
    ";UPDATE mart.reconciliation_by_key SET model = 'canary-' || account || '-model'"
    ";UPDATE mart.reconciliation_by_key SET key_label = 'canary-' || key_account || '-key_label'"
    ";UPDATE mart.name_history SET label = 'canary-' || account || '-key_label' WHERE kind = 'key'"
    ";UPDATE mart.name_history SET label = 'canary-' || account || '-project' WHERE kind = 'project'"
    ";UPDATE mart.name_history SET project = label WHERE kind = 'project'"
    ";UPDATE mart.name_history SET name = 'canary-' || account || '-name', owner = 'canary-' || account || '-owner'"
)


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Ten weeks of two accounts, every name of which says whose it is."""
    home = Home(tmp_path_factory.mktemp("canaries") / "own")
    made_version.publish(home, 1, UNTIL, extra=CANARIES)
    return home


def _questions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Every public function that asks for a viewer: a new one is in this test by itself."""
    return {
        f"{module.__name__}.{name}": function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and [*inspect.signature(function).parameters][:2] == ["connection", "viewer"]
    }


ASKED: dict[str, list[Any]] = {
    "dashboards.figures.frame_figures.frame": [TODAY],
    "dashboards.figures.overview_figures.at_a_glance": [TODAY],
    "dashboards.figures.overview_figures.month_to": [TODAY],
    "dashboards.figures.overview_figures.shares": [TODAY],
    "dashboards.figures.overview_figures.unpriced": [TODAY],
    "dashboards.figures.price_figures.unpriced": [None],
    "dashboards.figures.overview_figures.spend_by_day": [DailySpend(TODAY, 60, dimension) for dimension in DIMENSIONS],
    "dashboards.figures.overview_figures.latency": [DailySpend(TODAY, 60, "provider")],
    "dashboards.figures.reconciliation_figures.providers": [None],
    "dashboards.figures.allocation_figures.names": [None],
    "dashboards.figures.change_figures.windows": [None],
    "dashboards.figures.spend_figures.names": [(ALL.start, TODAY)],
    "dashboards.figures.budget_figures.uses": [budget_figures.Asked(TODAY, BUDGETS)],
    "dashboards.figures.freshness_figures.reach": [TODAY],
    "dashboards.figures.freshness_figures.untold": [None],
    "dashboards.figures.installation_figures.label_sums": [TODAY],
    "dashboards.figures.rhythm_figures.week": [TODAY],
    "dashboards.figures.rhythm_figures.movers": [TODAY],
    "dashboards.figures.credit_figures.standings": [None],
    "dashboards.figures.credit_figures.unclaimed": [None],
    "dashboards.figures.credit_figures.moved": ["Acme", "Beta GmbH", *HOSTILE],
    "dashboards.figures.drill_figures.rows": [
        replace(RANGE, by=by, day=day, model=model, key=text)
        for by in STEPS
        for text in (None, "canary-Beta GmbH-key_label", *HOSTILE)
        for model in (None, "canary-Beta GmbH-model")
        for day in (None, TODAY - timedelta(days=2))
    ],
    "dashboards.figures.name_figures.history": [
        (kind, f"canary-{account}-{name}")
        for account in ("Acme", "Beta GmbH")
        for kind, name in (("key", "key_label"), ("project", "project"))
    ],
}
_FILTERS = [
    replace(ALL, grain=grain, group_by=groups, search=search, chosen=chosen).within_reach()
    for grain in ("day", "hour", "total")
    for groups in ((), ("account", "project"), ("team", "key", "model"), ("provider",))
    for search, chosen in (("", {}), *((text, {}) for text in HOSTILE), *(("", {"account": (t,)}) for t in HOSTILE))
]
QUESTIONS = {
    name: function
    for module in (
        allocation_figures,
        budget_figures,
        change_figures,
        credit_figures,
        drill_figures,
        frame_figures,
        freshness_figures,
        installation_figures,
        model_figures,
        name_figures,
        overview_figures,
        price_figures,
        reconciliation_figures,
        rhythm_figures,
        spend_figures,
    )
    for name, function in _questions(module).items()
}


def _answers(connection: DuckDBPyConnection, name: str, looks: Viewer, every: int = 1) -> str:
    usual: dict[str, list[Any]] = {
        "allocation": [allocation_figures.Asked.from_query({}, TODAY)],
        "reconciliation": [RANGE],
    }
    usual["model"] = PERIODS
    usual["name"] = [name_figures.Asked(kind, period) for kind in ("key", "project") for period in PERIODS]
    usual["change"] = [change_figures.Asked.from_query({}, TODAY)]
    usual["credit"] = [credit_figures.Asked(account, TODAY) for account in ("Acme", "Beta GmbH", *HOSTILE)]
    kind = name.split(".")[-2].removesuffix("_figures")
    asked = ASKED.get(name, usual.get(kind, _FILTERS[::every]))
    found = [QUESTIONS[name](connection, looks, one) for one in asked]
    return "".join(str(one.to_pylist() if hasattr(one, "to_pylist") else one) for one in found)


@pytest.mark.attack("T02")
@pytest.mark.attack("T09")
@pytest.mark.clause("AL-3.1")
@pytest.mark.clause("AL-5.4")
# Of the hundred views of spend every fifth at each commit: no part of a view has that period.
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "dashboards.figures.spend_figures.view"])
def test_no_answer_holds_anothers_canary(canaries: Home, name: str, every: int) -> None:
    """T02, T09: each question of each page and download, hostile filters included; weakened, the canary is there."""
    with database.published(canaries) as connection:
        for mine, other in (("Acme", "Beta GmbH"), ("Beta GmbH", "Acme")):
            # With the dash after the account: a filter repeats what it was asked for, and no name.
            assert f"canary-{other}-" not in _answers(connection, name, Viewer((mine,)), every)
            assert f"canary-{other}-" not in _answers(connection, name, Viewer(None, (other,)), every)
        nobody = _answers(connection, name, Viewer(()), every)
        assert [part for part in ("canary-Acme-", "canary-Beta GmbH-") if part in nobody] == []
        whole = _answers(connection, name, Viewer(), every)
    sums = (".totals", ".known", ".summary", ".unpriced")
    silent = (
        ".balances",
        ".unclaimed",
        ".uses",
        ".reach",
        ".untold",
        ".label_sums",
        ".week",
        ".history",
        ".frame",
        ".month_to",
        ".latency",
    )
    tells_names = not name.endswith((*silent, *sums)) and ("allocation" not in name and "change" not in name)
    assert ("canary-Acme" in whole and "canary-Beta GmbH-" in whole) or not tells_names


def test_the_page_of_spend_holds_no_canary(canaries: Home) -> None:
    """The page's own question, its table with it."""
    with database.published(canaries) as connection:
        for asked in _FILTERS[::5]:
            found = spend_figures.view(connection, Viewer(("Acme",)), asked)
            assert "canary-Beta" not in str(found.table.to_pylist()) + str(found.series)


@pytest.mark.attack("T09", weakened=True)
def test_a_search_is_sql_where_it_is_put_into_the_text(canaries: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """T09: what is searched for is bound; pasted into the question, one word of it shows every account's rows."""
    hostile = "x')) OR contains(lower('y'), lower('y"
    asked = replace(ALL, grain="total", group_by=("account", "project"), search=hostile)
    bound = spend_source.of

    def pasted(viewer: Viewer, asked: SpendFilter) -> SpendSource:
        source = bound(viewer, replace(asked, search=""))
        return replace(source, condition=f"{source.condition} AND contains(lower(provider), lower('{asked.search}'))")

    def found() -> str:
        with database.published(canaries) as connection:
            return str(spend_figures.rows(connection, Viewer(("Acme",)), asked).to_pylist())

    assert "canary-Beta" not in found()
    monkeypatch.setattr(spend_source, "of", pasted)
    assert "canary-Beta" in found()


REACHING = (
    "SELECT content FROM read_text('{file}')",
    "SELECT * FROM read_csv('{file}', header = false)",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{file}.parquet'",
    "ATTACH '{folder}/other.duckdb' AS other",
    "COPY (SELECT 1) TO '{folder}/taken.csv'",
    "SET enable_external_access = true",
    "SELECT * FROM secret_of_python",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE TABLE mart.mine AS SELECT 1",
    "SELECT getenv('HOME')",
)


@pytest.mark.attack("T09")
@pytest.mark.attack("T09", weakened=True)
def test_sql_that_got_in_reaches_nothing(canaries: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """T09: no file, no variable, no setting, no other database; in one that is merely read-only, some of them."""
    file = tmp_path / "secret.txt"
    file.write_text("canary-of-a-file")
    secret_of_python = pa.table({"secret": ["canary-of-python"]})
    assert secret_of_python.num_rows

    def reached() -> list[str]:
        got = []
        for sql in REACHING:
            with database.published(canaries) as connection, suppress(duckdb.Error):
                connection.execute(sql.format(file=file, folder=tmp_path)).fetchall()
                got.append(sql)
        return got

    assert reached() == []
    monkeypatch.setattr(database, "read_only", lambda path: duckdb.connect(str(path), read_only=True))
    assert {REACHING[0], REACHING[2], REACHING[5]} <= set(reached())


def test_a_viewer_of_one_project_sees_it_alone(canaries: Home) -> None:
    """What knows no projects says nothing to them; what does, theirs alone, and the operator's sum is untouched."""
    mine = Viewer(("Acme", "Beta GmbH"), (), ("canary-Acme-project",))
    with database.published(canaries) as connection:
        assert reconciliation_figures.providers(connection, mine, None) == []
        assert reconciliation_figures.days(connection, mine, RANGE).num_rows == 0
        rows = spend_figures.rows(connection, mine, replace(ALL, grain="total", group_by=("project",))).to_pylist()
        assert [row["project"] for row in rows] == ["canary-Acme-project"]
        assert frame_figures.frame(connection, mine, TODAY).sources == []


@pytest.mark.attack("T01")
def test_answers_are_remembered_in_one_place_alone() -> None:
    """T01: no function of the pages but the one whose key has the viewer is cached, and nothing is kept on disk."""
    cached = []
    for path in sorted((PROJECT / "dashboards").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                said = [ast.unparse(decorator) for decorator in node.decorator_list]
                cached += [(path.name, node.name, one) for one in said if "cache" in one]
    assert [(file, name) for file, name, _ in cached] == [("marts.py", "_remembered")]
    assert all("persist" not in said for _, _, said in cached)
    arguments = inspect.signature(inspect.unwrap(marts._remembered)).parameters
    assert {"root", "version", "looks"} <= set(arguments)
