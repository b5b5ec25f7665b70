"""`apiledger prices` on real homes: what is learned changes nothing by itself, a reprice does what it said."""

import json
import os
import re
import stat
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import cli
from pipelines.errors import PriceFetchError
from pipelines.orchestration.retain import expire_home
from pipelines.prices import reprice
from retention.clock import Reading
from tests.pipelines.gateway_log import line, one, put, query, take_in
from warehouse import conservation, database, price_entry
from warehouse.control import reprice_wish
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.price_snapshot import store, stored

FIRST = datetime(2026, 11, 10, 12)  # noqa: DTZ001 naive moments are UTC
TENTH = FIRST.date()
COSTS = "SELECT requested_at::DATE::VARCHAR, model, list_cost_usd FROM model.requests ORDER BY ALL"


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pass here has its key."""
    return master_key


def apiledger(home: Home, *arguments: str) -> Result:
    """Run a command on this home."""
    return CliRunner().invoke(cli, ["prices", *arguments, "--home", str(home.root)])


def said(home: Home, *arguments: str) -> str:
    """What a command that succeeds says."""
    result = apiledger(home, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def verified(home: Home) -> str:
    """What `apiledger policy verify` says."""
    return CliRunner().invoke(cli, ["policy", "verify", "--home", str(home.root)]).output


def told(home: Home, *days: int, model: str = "mine", at: int = 10, name: str = "a", **fields: Any) -> None:
    """Lay calls of 10 and 5 tokens into the inbox, one a day of November 2026."""
    fields = {"model": model, **fields}
    lines = [line(request_id=f"{name}-{day}", ts=f"2026-11-{day:02}T{at:02}:00:00Z", **fields) for day in days]
    put(home, f"{name}.jsonl", lines)


def set_price(home: Home, now: datetime, input_mtok: str, since: date = TENTH, model: str = "mine") -> None:
    """Learn a price of input at a moment; output is twice it."""
    rates = {"input_mtok": Decimal(input_mtok), "output_mtok": 2 * Decimal(input_mtok)}
    price_entry.add(home, "openai", model, rates, since, now, source="a test")


def usd(*amounts: str | None) -> list[Decimal | None]:
    """Amounts as the warehouse gives them."""
    return [None if amount is None else Decimal(amount) for amount in amounts]


def costs(home: Home) -> list[Decimal | None]:
    """What each call cost, by day."""
    return [cost for *_, cost in query(home, COSTS)]


def test_a_price_learned_later_changes_no_day_that_was_told_before(home: Home) -> None:
    """Days that landed before keep NULL, also where a late row makes them anew; calls begun since have the price."""
    told(home, 10, 11)
    take_in(home, FIRST + timedelta(days=1, hours=1))
    set_price(home, FIRST + timedelta(days=1, hours=2), "1")
    told(home, 10, name="late", at=11)
    told(home, 11, name="after", at=15)
    told(home, 12, name="next")
    take_in(home, FIRST + timedelta(days=2))
    assert costs(home) == usd(None, None, "0.00002", None, "0.00002")


def test_what_is_known_when_a_log_first_lands_prices_it(home: Home) -> None:
    """Somebody who sets prices first and drops last month's logs then has priced logs."""
    set_price(home, FIRST + timedelta(days=5), "1")
    told(home, 10, 11)
    take_in(home, FIRST + timedelta(days=6))
    assert costs(home) == usd("0.00002", "0.00002")


def test_as_listed_now_stands_beside_as_listed_then(home: Home) -> None:
    """The mart has both, with what the gateway said; sums of days without a change are the same in both."""
    told(home, 10, 11, cost="0.5")
    told(home, 10, 11, model="gpt-4o", name="b")
    take_in(home, FIRST + timedelta(days=2))
    set_price(home, FIRST + timedelta(days=3), "1")
    take_in(home, FIRST + timedelta(days=3))
    mart = """SELECT day::VARCHAR, model, logged_cost_usd, list_cost_usd, list_cost_now_usd, contracted_cost_usd
        FROM mart.repriced_daily ORDER BY ALL"""
    then = Decimal("0.000075")
    assert query(home, mart) == [
        ("2026-11-10", "gpt-4o", None, then, then, then),
        ("2026-11-10", "mine", Decimal("0.5"), None, Decimal("0.00002"), None),
        ("2026-11-11", "gpt-4o", None, then, then, then),
        ("2026-11-11", "mine", Decimal("0.5"), None, Decimal("0.00002"), None),
    ]
    assert one(home, "SELECT count(*) FROM model.repriced_daily") == 2


