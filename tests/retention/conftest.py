"""Homes that forget soon, and a DuckDB that writes what it stores as it is."""

from typing import Any

import duckdb
import pytest

from tests.retention.gateway_days import SHORT
from warehouse.home import Home


@pytest.fixture
def short(home: Home, master_key: str) -> Home:
    """A home whose owner keeps everything for days instead of years."""
    assert master_key
    (home.root / "policy.toml").write_text(SHORT)
    return home


@pytest.fixture
def plain_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB writes what it stores as it is: compression hides a value from a search without removing it."""
    connect = duckdb.connect

    def uncompressed(*arguments: Any, **named: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(*arguments, **named)
        if not named.get("read_only"):
            connection.execute("SET force_compression = 'uncompressed'")
        return connection

    monkeypatch.setattr(duckdb, "connect", uncompressed)
