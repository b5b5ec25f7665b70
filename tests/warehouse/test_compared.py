"""What is compared before a version: of a build nobody wrote to since the last one, only the months that moved."""

import os
from datetime import date

import duckdb
import pytest

from tests.pipelines.gateway_log import NOW, line, one, put, take_in
from tests.templates import Templates
from warehouse import compared, database, publication
from warehouse.conservation import ConservationError
from warehouse.home import Home

_WRONG = "UPDATE model.usage_monthly SET requests = requests + 1"


def _filled(home: Home) -> None:
    put(home, "a.jsonl", [line(request_id=f"{n}", ts=f"2026-11-{19 + n}T12:00:00Z") for n in range(2)])
    take_in(home)


@pytest.fixture
def filled(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with two days of calls of one month, published."""
    assert master_key
    return templates.once(home, _filled)


def _forged(home: Home) -> None:
    """A wrong sum in the build, whose size and time of change say that it is the version still."""
    with database.build(home) as connection:
        connection.execute(_WRONG)
        connection.execute("FORCE CHECKPOINT")
    newest = home.published / f"warehouse-{database.current_version(home)}.duckdb"
    newest.chmod(0o600)
    newest.write_bytes(home.build_file.read_bytes())
    status = home.build_file.stat()
    os.utime(newest, ns=(status.st_atime_ns, status.st_mtime_ns))
    newest.chmod(0o400)
    assert publication.is_build(home)


def test_a_tick_reads_the_months_that_moved(filled: Home) -> None:
    """The other months stand as they were compared before, whatever is in them; the one that moves is read."""
    _forged(filled)
    put(filled, "b.jsonl", [line(request_id="another year", ts="2025-01-01T00:00:00Z")])
    version = one(filled, "SELECT version FROM mart.published")
    take_in(filled)
    assert one(filled, "SELECT version FROM mart.published") == version + 1
    with database.build(filled) as connection, database.control(filled) as control:
        assert compared.months_since(control, connection) == set()
        publication.changed(connection, [date(2026, 11, 20), date(2026, 11, 3), date(2025, 2, 28)])
        assert compared.months_since(control, connection) == {date(2026, 11, 1), date(2025, 2, 1)}


def test_what_was_published_without_a_comparison_is_compared_whole(filled: Home) -> None:
    """An erasure publishes though a sum be wrong; the next tick reads everything, and publishes nothing."""
    _forged(filled)
    with database.held(filled.build_lock), database.build(filled) as connection:
        publication.changed(connection, days=())
        publication.publish(filled, connection, NOW)
    assert publication.is_build(filled)
    put(filled, "b.jsonl", [line(request_id="another year", ts="2025-01-01T00:00:00Z")])
    with pytest.raises(ConservationError, match=r"model.usage_monthly 2026-11"):
        take_in(filled)


def test_nothing_compared_is_everything_to_compare(filled: Home) -> None:
    """A home that no pass of this release published says so."""
    with database.build(filled) as connection, database.control(filled) as control:
        control.execute("DELETE FROM setting WHERE name = 'conserved_revision'")
        assert compared.months_since(control, connection) is None


def test_a_build_that_another_hand_wrote_is_compared_whole(filled: Home) -> None:
    """Its time of change differs from the version's."""
    with duckdb.connect(str(filled.build_file)) as connection:
        connection.execute(_WRONG)
    put(filled, "b.jsonl", [line(request_id="another year", ts="2025-01-01T00:00:00Z")])
    with pytest.raises(ConservationError, match=r"model.usage_monthly 2026-11"):
        take_in(filled)