def test_a_dry_run_says_what_a_reprice_does(home: Home) -> None:
    """The diff names day, model, calls, old and new; only without --dry-run is anything changed, at every grain."""
    told(home, 10, 11, 12)
    told(home, 11, model="gpt-4o", name="b")
    take_in(home, FIRST + timedelta(days=2))
    set_price(home, FIRST + timedelta(days=3), "100")
    shown = said(home, "reprice", "--from", "2026-11-11", "--dry-run")
    assert re.search(r"2026-11-11  mine +1 calls +unpriced -> \$0.0020\n2026-11-12  mine", shown)
    assert shown.endswith("$0.00 -> $0.0040 (+$0.0040): 2 days, 1 models\nNothing was changed\n")
    before = one(home, "SELECT version FROM mart.published")
    assert said(home, "reprice", "--from", "2026-11-11").endswith(f"Applied; version {before + 1} is published\n")
    assert costs(home) == usd(None, "0.000075", "0.002", "0.002")
    for table, when in (("usage_hourly", "hour::DATE"), ("usage_daily", "day")):
        sums = "sum(list_cost_usd), sum(unpriced_requests)"
        rows = f"SELECT {sums} FROM model.{table} WHERE model = 'mine' GROUP BY {when} ORDER BY {when}"
        assert query(home, rows) == [(None, 1), (Decimal("0.002"), 0), (Decimal("0.002"), 0)], table
    assert one(home, "SELECT sum(list_cost_usd) FROM model.usage_monthly") == Decimal("0.004075")
    assert one(home, "SELECT count(*) FROM model.repriced_daily WHERE day > '2026-11-10'") == 0
    moved = "SELECT day::VARCHAR, after_usd FROM model.change WHERE reason = 'repriced' ORDER BY 1"
    assert query(home, moved) == [("2026-11-11", Decimal("0.002075")), ("2026-11-12", Decimal("0.002"))]
    assert said(home, "reprice", "--from", "2026-11-11").startswith("No day would cost anything else")


def test_a_repriced_day_keeps_its_price_when_late_rows_make_it_anew(home: Home) -> None:
    """After the reprice the day is priced with what was known at it, of that model alone."""
    told(home, 10)
    told(home, 10, model="other", name="o")
    take_in(home, FIRST + timedelta(hours=1))
    set_price(home, FIRST + timedelta(hours=2), "1")
    set_price(home, FIRST + timedelta(hours=2), "1", model="other")
    reprice.run(home, FIRST.date(), FIRST.date(), "mine", FIRST + timedelta(hours=3), lambda *_: None)
    told(home, 10, name="late", at=11)
    told(home, 10, model="other", name="late other", at=11)
    take_in(home, FIRST + timedelta(hours=4))
    assert costs(home) == usd("0.00002", "0.00002", None, None)


def night(home: Home, day: datetime) -> None:
    """The expiry in the night after a day."""
    now = day.replace(hour=2) + timedelta(days=1)
    expire_home(home, Reading(now, "one", now.timestamp()), lambda *_: None, clock_is_right=True)


def test_sealed_days_are_repriced_and_closed_days_stay(home: Home) -> None:
    """Where raw rows are gone the calls are priced; where the calls have expired the books stay, and it is said."""
    (home.root / "policy.toml").write_text("[kept_days]\nR-requests = 20\n")
    told(home, 1, 20)
    take_in(home, datetime(2026, 11, 20, 12))  # noqa: DTZ001 UTC
    night(home, datetime(2026, 11, 24))  # noqa: DTZ001 UTC
    assert query(home, "SELECT day::VARCHAR FROM model.sealed_load") == [("2026-11-20",)]
    assert query(home, "SELECT day::VARCHAR FROM model.closed_day") == [("2026-11-01",)]
    set_price(home, datetime(2026, 11, 25), "100", since=date(2026, 11, 1))  # noqa: DTZ001 UTC
    shown = said(home, "reprice", "--from", "2026-11-01")
    assert "of 1 days whose calls have expired; they stay as they are" in shown
    days = "SELECT day::VARCHAR, list_cost_usd FROM model.usage_daily ORDER BY 1"
    assert query(home, days) == [("2026-11-01", None), ("2026-11-20", Decimal("0.002"))]
    now = "SELECT day::VARCHAR, list_cost_now_usd FROM mart.repriced_daily ORDER BY 1"
    assert query(home, now) == [("2026-11-01", Decimal("0.002")), ("2026-11-20", Decimal("0.002"))]
    with database.build(home) as connection:
        conservation.hold(connection)


