"""Receipts of an expiry: what, under which clause, how many; no value, and no change goes unseen."""

from datetime import date

import pytest

from retention import receipts
from tests.pipelines.gateway_log import line, put, take_in
from tests.retention.gateway_days import night_of
from tests.templates import Templates
from warehouse import database
from warehouse.home import Home


@pytest.fixture
def expired(home: Home, templates: Templates, master_key: str) -> Home:
    """A home whose calls have expired up to their hours."""
    assert master_key

    def expired(home: Home) -> None:
        put(home, "a.jsonl", [line(request_id=f"canary-{n}", tags=["tag"], ip="203.0.113.8") for n in range(5)])
        take_in(home)
        night_of(home, date(2027, 5, 1))

    return templates.once(home, expired)


@pytest.mark.clause("AL-5.3")
def test_each_clause_leaves_a_receipt_without_a_value(expired: Home) -> None:
    """Clause, place, count and days; nothing of what the rows said."""
    with database.control(expired) as control:
        rows = control.execute("SELECT clause, place, things, first_day FROM expiry ORDER BY expiry_no").fetchall()
        everything = repr(control.execute("SELECT * FROM expiry").fetchall())
        assert receipts.broken(control) == []
    assert ("R-raw", "raw_gateway_jsonl.calls", 5, "2026-11-20") in rows
    assert ("R-requests", "model.request_tag", 5, "2026-11-20") in rows
    assert ("R-requests", "model.requests", 5, "2026-11-20") in rows
    assert ("R-client", "control.client", 1, "2026-11-20") in rows
    assert not any(word in everything for word in ("canary", "203.0.113.8", "acme"))


@pytest.mark.parametrize(
    "sql", ["UPDATE expiry SET things = 4 WHERE expiry_no = 2", "DELETE FROM expiry WHERE expiry_no = 2"]
)
def test_a_changed_receipt_is_found(expired: Home, sql: str) -> None:
    """A number that was changed or a receipt taken out breaks the chain."""
    with database.control(expired) as control:
        control.execute(sql)
        assert receipts.broken(control) != []
