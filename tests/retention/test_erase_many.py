"""200 accounts with a canary in each of 25 classes of data: found before, in no file after, and others untouched."""

import random

import pytest

from pipelines.exports import export
from pipelines.materialization.landed import missing_loads
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention import byte_scan
from tests.retention.erased_world import NOW, Canary, erased
from warehouse import conservation, database
from warehouse.control.vault import Vault
from warehouse.home import Home

_ERASED, _LEFT = 200, 5
# Class of data -> where it is looked for before: raw bytes of a file, or opened, table by table, in the control store.
PLAIN = ("account", "key", "project", "team", "tag", "request")
SEALED = ("account", "key", "project", "team", "upstream", "user", "end_user")
TABLES = (
    "model.requests", "model.request_tag", "model.usage_hourly", "model.usage_daily", "model.usage_monthly",
    "model.latency_hourly", "model.latency_daily", "model.change", "raw_gateway_jsonl.calls",
)  # fmt: skip
CONTROL = ("client", "data_key", "label")


def _classes(home: Home, canary: Canary, vault: Vault) -> set[str]:
    """Which of the 25 classes of an account's data are there."""
    found: set[str] = set()
    with database.read_only(home.build_file) as build, database.control(home) as control:
        accounts = "SELECT no, gateway, lookup FROM outside_id WHERE kind = 'account'"
        numbers = [
            no
            for no, gateway, lookup in control.execute(accounts)
            if lookup == vault.lookup("account", gateway, "0", canary.account)
        ]
        for no in numbers:
            rows = control.execute("SELECT kind, sealed FROM outside_id WHERE account_no = ?", (no,)).fetchall()
            opened = [(kind, vault.open(no, "outside_id.sealed", sealed)) for kind, sealed in rows]
            found |= {f"sealed {kind}" for kind, text in opened if canary.word(kind) in text}
            found |= {
                f"control.{name}"
                for name in CONTROL
                if name != "label" and control.execute(f"SELECT 1 FROM {name} WHERE account_no = ?", (no,)).fetchone()
            }
            for table in TABLES:
                only = "request_no IN (SELECT request_no FROM model.requests WHERE account_no = ?)"
                only = only if table == "model.request_tag" else "account_no = ?"
                if build.execute(f"SELECT 1 FROM {table} WHERE {only} LIMIT 1", [no]).fetchone():
                    found.add(table)
        if control.execute("SELECT 1 FROM label WHERE label = ?", (canary.account,)).fetchone():
            found.add("control.label")
    return found


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("packed", [True, False])
def test_nothing_of_two_hundred_accounts_is_left(
    home: Home, master_key: str, packed: bool, request: pytest.FixtureRequest
) -> None:
    """In one go, after passes, an export and a refused file; with DuckDB's compression and without it."""
    assert master_key
    if not packed:
        request.getfixturevalue("plain_bytes")
    gone, left = [Canary(n) for n in range(_ERASED)], [Canary(900 + n) for n in range(_LEFT)]
    lines = [line for each in (*gone, *left) for line in each.lines(range(4))]
    random.Random(1).shuffle(lines)  # noqa: S311 (repeatable, not secret)
    for number in range(4):
        put(home, f"{number}.jsonl.gz", lines[number::4])
        take_in(home)
    export.marts(home, str(home.root.parent / "export"), NOW)
    put(home, "broken.jsonl.refused", [gone[0].account])
    classes = len(PLAIN) + len(SEALED) + len(TABLES) + len(CONTROL)
    assert classes == 25
    with database.control(home) as control:
        vault = Vault(control, NOW)
        before = b" ".join(word for words in byte_found(home).values() for word in words)
        for canary in gone:
            assert [what for what in PLAIN if canary.word(what).encode() not in before] == []
            assert len(_classes(home, canary, vault)) == classes - len(PLAIN), canary
        kept = query(home, "SELECT * FROM mart.spend_daily WHERE account LIKE 'zq9%' ORDER BY ALL")
        receipts = erased(home, "account", *(canary.account for canary in gone))
        assert len(receipts) == _ERASED
        assert byte_found(home) == {}
        assert [canary for canary in gone if _classes(home, canary, vault)] == []
    assert query(home, "SELECT * FROM mart.spend_daily ORDER BY ALL") == kept
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert missing_loads(build, control) == []
        assert conservation.differences(build) == []
    # Offered again a thousand times: none lands.
    put(home, "again.jsonl", (lines * 2)[: 5 * 200])
    take_in(home)
    assert query(home, "SELECT * FROM mart.spend_daily ORDER BY ALL") == kept


def byte_found(home: Home) -> dict[str, set[bytes]]:
    """What of the two hundred any file holds; the words of those who stay begin with a 9."""
    return byte_scan.found(home.root, rb"zq[0-8]\d\d[a-z]*xv")
