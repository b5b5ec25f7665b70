"""What must hold after a fault and one more pass: every call once, every receipt kept, nothing left lying about."""

import duckdb

from pipelines.materialization.landed import missing_loads
from tests.faults.gateway_logs import GATEWAYS, Truth
from warehouse import database
from warehouse.home import Home


def assert_healed(home: Home, truth: Truth) -> None:
    """Hold the newest version, the receipts and the home's folders against the truth."""
    with database.published(home) as connection:
        rows = connection.execute("SELECT request_id, input_tokens, output_tokens FROM model.requests").fetchall()
        (version,) = connection.execute("SELECT version FROM mart.published").fetchone() or (None,)
        hours = connection.execute("SELECT sum(requests), sum(input_tokens) FROM model.usage_hourly").fetchone()
        months = connection.execute("SELECT sum(requests), sum(input_tokens) FROM model.usage_monthly").fetchone()
    stored = {call: tokens for call, *tokens in rows}
    assert len(rows) == len(stored), "calls are doubled"
    assert stored == {call: list(tokens) for call, tokens in truth.calls.items()}
    assert hours == months == (len(rows), sum(tokens[0] for tokens in truth.calls.values()))
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert missing_loads(build, control) == []
        assert control.execute("SELECT count(*) FROM load WHERE state <> 'landed'").fetchone() == (0,)
        for gateway in GATEWAYS:
            signed = control.execute("SELECT sum(rows) FROM load WHERE gateway = ?", (gateway,)).fetchone()
            assert build.execute(f"SELECT count(*) FROM raw_{gateway}.calls").fetchone() == signed
    for gateway in GATEWAYS:
        assert list((home.inbox / gateway).iterdir()) == []
    assert list(home.dlt.iterdir()) == []
    assert list(home.tmp.iterdir()) == []
    assert_published(home, version)


def assert_published(home: Home, version: int) -> None:
    """Pages and people have the same newest version; no part, log or spill of another is left."""
    assert database.current_version(home) == version
    with duckdb.connect(str(home.people_file), read_only=True) as people:
        assert people.execute("SELECT version FROM mart.published").fetchall() == [(version,)]
    left = [entry.name for folder in (home.published, home.published / "people") for entry in folder.iterdir()]
    assert [name for name in left if name.startswith(".") or not name.endswith(".duckdb")] in (
        ["current", "people"],
        ["people", "current"],
    )
    assert not home.people_file.with_name("warehouse.duckdb.wal").exists()
