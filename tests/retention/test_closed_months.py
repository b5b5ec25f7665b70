"""Closed months without whoever was erased: no byte, no export and no correction tells of them, and the chain holds."""

import csv
import json
import stat
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.backups import contents
from pipelines.cli import cli
from pipelines.exports import close, export
from retention import holding, rectify
from tests.pipelines.gateway_log import line, one, put, take_in
from tests.retention import byte_scan
from tests.retention.erased_world import NOW, Canary, begin, erased, lived
from tests.templates import Templates
from warehouse import database, publication
from warehouse.control import connection
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home
from warehouse.table_file import csv_rows

_ANNE, _BELA = Canary(1), Canary(2)
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
CLOSED = datetime(2026, 12, 10)  # noqa: DTZ001 (naive moments are UTC here)
LATER = datetime(2027, 1, 10)  # noqa: DTZ001
_CREW = {"account_id": "fleet", "ts": "2026-11-18T10:00:00Z", "project": "harbor", "team": "pier"}
_BILLED = ("2026-11-19", "2026-11-20")
Rows = list[dict[str, str]]


def _closed(home: Home) -> None:
    """Six days of calls of two accounts, of which the operator's bill tells two; November is closed."""
    crew = [{"request_id": f"c-{n}", "key_id": f"kim-lee-{n}", "user_id": f"kim-lee-{n}"} for n in range(5)]
    put(home, "crew.jsonl", [line(**_CREW, **each) for each in crew])
    lived(home, [_ANNE, _BELA])
    with database.control(home) as control, database.transaction(control):
        ids = OutsideIds(control, Vault(control, NOW), NOW)
        number = connection.of_environment(control, ids, "openai", "openai", NOW).connection_no
    take_in(home, NOW)
    with database.held(home.build_lock), database.build(home) as build:
        bills = [(day, number) for day in _BILLED]
        build.executemany("INSERT INTO model.bill_day VALUES (?, ?, 1, 5, 'settled')", bills)
        publication.changed(build)
        publication.publish(home, build, NOW)
    close.close(home, NOVEMBER, CLOSED)


