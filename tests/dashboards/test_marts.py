"""The road by which pages read: an answer lasts as long as its version, and belongs to its viewer and home."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import marts, spend_figures, viewer
from dashboards.figures.spend_filter import SpendFilter
from dashboards.figures.viewer import Viewer
from tests.dashboards import made_version
from tests.dashboards.conftest import UNTIL
from warehouse.errors import WarehouseError
from warehouse.home import Home

ASKED = SpendFilter(UNTIL.date() - timedelta(days=90), UNTIL.date())
ONE_MORE = "INSERT INTO mart.spend_daily SELECT * FROM mart.spend_daily WHERE provider = 'openai' LIMIT 1"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No test meets another's answers."""
    marts.forget()
    yield
    marts.forget()


def _requests() -> int:
    return marts.answer(spend_figures.totals, ASKED).requests


def test_a_new_version_never_shows_an_old_answer(home: Home) -> None:
    """The same question after a publication is asked anew."""
    made_version.publish(home, 1, UNTIL)
    before = _requests()
    made_version.publish(home, 2, UNTIL, extra=ONE_MORE)
    assert marts.version() == 2
    assert _requests() > before


def test_an_answer_is_remembered_while_its_version_lasts(home: Home) -> None:
    """The second time the file is not even opened: it may be gone."""
    made_version.publish(home, 1, UNTIL)
    before = _requests()
    (home.published / "warehouse-1.duckdb").unlink()
    assert _requests() == before


def test_one_viewer_never_gets_the_answer_of_another(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The viewer is part of the key: the operator's answer does not serve an account."""
    made_version.publish(home, 1, UNTIL)
    everything = _requests()
    monkeypatch.setattr(viewer, "current", lambda: Viewer(("Beta GmbH",)))
    assert 0 < _requests() < everything


def test_two_homes_share_no_answer(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 1 of the sandbox is not version 1 of the own home."""
    made_version.publish(home, 1, UNTIL)
    everything = _requests()
    other = Home(tmp_path / "other")
    made_version.publish(other, 1, UNTIL, extra=ONE_MORE)
    monkeypatch.setenv("APILEDGER_HOME", str(other.root))
    assert _requests() > everything


def test_asking_once_remembers_nothing(home: Home) -> None:
    """A download is read when it is asked for, each time."""
    made_version.publish(home, 1, UNTIL)
    calls: list[int] = []

    def question(connection: DuckDBPyConnection, looks: Viewer, asked: SpendFilter) -> int:
        calls.append(spend_figures.totals(connection, looks, asked).requests)
        return len(calls)

    assert [marts.once(question, ASKED) for _ in range(2)] == [1, 2]


def test_nothing_published_is_said(home: Home) -> None:
    """Before the first version there is no answer, and the error says what to do."""
    assert marts.version() is None
    with pytest.raises(WarehouseError, match="nothing is published"):
        marts.once(spend_figures.totals, ASKED)
    assert home.root.exists()
