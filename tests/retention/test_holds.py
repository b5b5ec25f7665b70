"""Holds: of what goes only sums, invoices and disputed calls stay, nothing personal, and not a night too long."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from retention import hunter, policy
from retention.errors import RetentionError
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention import byte_scan
from tests.retention.erased_world import NOW, Canary, erased, lived
from tests.retention.gateway_days import night_of
from warehouse import database
from warehouse.control import hold as holds
from warehouse.control import invoice as invoices
from warehouse.control.hold import Kept
from warehouse.errors import WarehouseError
from warehouse.home import Home

_ANNE, _BELA = Canary(1), Canary(2)
_TAX = ("HGB 257, GDPR 17(3)(b)", "tax audit 2026")
_UNTIL = date(2026, 12, 31)
_EVER = (date.min, date.max)


def _number(home: Home, canary: Canary) -> int:
    ((number,),) = query(home, f"SELECT account_no FROM model.account WHERE label = '{canary.account}'")
    return int(number)


def _held(home: Home, hold_no: int = 1) -> tuple[list[tuple[Any, ...]], Kept]:
    with database.control(home) as control:
        return holds.entries(control, hold_no), holds.kept(control, hold_no)


def _hold(home: Home, kind: str = "tax", days: tuple[date, date] = _EVER, until: date = _UNTIL) -> int:
    with database.control(home) as control:
        return holds.add(control, kind, [_number(home, _ANNE)], days, _TAX, until, NOW)


@pytest.mark.clause("AL-4.3")
@pytest.mark.clause("VA-4.7")
@pytest.mark.clause("VA-6.2")
def test_a_tax_hold_keeps_sums_and_nothing_personal(home: Home, master_key: str) -> None:
    """Erased under a hold: no canary in any byte; each day's sum is what it was; after its last day nothing is left."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    mine = f"SELECT day::VARCHAR, sum(requests), sum(cost_usd) FROM mart.spend_daily WHERE account = '{_ANNE.account}'"
    days, number = query(home, f"{mine} GROUP BY 1 ORDER BY 1"), _number(home, _ANNE)
    _hold(home)
    (receipt,) = erased(home, "account", _ANNE.account)
    assert _ANNE.found(home) == {}
    entries, kept = _held(home)
    assert [(day, calls, Decimal(usd)) for _, day, _, _, _, calls, usd, *_ in entries] == days
    assert {entry[0] for entry in entries} == {number}
    assert kept == Kept(6, 0)
    assert json.loads(receipt)["held"] == [
        {"hold": 1, "kind": "tax", "basis": _TAX[0], "until": "2026-12-31", "entries": 6, "requests": 0}
    ]
    assert query(home, f"SELECT count(*) FROM model.usage_daily WHERE account_no = {number}") == [(0,)]
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM data_key").fetchone() == (1,)
        assert control.execute("SELECT count(*) FROM client").fetchone() == (6,)
    assert hunter.offences(home, policy.load()) == []
    assert "R-holds" not in night_of(home, _UNTIL - timedelta(days=1)).by_clause()
    assert _held(home)[1] == Kept(6, 0)
    assert night_of(home, _UNTIL).by_clause()["R-holds"] == 7
    assert _held(home) == ([], Kept(0, 0))
    assert byte_scan.found(home.root, b"tax audit 2026") == {}


