"""F16 to F20: whatever a provider does, requests are bounded, no part of a page is stored, and the rest is complete."""

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from pipelines.bills import billing_api
from pipelines.bills.biller import billers
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull_all
from pipelines.errors import ProviderError
from pipelines.passage import run_pass
from tests.conftest import MASTER_KEY
from tests.pipelines.billed_world import ENDS, KEYS, LATER, World, world
from warehouse import database, money

BOTH = ("openai", "anthropic")
FAINTER = ("repeat", "shift", "early", "lost")
COSTS = {"openai": "raw_openai.costs", "anthropic": "raw_anthropic.cost_report"}
USAGE = {"openai": "raw_openai.usage_completions", "anthropic": "raw_anthropic.usage_messages"}
PASSING: tuple[str | int, ...] = (429, "retry-after", 500, 502, 503, 408, "drop", "cut", "torn")
TRIES = 6
TOKENS = ("uncached_tokens", "cache_read_tokens", "text_out_tokens")
# Before it reads, Anthropic's connector asks which dialect the key may read: the sandbox knows one alone.
PROBES = {"openai": 0, "anthropic": 1}


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pull here has its master key."""
    return master_key


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The requests of a first pull where all is well: every report's pages over 90 days."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        with world(tmp_path_factory.mktemp("well"), environment) as made:
            for provider in BOTH:
                made.pull(provider)
            return {provider: len(made.apis[provider].asked) for provider in BOTH}


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A week of one world."""
    with world(tmp_path, monkeypatch) as made:
        yield made


def raw(made: World, provider: str) -> tuple[Decimal, int, Counter[tuple[str, date]]]:
    """The dollars and requests that a provider's newest raw rows hold, and how often each day was told."""
    with database.held(made.home.build_lock), database.build(made.home) as build:
        query = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = ?"
        if build.execute(query, [f"raw_{provider}"]).fetchone() == (0,):
            return Decimal(0), 0, Counter()
        ((usd,),) = build.execute(f"SELECT coalesce(sum(amount_usd), 0) FROM {COSTS[provider]}").fetchall()
        listed = build.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall()
        counted = 0
        for report in billers()[provider].reports:
            # Embeddings have a report of their own; what else OpenAI counts is in no bill of the sandbox's.
            classes = [name for name in report.table.column_names if name in TOKENS]
            of_calls = report.table.full_name in {USAGE[provider], "raw_openai.usage_embeddings"}
            if of_calls and (report.table.full_name,) in listed:
                query = f"SELECT coalesce(sum({' + '.join(classes)}), 0) FROM {report.table.full_name}"
                counted += build.execute(query).fetchall()[0][0]
        told: Counter[tuple[str, date]] = Counter()
        for table in (COSTS[provider], USAGE[provider]):
            told.update(
                (table, day) for _, day in build.execute(f"SELECT DISTINCT pull_no, day FROM {table}").fetchall()
            )
    return usd, int(counted), told


def is_whole(made: World, provider: str) -> None:
    """Hold raw rows against the provider's own books: to the pico-dollar and the token, and no day told twice."""
    bill = made.apis[provider].bill
    usd, tokens, told = raw(made, provider)
    assert usd == made.billed(provider)
    assert tokens == sum(bill.usage[name].sum() for name in TOKENS)
    assert set(told.values()) == {1}
    assert {day for table, day in told if table == USAGE[provider]} == set(bill.usage["day"])


