"""While somebody is being erased pages show no figure of theirs, not even one they remember; others read on."""

import pytest
from duckdb import DuckDBPyConnection
from streamlit.testing.v1 import AppTest

from dashboards.figures import marts, viewer
from dashboards.figures.viewer import Viewer
from pipelines import erasing
from pipelines.materialization import build
from tests.retention.erased_world import NOW, Canary, begin, lived
from warehouse import database, publication
from warehouse.errors import WithheldError
from warehouse.home import Home

_ANNE, _BELA = Canary(1), Canary(2)


def _accounts(connection: DuckDBPyConnection, looks: Viewer, _asked: int) -> list[str]:
    allowed, values = looks.condition()
    query = f"SELECT DISTINCT account FROM mart.spend_daily WHERE {allowed} ORDER BY 1"
    return [name for (name,) in connection.execute(query, values).fetchall()]


def _seen(monkeypatch: pytest.MonkeyPatch, *labels: str) -> list[str]:
    """What somebody with these labels is shown; without any, the operator."""
    monkeypatch.setattr(viewer, "current", lambda: Viewer(labels or None))
    with marts.reading():
        return marts.answer(_accounts, 1)


def test_a_remembered_answer_is_forgotten(home: Home, master_key: str) -> None:
    """Asked once it is remembered; from the moment of the erasure on it is refused, and forgotten."""
    assert master_key
    lived(home, [_ANNE], NOW)
    assert marts.answer(_accounts, 1) == [_ANNE.account]
    begin(home, "account", _ANNE.account)
    with pytest.raises(WithheldError):
        marts.answer(_accounts, 1)


def test_the_page_says_why() -> None:
    """A sentence in place of an incident's number."""

    def page() -> None:
        from dashboards import app
        from warehouse.errors import WithheldError

        app._told(WithheldError("not shown"))

    test = AppTest.from_function(page, default_timeout=20).run()
    assert not test.exception
    assert "Somebody is being erased" in " ".join(element.proto.body for element in test.get("html"))


def test_others_read_on(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Anne's account goes Bela is shown what she was before; the operator and whoever had Anne's label wait."""
    assert master_key
    lived(home, [_ANNE, _BELA], NOW)
    before = _seen(monkeypatch, _BELA.account)
    begin(home, "account", _ANNE.account)
    assert _seen(monkeypatch, _BELA.account) == before == [_BELA.account]
    for labels in ((), (_ANNE.account,), (_BELA.account, _ANNE.account)):
        with pytest.raises(WithheldError):
            _seen(monkeypatch, *labels)
    with pytest.raises(WithheldError), database.published(home):
        pass
    assert not home.people_file.exists()
    erasing.resume(home, NOW, lambda *_: None)
    assert _seen(monkeypatch) == [_BELA.account]


def test_nobody_reads_on_where_a_person_within_an_account_goes(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose rows a gateway's user is in is not looked for."""
    assert master_key
    lived(home, [_ANNE, _BELA], NOW)
    begin(home, "user", f"{_ANNE.word('user')}@example.org")
    with pytest.raises(WithheldError):
        _seen(monkeypatch, _BELA.account)


def test_nobody_reads_a_version_that_came_since(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was published after the erasure began cannot tell who has a name of theirs."""
    assert master_key
    lived(home, [_ANNE, _BELA], NOW)
    begin(home, "account", _ANNE.account)
    with database.held(home.build_lock), database.build(home) as connection:
        build.build(home, connection, lambda *_: None)
        publication.publish(home, connection, NOW)
    with pytest.raises(WithheldError):
        _seen(monkeypatch, _BELA.account)