def test_a_price_of_ones_own_keeps_what_the_file_says(home: Home) -> None:
    """Comments stay, the file is its owner's alone, a mistake leaves it as it was, and a reprice is offered."""
    path = home.root / "prices.toml"
    path.write_text("# ours, by contract\n")
    output = said(
        home, "set", "llama", "--provider", "my_gpu", "--input", "0.20", "--output", "1e-1", "--from", "2026-11-01"
    )
    assert "apiledger prices reprice --from 2026-11-01" in output
    text = path.read_text()
    assert text.startswith("# ours, by contract\n")
    assert 'input_mtok = "0.20"\noutput_mtok = "0.1"\n' in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for wrong in ("-1", "NaN", "1e9"):
        assert isinstance(
            apiledger(home, "set", "llama", "--provider", "p", "--input", wrong).exception, WarehouseError
        )
    assert apiledger(home, "set", "llama", "--provider", "p", "--input", "cheap").exit_code == 2
    assert path.read_text() == text
    assert not list(home.root.glob(".*.part"))


def test_unpriced_models_are_listed_with_a_suggestion_and_no_price(home: Home) -> None:
    """A typing mistake finds the model that was meant; its cost stays unknown."""
    told(home, 10, 11, model="gpt-4o-minni")
    told(home, 10, model="gpt-4o", name="b")
    take_in(home, FIRST + timedelta(days=2))
    shown = said(home, "unpriced")
    assert "openai/gpt-4o-minni  2 calls, 30 tokens, 2 days, 2026-11-10 to 2026-11-11" in shown
    assert "is it one of these? openai/gpt-4o-mini" in shown
    assert costs(home) == usd("0.000075", None, None)


class Published(BaseHTTPRequestHandler):
    """Serves the price list that the class holds."""

    content = b""

    def do_GET(self) -> None:
        """Give the list, or lead elsewhere."""
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/list")
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def published() -> Iterator[str]:
    """The address of a server of price lists."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Published) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/list"
        server.shutdown()


def listed(input_mtok: str, model: str = "gpt-4o") -> bytes:
    """A published list of one model of OpenAI's."""
    priced = {"id": model, "match": {"equals": model}, "prices": {"input_mtok": float(input_mtok), "output_mtok": 10}}
    provider = {"id": "openai", "name": "OpenAI", "api_pattern": "openai", "models": [priced]}
    return json.dumps([provider]).encode()


def test_a_newer_list_holds_for_calls_from_then_on(home: Home, published: str) -> None:
    """The diff is shown, the edition kept by date and hash; the past stays, a model it lacks keeps its price."""
    told(home, 10, model="gpt-4o")
    told(home, 10, model="gpt-4.1", name="b")
    take_in(home, FIRST + timedelta(hours=1))
    before = costs(home)
    Published.content = listed("5")
    shown = said(home, "update", "--url", published, "--dry-run")
    assert "openai/gpt-4o  input_mtok: 2.5 -> 5\n" in shown
    assert stored(home.root) == ()
    assert "it prices calls from" in said(home, "update", "--url", published)
    (edition,) = stored(home.root)
    assert stat.S_IMODE(edition.path.stat().st_mode) == 0o600
    assert said(home, "update", "--url", published) == "It is the list that is known already\n"
    told(home, 10, model="gpt-4o", name="late", at=11)
    take_in(home, FIRST + timedelta(hours=2))
    assert costs(home) == [before[0], *[before[1]] * 2]
    then = edition.known_from + timedelta(minutes=1)
    later = {"ts": then.isoformat() + "Z", "input_tokens": 10, "output_tokens": 0}
    put(home, "then.jsonl", [line(request_id=f"then {m}", model=m, **later) for m in ("gpt-4o", "gpt-4.1")])
    take_in(home, then + timedelta(minutes=1))
    rows = f"SELECT model, list_cost_usd, price_version FROM model.requests WHERE requested_at = '{then}' ORDER BY 1"
    (old, kept), (new, cost) = [(version, cost) for _, cost, version in query(home, rows)]
    assert (kept, cost) == (Decimal("0.00002"), Decimal("0.00005"))
    assert "no clause holds" not in verified(home)
    assert new == f"genai-prices {edition.known_from:%Y-%m-%d} {edition.sha256[:8]} openai/gpt-4o"
    assert edition.sha256[:8] not in old


