"""Pages of models, keys, projects, budgets, freshness and the installation: whatever is asked, each is a page."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.figures import marts, viewer
from dashboards.figures.viewer import Viewer
from tests.dashboards import made_version
from warehouse import database
from warehouse.control import pass_end
from warehouse.home import Home

NOW = datetime.now(UTC).replace(tzinfo=None)
TODAY = NOW.date()


@pytest.fixture(scope="module")
def drawable(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Ten weeks up to now, written once for all of these."""
    home = Home(tmp_path_factory.mktemp("drawable") / "own")
    made_version.publish(home, 1, NOW)
    return home


@pytest.fixture(autouse=True)
def _shown(drawable: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert master_key
    monkeypatch.setenv("APILEDGER_HOME", str(drawable.root))
    marts.forget()
    yield
    marts.forget()


def _models() -> None:
    from dashboards.pages import models

    models.page()


def _keys() -> None:
    from dashboards.pages import keys

    keys.page()


def _projects() -> None:
    from dashboards.pages import projects

    projects.page()


def _budgets() -> None:
    from dashboards.pages import budgets

    budgets.page()


def _freshness() -> None:
    from dashboards.pages import freshness as page

    page.page()


def _installation() -> None:
    from dashboards.pages import installation

    installation.page()


def _drawn(page: Callable[[], None], query: dict[str, list[str]] | None = None) -> AppTest:
    test = AppTest.from_function(page, default_timeout=20)
    for name, values in (query or {}).items():
        test.query_params[name] = values
    return test.run()


def _said(test: AppTest) -> str:
    return " ".join(element.proto.body for element in test.get("html"))


@pytest.mark.parametrize("page", [_models, _keys, _projects])
def test_models_keys_and_projects_are_drawn_whatever_is_asked(page: Callable[[], None]) -> None:
    """Any days, one thing picked, a search that finds nothing, an address that makes no sense."""
    for query in (
        {"from": [str(TODAY)], "one": ["openai/gpt-5.2"]},
        {"q": ["nothing is called so"]},
        {"from": ["no"], "to": ["'; DROP TABLE x"], "one": ["nobody/nothing"]},
    ):
        test = _drawn(page, query)
        assert not test.exception
        assert len(test.date_input) == 2


def test_only_what_nobody_used_is_listed_when_asked() -> None:
    """The retired key and the one that was never used, and no other."""
    test = _drawn(_keys, {"only": ["unused"]})
    assert sorted(test.dataframe[0].value["label"]) == ["retired", "unborn"]
    assert test.checkbox[0].value


def test_the_names_of_a_key_are_told_with_their_dates() -> None:
    """What people called it, before and now; the owner of today stands in the table."""
    test = _drawn(_keys, {"one": ["prod-7f3a"]})
    said = _said(test)
    assert "Shop" in said
    assert "Checkout" in said
    table = test.dataframe[0].value.set_index("label")
    assert list(table.loc["prod-7f3a", ["name", "owner", "tags"]]) == ["Checkout", "payments", "prod, eu"]


def test_what_needs_a_look_is_said_with_its_next_step() -> None:
    """A bill whose key was refused, one with odd rows, and calls without a price; what an error says is text."""
    said = _said(_drawn(_freshness))
    assert "openai: 3 rows of its bill cannot be read" in said
    assert "a key &lt;refused&gt;" in said
    assert "<code>apiledger prices unpriced</code>" in said
    assert "canary-Acme-batches" in said


def test_without_a_budget_the_page_says_what_one_does() -> None:
    """No table, and the way to set one."""
    test = _drawn(_budgets)
    assert not test.exception
    assert "No budget is set" in test.info[0].value
    assert 'href="/budget"' in _said(test)


def test_the_installation_is_the_operators_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums, passes, sizes and versions for the operator; to a member of an account there is no such page."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with database.control(marts.home()) as control:
        pass_end.note(control, now - timedelta(days=20), is_good=True)
        pass_end.note(control, now - timedelta(seconds=90), is_good=False, took=timedelta(seconds=1.5))
        control.execute("UPDATE pass_run SET rows = 48211, quarantined = 7 WHERE NOT is_good")
    said = _said(_drawn(_installation))
    assert "Passes of 14 days: 1, 1 not well" in said
    assert '<strong>Broken off</strong></td><td class="n">1.50 s</td>' in said
    assert '<td class="n">48,211</td><td class="n">7</td>' in said
    assert "Storage: " in said
    assert "version 1" in said
    monkeypatch.setattr(viewer, "current", lambda: Viewer(("Acme",)))
    said = _said(_drawn(_installation))
    assert "Not found" in said
    assert "Storage" not in said