@pytest.fixture
def closed(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with the calls of two accounts in November, which is closed."""
    assert master_key
    return templates.once(home, _closed)


def _exported(home: Home, folder: Path) -> Rows:
    """The rows of every month, whose sum is that of spend."""
    made = export.focus(home, str(folder), NOW)
    assert made.cost_usd == one(home, "SELECT sum(cost_usd) FROM mart.spend_daily")
    found = []
    for path in sorted(folder.rglob("focus.csv")):
        with path.open(newline="", encoding="utf-8") as handle:
            found += list(csv.DictReader(handle))
    return found


def _billed(rows: Rows) -> list[Decimal]:
    billed = dict.fromkeys(_BILLED, Decimal(0))
    for row in rows:
        if (day := row["ChargePeriodStart"][:10]) in billed:
            billed[day] += Decimal(row["BilledCost"])
    return list(billed.values())


def _of(rows: Rows, account: str) -> Rows:
    return [row for row in rows if row["BillingAccountId"] == account]


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_an_erased_account_is_in_no_closed_month(closed: Home, tmp_path: Path) -> None:
    """In no file of the month, no export, no correction, no backup's copy; others' rows and bills stay, and the chain.

    What somebody else's bill says stays whole: what it is more than its detail grows by what was in it of the erased.
    """
    before = _exported(closed, tmp_path / "out")
    close.close(closed, DECEMBER, LATER)
    with database.control(closed) as control:
        # Keys' names go with the years, from months that are closed not.
        control.execute("UPDATE label SET label = 'key 0' WHERE label = 'kim-lee-0'")
    was = json.loads((closed.root / "closes/2026-11/manifest.json").read_text())
    assert {name.partition("/")[0] for name in _ANNE.found(closed)} >= {"closes"}
    begin(closed, "account", _ANNE.account, now=LATER)
    receipt, person = erased(closed, "user", "kim-lee-0", now=LATER)
    assert _ANNE.found(closed) == {}
    crew = set().union(*byte_scan.found(closed.root / "closes", rb"kim-lee-\d").values())
    assert crew == {b"kim-lee-1", b"kim-lee-2", b"kim-lee-3", b"kim-lee-4"}
    told = [json.loads(each)["rows"] for each in (receipt, person)]
    assert [each.get("closes.focus_1_2") for each in told] == [6, None]
    assert told[0]["closes.changes"] == 6
    after = _exported(closed, tmp_path / "out")
    assert byte_scan.found(tmp_path / "out", rb"zq001\w*xv") == {}
    assert {row["ChargeClass"] for row in after} == {""}
    assert _of(after, _BELA.account) == _of(before, _BELA.account)
    assert _billed(after) == _billed(before) == [Decimal(5)] * 2
    assert len(after) == len(before) - 6
    # The report on the file is one on what is left of it.
    place = closed.root / "closes/2026-11"
    _, *rules = csv_rows((place / "focus_1_2_rules.csv").read_bytes())
    left = len(csv_rows((place / "focus_1_2.csv").read_bytes())) - 1
    assert {tuple(rule[2:4]) for rule in rules if rule[0].endswith("-length")} == {(str(left), "0")}
    with contents.taken(closed) as copied:
        assert {one.path.name for one in copied} >= {"focus_1_2.parquet"}
        assert byte_scan.found(copied[-1].path.parents[2], rb"zq001\w*xv") == {}
    assert close.wrong(closed) == []
    done = CliRunner().invoke(cli, ["close", "verify", "--home", str(closed.root)])
    assert done.output.splitlines() == [
        "2026-11: rewritten on 2027-01-10 by erasure 1",
        "2026-11: rewritten on 2027-01-10 by erasure 2",
        "2026-12: chained anew, its files as they were, on 2027-01-10 by erasure 1",
        "2026-12: chained anew, its files as they were, on 2027-01-10 by erasure 2",
        "Every closed month is what it was frozen as, but for that",
    ]
    now = json.loads((closed.root / "closes/2026-11/manifest.json").read_text())
    assert sum(Decimal(row["BilledCost"]) for row in after) == Decimal(now["billed_cost_usd"])
    assert Decimal(now["billed_cost_usd"]) < Decimal(was["billed_cost_usd"])
    assert stat.S_IMODE((closed.root / "closes/2026-11").stat().st_mode) == 0o700


def test_a_closed_month_leaves_no_key_once_protected(closed: Home, tmp_path: Path) -> None:
    """Closed with keys, it is exported as coarse as the version: a group of five is told, a key or one person never."""
    before = _exported(closed, tmp_path / "out")
    assert {"key", "team"} <= {name for row in before for name in json.loads(row["Tags"])}
    on = ["protect", "on", "--reason", "the works council asked", "--home", str(closed.root)]
    assert CliRunner().invoke(cli, on).exit_code == 0
    after = _exported(closed, tmp_path / "out")
    assert {row["Tags"] for row in after} == {"{}", '{"team":"pier"}'}
    assert {row["SubAccountId"] for row in after} == {"", "harbor"}
    assert byte_scan.found(tmp_path / "out", rb"kim-lee|zq00\d(key|project|team)xv") == {}
    assert {row["ChargeClass"] for row in after} == {""}
    (crew,) = [row for row in after if row["SubAccountId"]]
    assert crew["x_Requests"] == "5"
    assert _billed(after) == _billed(before)


@pytest.mark.clause("AL-8.2")
@pytest.mark.clause("VA-8.2")
def test_a_name_that_is_put_right_is_so_in_closed_months(closed: Home, tmp_path: Path) -> None:
    """An account's and a key's old name is in no file of them, and every sum and the chain stay."""
    before = _exported(closed, tmp_path / "out")
    for kind, new in (("account", "-Anne Ltd"), ("key", "main")):
        with database.control(closed) as control:
            found = holding.find(control, Vault(control, NOW), "-Anne Ltd" if kind == "key" else _ANNE.account)
        done = rectify.name(closed, found, kind, _ANNE.word(kind), new, LATER, lambda *_: None)
        assert done.found_in == ()
    assert byte_scan.found(closed.root / "closes", rb"zq001(account|key)xv") == {}
    after = _exported(closed, tmp_path / "out")
    assert {row["ChargeClass"] for row in after} == {""}
    mine = _of(after, "'-Anne Ltd")
    assert {json.loads(row["Tags"])["key"] for row in mine} == {"main"}
    assert [Decimal(row["BilledCost"]) for row in mine] == [
        Decimal(row["BilledCost"]) for row in _of(before, _ANNE.account)
    ]
    assert close.wrong(closed) == []
    assert [said.rpartition(" by ")[2] for said in close.rewritten(closed)] == ["a rectification"] * 2
