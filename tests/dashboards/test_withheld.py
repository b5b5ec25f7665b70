"""While somebody is being erased pages show no figure, not even one they remember."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboards import marts
from tests.retention.erased_world import NOW, Canary, begin, lived
from warehouse.errors import WithheldError
from warehouse.home import Home

_ANNE = Canary(1)


def _accounts(connection: object, _looks: object, _asked: int) -> list[str]:
    rows = connection.execute("SELECT DISTINCT account FROM mart.spend_daily").fetchall()  # type: ignore[attr-defined] # DuckDB's
    return [name for (name,) in rows]


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
