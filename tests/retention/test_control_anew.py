"""The control store is written anew where something goes for good: SQLite zeroes a deleted row, not each copy of it."""

import random

import pytest

from tests.pipelines.gateway_log import put, take_in
from tests.retention.erased_world import NOW, Canary, erased
from tests.retention.people_world import moved_in
from warehouse import database
from warehouse.control import store_file
from warehouse.home import Home

_NAMES = 3000
_STAYS = 15
_ANNE, _BELA = Canary(1), Canary(2)


def _name(number: int) -> str:
    return f"zq{number:04d}canary"


def _claimed(home: Home, goes: int, stays: int, seed: int) -> None:
    """Three thousand names in a drawn order: a tree of them is balanced again and again."""
    drawn = list(range(_NAMES))
    random.Random(seed).shuffle(drawn)  # noqa: S311 (an order, not a secret)
    with database.control(home) as control:
        for first in range(0, _NAMES, 50):
            some = [(_name(each), goes if each % _STAYS else stays) for each in drawn[first : first + 50]]
            with database.transaction(control):
                query = "INSERT INTO claim VALUES (?, ?, ?, NULL)"
                control.executemany(query, [(*each, database.stamp(NOW)) for each in some])


def _left(home: Home) -> list[str]:
    """The names that should be gone and lie in the store's bytes."""
    held = b"".join(path.read_bytes() for path in home.root.glob("control.sqlite*"))
    return [name for name in map(_name, filter(lambda each: each % _STAYS, range(_NAMES))) if name.encode() in held]


@pytest.mark.clause("AL-4.2")
@pytest.mark.usefixtures("master_key")
@pytest.mark.parametrize("seed", [1, 7, 11])
def test_no_slack_of_a_page_keeps_a_name_of_the_erased(home: Home, seed: int) -> None:
    """Of an account's names none is left, and another's are all there."""
    put(home, "calls.jsonl", [*_ANNE.lines(), *_BELA.lines()])
    take_in(home)
    anne, bela = (moved_in(home, each).account_no for each in (_ANNE, _BELA))
    _claimed(home, anne, bela, seed)
    assert len(_left(home)) == _NAMES - _NAMES // _STAYS
    erased(home, "account", str(anne))
    assert _left(home) == []
    with database.control(home) as control:
        kept = control.execute("SELECT count(*) FROM claim WHERE account_no = ? AND label LIKE 'zq%'", (bela,))
        assert kept.fetchone()[0] >= _NAMES // _STAYS


@pytest.mark.usefixtures("master_key")
def test_a_store_is_written_anew_beside_a_reader(home: Home) -> None:
    """Who reads meanwhile goes on with what there was, and sees no row differ afterwards."""
    with database.control(home) as control:
        control.execute("INSERT INTO account VALUES (7, 0, ?)", (database.stamp(NOW),))
    _claimed(home, 7, 7, 3)
    with database.control(home) as control, database.control(home) as reader:
        before = reader.execute("SELECT rowid, * FROM claim ORDER BY label").fetchall()
        cursor = reader.execute("SELECT label FROM claim")
        assert cursor.fetchone()
        control.execute("PRAGMA busy_timeout=200")
        store_file.renew(control)
        assert len(cursor.fetchall()) == _NAMES - 1
        assert reader.execute("SELECT rowid, * FROM claim ORDER BY label").fetchall() == before
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert control.execute("PRAGMA journal_mode").fetchone() == ("wal",)