@pytest.mark.clause("VA-6.3")
def test_a_dispute_keeps_its_calls_until_it_is_decided(home: Home, master_key: str) -> None:
    """At erasure: those of the disputed days, without the id a log gave them; what was decided goes the night after."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    disputed = (NOW - timedelta(days=3)).date()
    hold_no = _hold(home, "dispute", (disputed, disputed + timedelta(days=1)))
    query_calls = "SELECT request_no, requested_at, list_cost_usd FROM model.requests WHERE account_no = "
    calls = query(
        home, f"{query_calls}{_number(home, _ANNE)} AND requested_at::DATE BETWEEN '2026-11-18' AND '2026-11-19'"
    )
    erased(home, "account", _ANNE.account)
    assert _ANNE.found(home) == {}
    with database.control(home) as control:
        rows = control.execute("SELECT request_no, requested_at, list_cost_usd, model FROM held_request").fetchall()
    told = sorted((number, database.moment(when), Decimal(usd)) for number, when, usd, _ in rows)
    assert told == sorted(calls)
    assert len(told) == 2
    assert _held(home)[1] == Kept(2, 2)
    with database.control(home) as control:
        holds.end(control, hold_no, NOW)
        with pytest.raises(WarehouseError, match="no hold of that number"):
            holds.end(control, hold_no, NOW)
    assert night_of(home, NOW.date()).by_clause()["R-holds"] == 5
    assert _held(home) == ([], Kept(0, 0))


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
@pytest.mark.clause("VA-6.2")
def test_what_expires_is_kept_where_it_is_held(short: Home) -> None:
    """Calls of a dispute after their days, sums of a tax hold after theirs; nobody else's, no tuned model's owner."""
    last = date(2026, 1, 5)
    lines = [each._line(0, ts=f"{last}T10:00:00Z", model="ft:gpt-4o:zq001owner::x1") for each in (_ANNE, _BELA)]
    put(short, "january.jsonl", lines)
    take_in(short, datetime(2026, 1, 6, 12))  # noqa: DTZ001 (naive moments are UTC here)
    for kind in ("tax", "dispute"):
        with database.control(short) as control:
            holds.add(control, kind, [_number(short, _ANNE)], (last, last), _TAX, date(2027, 1, 1), NOW)
    night_of(short, date(2026, 1, 10))
    assert _held(short, 2)[1] == Kept(0, 0)
    night_of(short, date(2026, 1, 20))
    assert (_held(short, 1)[1], _held(short, 2)[1]) == (Kept(0, 0), Kept(0, 1))
    with database.control(short) as control:
        assert control.execute("SELECT model FROM held_request").fetchall() == [("ft:gpt-4o",)]
    assert query(short, "SELECT count(*) FROM model.requests") == [(0,)]
    night_of(short, date(2026, 3, 10))
    assert query(short, "SELECT count(*) FROM model.usage_daily") == [(0,)]
    ((_, day, source, *_),) = _held(short, 1)[0]
    assert (day, source) == ("2026-01-05", "log")
    # Whoever is erased after that has months alone.
    with database.control(short) as control:
        holds.add(control, "legal", [_number(short, _ANNE)], _EVER, _TAX, date(2027, 1, 1), NOW)
    erased(short, "account", _ANNE.account)
    assert [(day, source) for _, day, source, *_ in _held(short, 3)[0]] == [("2026-01-01", "month")]
    assert _held(short, 1)[1] == Kept(1, 0)


@pytest.mark.clause("VA-6.2")
def test_an_invoice_is_held_with_its_days(home: Home, master_key: str) -> None:
    """Its amount and the sums it is tied to; no day outside it, no other invoice."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    number = _number(home, _ANNE)
    runner, where = CliRunner(), ["--home", str(home.root)]
    with database.control(home) as control:
        for name, day in (("INV-7", 17), ("INV-8", 19)):
            span = (date(2026, 11, day), date(2026, 11, day + 1))
            told = invoices.Invoice("openai", number, name, *span, Decimal("12.34"), currency="EUR")
            invoices.add(control, [told], NOW)
    why = ["--kind", "legal", "--basis", _TAX[0], "--reason", _TAX[1], "--until", "2099-12-31"]
    done = runner.invoke(cli, ["hold", "add", "--invoice", "openai/INV-7", *why, *where], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    erased(home, "account", _ANNE.account)
    entries, _ = _held(home)
    assert [(day, source, name) for _, day, source, _, name, *_ in entries] == [
        ("2026-11-17", "log", ""),
        ("2026-11-18", "invoice", "INV-7"),
        ("2026-11-18", "log", ""),
    ]
    shown = runner.invoke(cli, ["hold", "show", "1", *where], catch_exceptions=False).output
    assert f"{number},2026-11-18,invoice,openai,INV-7,,,EUR,12.34" in shown


@pytest.mark.soak
def test_the_plan_shows_what_is_held(home: Home, master_key: str) -> None:
    """Begun, listed, planned and ended by the command line; an erasure says what stays, and on which basis."""
    assert master_key
    lived(home, [_ANNE, _BELA])
    runner, where = CliRunner(), ["--home", str(home.root)]

    def run(*words: str) -> str:
        done = runner.invoke(cli, [*words, *where], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert run("hold", "list") == "Nothing is held\n"
    told = ["--kind", "tax", "--basis", _TAX[0], "--reason", _TAX[1], "--until", "2099-12-31"]
    with pytest.raises(RetentionError, match="no account is called so"):
        run("hold", "add", "--account", "nobody", *told)
    assert "Hold 1 keeps until 2099-12-31" in run("hold", "add", "--account", _ANNE.account, "--days", "2026-11", *told)
    planned = run("policy", "plan")
    assert "tax, until 2099-12-31: HGB 257, GDPR 17(3)(b); tax audit 2026" in planned
    assert f"{_ANNE.account}, 2026-11-01 to 2026-11-30: 0 sums and 0 calls" in planned
    assert f"without a name, until 2099-12-31: {_TAX[0]}" in run("erase", "account", _ANNE.account, "--yes")
    assert _ANNE.account not in run("hold", "list")
    assert "6 sums and 0 calls" in run("hold", "list")
    assert "goes in the next night" in run("hold", "end", "1")
    assert "ended; it goes in the next night" in run("policy", "plan")


@pytest.mark.parametrize(
    ("said", "until", "why"),
    [
        (_TAX, NOW.date(), "a day to come"),
        ((_TAX[0], "ada@team.example asked"), _UNTIL, "name no person"),
        (("203.0.113.5", _TAX[1]), _UNTIL, "name no person"),
        (("", _TAX[1]), _UNTIL, "3 to 160"),
    ],
)
def test_a_hold_says_why_and_until_when(home: Home, said: tuple[str, str], until: date, why: str) -> None:
    """Without a day to come or a basis there is none, and neither text may tell of a person."""
    with database.control(home) as control:
        with pytest.raises(WarehouseError, match=why):
            holds.add(control, "tax", [1], _EVER, said, until, NOW)
        assert holds.listed(control) == []
