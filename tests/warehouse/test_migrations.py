"""Migrations: each once, in order, after a copy; a newer home is refused, a broken step is undone."""

import sqlite3
from pathlib import Path

import duckdb
import pytest

from tests.pipelines.gateway_log import line, one, put, query, take_in
from warehouse import database, migrations
from warehouse.control import schema
from warehouse.errors import WarehouseError
from warehouse.home import Home


@pytest.fixture
def filled(home: Home, master_key: str) -> Home:
    """A home of this program with one call."""
    assert master_key
    put(home, "a.jsonl", [line()])
    take_in(home)
    return home


def m002_later(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a table of what is there, as a later release may."""
    connection.execute("CREATE TABLE model.later AS SELECT label FROM model.account")


def m002_broken(connection: duckdb.DuckDBPyConnection) -> None:
    """Fail half-way."""
    connection.execute("ALTER TABLE model.account ADD COLUMN note VARCHAR")
    connection.execute("SELECT * FROM nowhere")


def test_a_home_is_brought_up_once_after_a_copy(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next release's step runs on the rows there are; the file as it was lies beside it, private."""
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, m002_later))
    take_in(filled)
    copy = filled.build_file.with_name("warehouse.before-m002_later.duckdb")
    assert copy.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(copy), read_only=True) as before:
        assert before.execute("SELECT count(*) FROM model.requests").fetchone() == (1,)
    written = copy.stat().st_mtime_ns
    put(filled, "b.jsonl", [line(request_id="b")])
    take_in(filled)
    assert copy.stat().st_mtime_ns == written
    assert query(filled, "FROM model.later") == [("acme",)]
    assert one(filled, "SELECT count(*) FROM model.requests") == 2


def test_a_step_that_fails_is_undone(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a step is none: the program of before goes on with the home as it was."""
    steps = migrations.MIGRATIONS
    monkeypatch.setattr(migrations, "MIGRATIONS", (*steps, m002_broken))
    with pytest.raises(duckdb.Error, match="nowhere"):
        take_in(filled)
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    put(filled, "b.jsonl", [line(request_id="b")])
    take_in(filled)
    assert one(filled, "SELECT count(*) FROM model.requests") == 2


def test_a_home_of_a_newer_program_is_refused(filled: Home) -> None:
    """The build and the control store each say that the program, not the home, is what to change."""
    with duckdb.connect(str(filled.build_file)) as connection:
        connection.execute("INSERT INTO main.migration VALUES ('m999_later')")
    with pytest.raises(WarehouseError, match=r"newer apiledger \(m999_later\): update the program"):
        take_in(filled)
    with sqlite3.connect(filled.control_file) as control:
        control.execute("INSERT INTO migration VALUES ('m998_later')")
    control.close()
    with pytest.raises(WarehouseError, match=r"newer apiledger \(m998_later\): update the program"):
        take_in(filled)


def test_the_control_store_is_brought_up_after_a_copy(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later step of the control store keeps its rows and leaves the store of before beside it."""
    later = ("m900_later", "CREATE TABLE later (n INTEGER) STRICT; INSERT INTO later VALUES (1);")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, later))
    with database.control(filled) as control:
        assert control.execute("SELECT n FROM later").fetchall() == [(1,)]
        assert control.execute("SELECT count(*) FROM load WHERE state = 'landed'").fetchone() == (1,)
    copy = filled.control_file.with_name("control.before-m900_later.sqlite")
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as before:
        assert before.execute("SELECT count(*) FROM load").fetchone() == (1,)
        assert before.execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchone() is None
    before.close()


