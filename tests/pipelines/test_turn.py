"""Some connections of one provider, pulled together: a few at a time, each for itself."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from pipelines.bills import asking
from pipelines.bills.biller import billers
from pipelines.bills.pull import pull_each
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.misbehaviour import Query
from tests.conftest import MASTER_KEY
from tests.faults.test_many_connections import NOW, connected
from tests.pipelines.billed_world import World, world
from warehouse import database
from warehouse.control import credential

OPENAI = billers()["openai"]
pytestmark = pytest.mark.usefixtures("master_key")
_Route = Callable[[AdminApi, Query], dict[str, Any]]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A day's bill, and six accounts with a key each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        with world(tmp_path_factory.mktemp("many"), patch, days=1, calls=20) as made:
            patch.delenv("OPENAI_ADMIN_KEY")
            patch.setattr("pipelines.sandbox.admin_api.secrets.compare_digest", lambda *_: True)
            connected(made, 6)
            yield made


def _answering(made: World, monkeypatch: pytest.MonkeyPatch, answer: Callable[[_Route, AdminApi, Query], Any]) -> None:
    """Let `answer` answer what is asked, with the API's own route."""

    def put(route: _Route) -> _Route:
        return lambda api, query: answer(route, api, query)

    api = made.apis["openai"]
    routes: Mapping[str, _Route] = {path: put(route) for path, route in api.routes.items()}
    monkeypatch.setattr(api, "routes", routes)


def test_a_few_are_asked_at_once_and_no_more(many: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one answer is waited for others are asked, and there is a bound to how many."""
    lock, under_way, most = threading.Lock(), 0, 0

    def answer(route: _Route, api: AdminApi, query: Query) -> Any:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return route(api, query)

    _answering(many, monkeypatch, answer)
    found = pull_each(many.home, OPENAI, NOW, lambda *_: None)
    assert [one.skipped for one in found] == [None] * 6
    assert 2 <= most <= asking.MOST_AT_ONCE


def test_a_count_that_no_table_holds_is_held_back_alone(many: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All six bills are there; that one of them lacks a row is said, until it is told whole."""
    told = iter([10**30])
    # Once a day what was read is read again.
    tomorrow = NOW + timedelta(days=1)

    def answer(route: _Route, api: AdminApi, query: Query) -> Any:
        page = route(api, query)
        for bucket in page["data"]:
            for result in bucket["results"]:
                if "input_tokens" in result:
                    result["input_tokens"] = next(told, result["input_tokens"] + 1)
        return page

    _answering(many, monkeypatch, answer)
    found = pull_each(many.home, OPENAI, tomorrow, lambda *_: None)
    assert [one.skipped for one in found] == [None] * 6
    (odd,) = [one for one in found if one.notes]
    assert "1 row of raw_openai.usage_completions" in odd.notes[0]
    assert "a count that is none" in odd.notes[0]
    assert len({one.rows for one in found if not one.notes} - {0}) == 1
    monkeypatch.undo()
    # It is asked for again each day.
    again = pull_each(many.home, OPENAI, tomorrow + timedelta(days=1), lambda *_: None)
    assert [(one.skipped, one.notes) for one in again] == [(None, [])] * 6


def test_one_that_is_removed_while_others_are_read_stores_nothing(many: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was told before is thrown away at the landing."""
    with database.control(many.home) as control:
        gone = credential.of_account(control, None)[0]
    last = threading.Event()

    def answer(route: _Route, api: AdminApi, query: Query) -> Any:
        if not last.is_set():
            last.set()
            with database.control(many.home) as control:
                credential.remove(control, gone.account_no, gone.connection_no, NOW)
        return route(api, query)

    _answering(many, monkeypatch, answer)
    found = {one.connection_no: one.skipped for one in pull_each(many.home, OPENAI, NOW, lambda *_: None)}
    assert "removed" in (found.pop(gone.connection_no) or "")
    assert set(found.values()) == {None}