def test_an_edition_that_was_changed_is_refused(home: Home) -> None:
    """A stored list is what its name says, or nothing is priced by it."""
    edition = store(home.root, listed("5"), FIRST)
    edition.path.write_bytes(listed("0"))
    told(home, 12, model="gpt-4o")
    with pytest.raises(WarehouseError, match="changed after it was fetched"):
        take_in(home, FIRST + timedelta(days=2))


@pytest.mark.parametrize(
    ("address", "content", "words"),
    [
        ("http://prices.example/list", b"", "https"),
        ("file:///etc/passwd", b"", "https"),
        ("{there}/moved", b"[]", "answered 302"),
        ("{there}/list", b"{", "not in the form"),
        ("{there}/list", b'{"providers": []}', "not in the form"),
        ("{there}/list", b"[]", "hold no price at all"),
    ],
)
def test_what_is_no_price_list_is_not_kept(
    address: str, content: bytes, words: str, home: Home, published: str
) -> None:
    """Nothing of it is stored, and the sentence says why."""
    Published.content = content
    error = apiledger(home, "update", "--url", address.format(there=published.removesuffix("/list"))).exception
    assert isinstance(error, (PriceFetchError, WarehouseError))
    assert words in str(error)
    assert not os.path.lexists(home.root / "prices") or not list((home.root / "prices").iterdir())


def test_two_lists_are_compared(home: Home, tmp_path: Path) -> None:
    """What LiteLLM's sheet says differently is listed rate by rate; a sheet that is none is told."""
    sheet = {
        "gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 3e-06, "output_cost_per_token": 1e-05},
        "gpt-4o-2024-08-06": {"litellm_provider": "openai", "input_cost_per_token": 9e-06},
        "nobody": {"litellm_provider": "openai", "input_cost_per_token": 1e-06},
    }
    path = tmp_path / "sheet.json"
    path.write_text(json.dumps(sheet))
    assert said(home, "diff", str(path)) == (
        "openai/gpt-4o  uncached_tokens: genai-prices 2.5, LiteLLM 3\n"
        "1 rates differ, of 2 that both lists have (USD per million tokens)\n"
    )
    path.write_text("[]")
    assert isinstance(apiledger(home, "diff", str(path)).exception, WarehouseError)


def test_the_next_pass_prices_what_was_asked_for(home: Home) -> None:
    """Of the model and from the day on; then it is done, holds for late rows as well, and is done once."""
    told(home, 10, 11)
    take_in(home, FIRST + timedelta(days=1))
    learned = FIRST + timedelta(days=2, hours=1)
    set_price(home, learned, "100")
    with database.control(home) as control:
        reprice_wish.put(control, "mine", date(2026, 11, 11), learned)
    take_in(home, FIRST + timedelta(days=2))
    assert costs(home) == usd(None, "0.002")
    told(home, 11, name="late", at=11)
    take_in(home, FIRST + timedelta(days=4))
    assert costs(home) == usd(None, "0.002", "0.002")
    assert one(home, "SELECT count(*) FROM model.reprice") == 1
    with database.control(home) as control:
        assert reprice_wish.listed(control) == []
    moved = "SELECT day::VARCHAR, after_usd FROM model.change WHERE reason = 'repriced' ORDER BY 1"
    assert query(home, moved) == [("2026-11-11", Decimal("0.002"))]


def test_a_long_call_has_a_price_of_its_own(home: Home) -> None:
    """Above its bound the whole call costs that; audio and calls have theirs; a lone long rate is refused by name."""
    usual = ("set", "mine", "--provider", "openai", "--input", "1", "--output", "2", "--from", "2026-11-10")
    refused = apiledger(home, *usual, "--long-above", "12", "--long-cached", "1")
    assert "cache_read_mtok" in str(refused.exception)
    assert apiledger(home, *usual, "--long-input", "1").exit_code == 2
    rates = {"input_mtok": Decimal(1), "output_mtok": Decimal(2), "requests_kcount": Decimal(1)}
    band = price_entry.LongContext(12, {"input_mtok": Decimal(10)})
    price_entry.add(home, "openai", "mine", rates, TENTH, FIRST, source="a test", long_context=band)
    told(home, 10)
    told(home, 11, name="long", input_tokens=100)
    take_in(home, FIRST + timedelta(days=2))
    assert costs(home) == usd("0.00102", "0.00201")