@pytest.mark.parametrize("provider", BOTH)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2, 3))])
def test_what_passes_leaves_no_row_out(seed: int, provider: str, billed: World, pages: dict[str, int]) -> None:
    """F16, F17: up to five failures before each answer, in any mix: six requests a page at most, rows complete."""
    chance = random.Random(seed)  # noqa: S311  # (nothing is kept secret by it)
    api = billed.apis[provider]
    for _ in range(pages[provider]):
        api.faults += [*chance.choices(PASSING, k=chance.randrange(TRIES)), ""]
    failures = sum(fault != "" for fault in api.faults)
    billed.pull(provider)
    assert failures > 0
    assert len(api.asked) == pages[provider] + failures <= pages[provider] * TRIES
    assert len(billed.pauses) == failures
    is_whole(billed, provider)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("fault", "provider"),
    [
        ("slow", "anthropic"),
        pytest.param("stall", "openai", marks=pytest.mark.soak),
        pytest.param("stall", "anthropic", marks=pytest.mark.soak),
        pytest.param("slow", "openai", marks=pytest.mark.soak),
    ],
)
def test_a_provider_that_stalls_hangs_no_run(
    fault: str, provider: str, billed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F17: silence, or a byte now and then, ends in time with an error that says so; the pass and the other go on."""
    monkeypatch.setattr(billing_api, "READ_S", 0.5)
    monkeypatch.setattr(billing_api, "ANSWER_S", 1.0)
    monkeypatch.setattr(billing_api, "MOST_TRIES", 2)
    billed.apis[provider].stall_s = 3.0
    billed.apis[provider].faults = [*[""] * PROBES[provider], fault, fault]
    started = time.monotonic()
    with pytest.raises(ProviderError, match=r"in time|too slowly"):
        billed.pull(provider)
    assert time.monotonic() - started < 10
    monkeypatch.setattr(billing_api, "MOST_TRIES", 1)
    billed.apis[provider].faults = [*[""] * PROBES[provider], fault]
    report = run_pass(billed.home, LATER.replace(tzinfo=None), lambda *_: None)
    assert {pulled.provider: pulled.skipped is None for pulled in report.pulled if pulled.provider in BOTH} == {
        name: name != provider for name in BOTH
    }
    assert report.version is not None
    billed.pull(provider)
    is_whole(billed, provider)


@pytest.mark.parametrize("provider", ["openai", pytest.param("anthropic", marks=pytest.mark.soak)])
@pytest.mark.parametrize("every", [1024, pytest.param(64, marks=pytest.mark.soak)])
def test_a_page_cut_anywhere_is_never_stored(
    every: int, provider: str, billed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F18: the last report's page cut at each 64 bytes, whole by its headers or not: partial pages stored 0."""
    monkeypatch.setattr(billing_api, "MOST_TRIES", 1)
    api = billed.apis[provider]
    billed.pull(provider, ENDS - timedelta(days=1))
    before = raw(billed, provider)
    # Days that the later pull reads again, so that every report has something to tell.
    api.bill = api.bill.restated({ENDS.date() - timedelta(days=2): Decimal("1.5")})
    api.asked.clear()
    api.faults = ["", 500]
    with pytest.raises(ProviderError):
        billed.pull(provider, ENDS)
    request = Request(api.address + api.asked[-1], headers={api.header: api.key})  # noqa: S310 (a server of the test's own)
    with urlopen(request, timeout=10) as answer:  # noqa: S310 (a server of the test's own)
        whole = len(answer.read())
    cuts = [f"{how}:{end}" for end in range(0, whole, every) for how in ("cut", "torn")]
    assert len(cuts) > 1500 // every
    stored = 0
    for cut in cuts:
        api.faults = ["", cut]
        with pytest.raises(ProviderError):
            billed.pull(provider, ENDS)
        stored += raw(billed, provider) != before
    assert stored == 0
    assert billed.pull(provider, ENDS).new_days > 0
    assert raw(billed, provider) != before


@pytest.mark.parametrize("provider", ["openai", pytest.param("anthropic", marks=pytest.mark.soak)])
@pytest.mark.parametrize("places", [(1,), pytest.param((0, 2, 3, 4, 5), marks=pytest.mark.soak)])
@pytest.mark.parametrize("fault", ["loop", "gap", *(pytest.param(one, marks=pytest.mark.soak) for one in FAINTER)])
def test_cursors_gone_wrong_make_no_gap_and_no_double(
    fault: str,
    places: tuple[int, ...],
    provider: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pages: dict[str, int],
) -> None:
    """F19: at each page of a pull, and of the one after: ended, gaps 0, doubles 0 once it is well."""
    ended = 0
    for at in places:
        with world(tmp_path / str(at), monkeypatch) as made:
            api = made.apis[provider]
            for now in (ENDS, LATER):
                api.faults = [*[""] * at, fault]
                api.asked.clear()
                try:
                    made.pull(provider, now)
                except ProviderError:
                    ended += 1
                assert len(api.asked) <= 2 * pages[provider] + 2
                api.faults = []
            made.pull(provider, LATER)
            is_whole(made, provider)
    # A page that is merely smaller, or the last one, is no error; a cursor is lost where there is one.
    assert ended == 0 if fault in {"shift", "early"} else ended > 0 or fault == "lost"


@pytest.mark.soak
@pytest.mark.parametrize("provider", BOTH)
def test_a_day_comes_late_then_higher_then_lower(provider: str, billed: World) -> None:
    """A day of 0 gets its lines, and a past day is restated up and down: spend is what the bill says now, each time."""
    api, now = billed.apis[provider], ENDS + timedelta(days=1)
    whole, day = api.bill, ENDS.date() - timedelta(days=1)
    api.billed_until = day
    spent = []
    for hour, factor in enumerate([None, "1", "1.5", "0.25", "0", "1"]):
        if factor is not None:
            api.billed_until = None
            api.bill = whole.restated({day: Decimal(factor)})
        billed.pull(provider, now + timedelta(hours=hour))
        billed.take_in(now + timedelta(hours=hour))
        ((usd,),) = billed.query(
            "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = ? AND day = ?", provider, day
        )
        spent.append(usd)
        if factor is not None:
            assert usd == api.bill.amount(day, day + timedelta(days=1))
    log, once, half_more, quarter, nothing, again = spent
    assert log > 0
    assert nothing == 0 < quarter < once < half_more
    assert again == once == money.from_pico(int(whole.lines.filter(whole.lines["day"] == day)["pico"].sum()))


@pytest.mark.parametrize("status", [401, 403])
def test_a_revoked_key_is_asked_once_a_day_and_the_other_goes_on(status: int, billed: World) -> None:
    """F20: of 48 half-hourly passes' pulls one asks the provider, and a day later one more; the other's bill lands.

    A 401 says the key is none; a 403 may mean one report alone, so each is asked for, once.
    """
    api = billed.apis["openai"]
    requests = len(billers()["openai"].reports) if status == 403 else 1
    began = LATER.replace(tzinfo=None)
    for half_hours in itertools.chain(range(48), [49]):
        api.faults = [status] * requests
        now = began + timedelta(minutes=30 * half_hours)
        with pytest.MonkeyPatch.context() as alone:
            if half_hours not in {0, 49}:
                # The other provider's pulls are looked at in the first and last alone.
                alone.delenv("ANTHROPIC_ADMIN_KEY")
            pulled = {told.provider: told for told in _pull_all(billed, now)}
        assert pulled["openai"].skipped
        assert KEYS["openai"] not in str(pulled["openai"].skipped)
        assert len(api.asked) == requests * (1 if half_hours < 48 else 2)
        assert half_hours not in {0, 49} or pulled["anthropic"].skipped is None
    is_whole(billed, "anthropic")
    assert raw(billed, "openai")[0] == 0


def _pull_all(made: World, now: datetime) -> list[Pulled]:
    return pull_all(made.home, now, lambda *_: None)
