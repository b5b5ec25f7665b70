"""A day that lacks a row of its bill: its other rows land, it is said, and it is not settled until it is whole."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipelines.sandbox import vercel_api
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.misbehaviour import Query
from tests.pipelines.served_biller import NOW as PULLED
from tests.pipelines.served_biller import served

KEY = "sk-canary-odd-5f0e"
DAY = date(2026, 6, 27)


_SAID = """
    SELECT string_agg(DISTINCT settlement) FILTER (day = DATE '2026-06-27'),
        string_agg(DISTINCT settlement) FILTER (day <> DATE '2026-06-27'),
        (SELECT sum(quarantined_rows) FROM mart.freshness), sum(amount_usd),
        (SELECT coalesce(string_agg(note, ' '), '') FROM mart.coverage)
    FROM model.bill_day"""


_EVERY = """
    SELECT string_agg(DISTINCT settlement), (SELECT sum(quarantined_rows) FROM mart.freshness), sum(amount_usd)
    FROM model.bill_day WHERE day >= DATE '2026-06-01'"""


def _with(api: AdminApi, total_cost: str | None, *, undated: bool = False) -> None:
    """Let Vercel tell this as one cost of the day, or no day with one row."""

    def answer(api: AdminApi, query: Query) -> dict[str, Any]:
        told = vercel_api.serve(api.bill, KEY).routes["/report"](api, query)
        if total_cost is not None:
            for row in [row for row in told["results"] if row["day"] == DAY.isoformat()][:1]:
                row["total_cost"] = msgspec.Raw(total_cost.encode())
        if undated:
            told["results"][0]["day"] = "canary-32"
        return told

    api.routes = {"/report": answer}


def test_a_day_that_lacks_a_row_is_not_settled_until_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str
) -> None:
    """Its other rows land, it is said and counted; what was told whole stays, and an open day is asked for again."""
    assert master_key
    with served("vercel", tmp_path, monkeypatch) as one:
        whole = one.api.bill.amount(date(2000, 1, 1), date(2100, 1, 1))

        def told(cost: str | None, days: int) -> tuple[Any, ...]:
            _with(one.api, cost)
            pulled = one.pull(PULLED + timedelta(days=days))
            ((settled, others, held, billed, said),) = one.query(_SAID)
            assert others == "settled"
            assert ("held back" in " ".join(pulled.notes)) == (cost is not None) == (str(DAY) in said)
            return settled, held, billed, said

        settled, held, billed, said = told('"canary-31"', 0)
        assert (settled, held) == ("provisional", 1)
        assert 0 < billed < whole
        assert "an amount that is no number" in said
        assert "canary" not in said
        assert told(None, 1) == ("settled", 0, whole, "")
        # A row that says no day may be of any: all are open, none is less, and each report counts it once.
        _with(one.api, None, undated=True)
        notes = " ".join(one.pull(PULLED + timedelta(days=2)).notes)
        assert "which may be of 20" in notes
        assert "canary" not in notes
        ((every, held, billed),) = one.query(_EVERY)
        assert (every, held, billed) == ("provisional", 2, whole)
        # What was told whole is more than the rest of what is told now.
        assert told("1e400", 3)[:3] == ("provisional", 1, whole)
        # Weeks after the days that are read again daily, it is asked for still.
        one.api.asked.clear()
        one.pull(PULLED + timedelta(days=65))
        assert any("start_date=2026-06-27" in asked for asked in one.api.asked)