def test_an_erasure_of_an_older_store_keeps_what_it_was_of(
    tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kind, receipt and tombstone stay bound to it, a member's is possible now, and unbound places are forgotten."""
    assert master_key
    home, steps = Home(tmp_path / "older").make(), schema.MIGRATIONS
    names = [name for name, _ in steps]
    monkeypatch.setattr(schema, "MIGRATIONS", steps[: names.index("m026_erased_people")])
    with database.control(home) as control:
        made = "INSERT INTO erasure (kind, step, begun_at, counts) VALUES ('{}', 'done', '2026-11-01', '{{}}')"
        for kind in ("user", "account"):
            control.execute(made.format(kind))
        control.execute("INSERT INTO erasure_receipt (erasure_no, receipt, chain) VALUES (1, '{}', 'c')")
        control.execute("INSERT INTO tombstone VALUES (7, 'user', 'g', x'00', '2026-11-01', 1)")
        control.execute("INSERT INTO known_place VALUES (x'01', '2026-11-01')")
        with pytest.raises(sqlite3.IntegrityError):
            control.execute(made.format("member"))
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    with database.control(home) as control:
        assert control.execute("SELECT erasure_no, kind FROM erasure").fetchall() == [(1, "user"), (2, "account")]
        assert control.execute("PRAGMA foreign_key_check").fetchall() == []
        assert control.execute("SELECT count(*) FROM known_place").fetchone() == (0,)
        control.execute(made.format("member"))
        with pytest.raises(sqlite3.IntegrityError):
            control.execute("DELETE FROM erasure WHERE erasure_no = 1")


def test_a_new_file_is_what_the_steps_come_to() -> None:
    """Every table, column, type and meaning, whichever way a file came to be."""
    forms = []
    for steps in ((migrations.make,), migrations.MIGRATIONS):
        with duckdb.connect() as connection:
            for step in steps:
                step(connection)
            asked = "schema_name, table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns()"
            meant = "schema_name, table_name, comment FROM duckdb_tables()"
            where = "WHERE NOT internal ORDER BY ALL"
            forms.append(
                (
                    connection.execute(f"SELECT {asked} {where}").fetchall(),
                    connection.execute(f"SELECT {meant} {where}").fetchall(),
                    [
                        connection.execute(f"SELECT count(*) FROM {schema}.{name}").fetchone()
                        for schema, name, _ in connection.execute(f"SELECT {meant} {where}").fetchall()
                    ],
                )
            )
    assert forms[0] == forms[1]
    assert len(forms[0][1]) > 50


@pytest.mark.soak
def test_calls_of_before_get_the_upstream_that_is_still_known(filled: Home) -> None:
    """A home whose calls had a column for who paid: same rows; what raw rows tell of is made again, else unknown."""
    put(filled, "b.jsonl", [line(request_id="b", upstream="openai/lab")])
    put(filled, "c.jsonl", [line(request_id="c", ts="2026-11-19T10:00:00Z", upstream="openai/lab")])
    take_in(filled)
    tables = ("requests", "usage_hourly", "usage_daily", "usage_monthly")
    before = [query(filled, f"SELECT * EXCLUDE (upstream_no) FROM model.{name} ORDER BY ALL") for name in tables]
    with duckdb.connect(str(filled.build_file)) as connection:
        for name in tables:
            connection.execute(f"ALTER TABLE model.{name} RENAME COLUMN upstream_no TO connection_no")
            connection.execute(f"UPDATE model.{name} SET connection_no = NULL")
        connection.execute("ALTER TABLE model.spend_daily DROP COLUMN connection_no")
        connection.execute("DROP TABLE model.upstream_claim; DROP TABLE model.unclaimed_daily")
        # Its calls are known, its raw rows are gone.
        connection.execute("DELETE FROM raw_gateway_jsonl.calls WHERE request_id = 'c'")
        connection.execute(
            "INSERT INTO model.sealed_load FROM model.built_load SELECT day, gateway, load_no, 1 "
            "WHERE day = '2026-11-19'"
        )
        connection.execute("DELETE FROM main.migration WHERE name = 'm040_upstream'")
    take_in(filled)
    assert before == [
        query(filled, f"SELECT * EXCLUDE (upstream_no) FROM model.{name} ORDER BY ALL") for name in tables
    ]
    told = "SELECT request_id, upstream_no IS NOT NULL FROM model.requests ORDER BY 1"
    assert query(filled, told) == [("b", True), ("c", False), ("call-1", False)]
    assert one(filled, "SELECT count(*) FROM model.usage_daily WHERE upstream_no IS NOT NULL") == 1
