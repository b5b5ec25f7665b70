"""Every provider with an HTTP API, however it misbehaves: rows whole or none, its key nowhere, its bill to the cent.

A provider gets these tests by being dropped in with its part of the sandbox, `pipelines/sandbox/<name>_api.py`.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipelines.bills import billing_api
from pipelines.errors import KeyRefusedError, ProviderError
from pipelines.orchestration.retain import policy_of
from retention import hunter
from tests.pipelines.served_biller import NAMES, NOW, Served, served

# At every commit each provider's bill and key are held; how it fails, in two of them, and in the soak in all.
EACH = pytest.mark.parametrize("provider", NAMES, indirect=True)
TWO = pytest.mark.parametrize(
    "provider",
    [name if name in {"openai", "vercel"} else pytest.param(name, marks=pytest.mark.soak) for name in NAMES],
    indirect=True,
)


@pytest.fixture
def provider(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str
) -> Iterator[Served]:
    """Each provider in turn."""
    assert master_key
    with served(request.param, tmp_path, monkeypatch) as made:
        yield made


@EACH
def test_its_bill_is_what_spend_adds_up_to(provider: Served) -> None:
    """A provider with a bill: spend is that bill, to the pico-dollar; every report has its raw table, with a clause."""
    assert provider.pull().rows > 0
    assert all(provider.stored().values())
    assert list(hunter.offences(provider.home, policy_of(provider.home))) == []
    if not any(report.kind == "costs" for report in provider.biller.reports):
        pytest.skip("it has no bill; what it estimates has tests of its own")
    ((spend,),) = provider.query("SELECT sum(cost_usd) FROM mart.spend_daily")
    assert spend == provider.api.bill.amount(date(2000, 1, 1), date(2100, 1, 1)) > 0


@TWO
def test_asked_again_it_adds_nothing(provider: Served) -> None:
    """A second pull within the hour that is told the same stores no row."""
    provider.pull()
    before = provider.stored()
    assert provider.pull(NOW + timedelta(minutes=10)).rows == 0
    assert provider.stored() == before


@pytest.mark.soak
@TWO
@pytest.mark.parametrize(
    "faults",
    [
        ["retry-after", "cut", 500],
        *(pytest.param(faults, marks=pytest.mark.soak) for faults in ([429, 429], [500, 503], ["drop"], ["cut"])),
    ],
)
def test_what_passes_is_tried_again_and_nothing_is_missing(
    faults: list[Any], provider: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many requests, errors, broken connections, half answers: bounded tries and the same rows as without."""
    # Which dialect a key reads may be told by a refusal, which has no body to cut.
    provider.api.faults = [*([""] if provider.biller.probe else []), *faults]
    provider.pull()
    assert len(provider.pauses) == len(faults)
    with served(provider.biller.name, tmp_path / "well", monkeypatch) as well:
        well.pull()
        assert provider.stored() == well.stored()


@TWO
@pytest.mark.parametrize(
    "fault", [404, *(pytest.param(fault, marks=pytest.mark.soak) for fault in (429, 500, "drop", "cut", 400))]
)
def test_a_provider_that_stays_wrong_stores_nothing(fault: str | int, provider: Served) -> None:
    """An error in bounded tries, not one row; and once it is well again all of them."""
    provider.api.faults = [fault] * 500
    with pytest.raises(ProviderError) as caught:
        provider.pull()
    assert provider.key not in str(caught.value)
    assert len(provider.api.asked) <= 2 * billing_api.MOST_TRIES
    assert not any(provider.stored().values())
    provider.api.faults = []
    assert provider.pull().rows > 0


@TWO
def test_pages_that_never_end_are_ended(provider: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that comes again: an error without a row, or, where there are no pages, the rows as they are."""
    provider.api.faults = ["loop"] * 500
    try:
        provider.pull()
    except ProviderError:
        assert not any(provider.stored().values())
        assert len(provider.api.asked) < 60
    else:
        with served(provider.biller.name, tmp_path / "well", monkeypatch) as well:
            well.pull()
            assert provider.stored() == well.stored()


@TWO
def test_a_stall_ends_in_time(provider: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that says nothing is given up and tried again."""
    monkeypatch.setattr(billing_api, "READ_S", 0.4)
    provider.api.stall_s, provider.api.faults = 1.0, ["stall"]
    provider.pull()
    assert len(provider.pauses) == 1


@pytest.mark.attack("T13")
@EACH
def test_a_refused_key_is_asked_once_and_repeated_nowhere(
    provider: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider echoes the key in its refusal; no error, log or file does, and it is not asked again today."""
    caplog.set_level("DEBUG")
    monkeypatch.setenv(provider.biller.key_variable, "sk-revoked-93d1f0aa7e")
    with pytest.raises(KeyRefusedError) as caught:
        provider.pull()
    assert "sk-revoked-93d1f0aa7e" not in f"{caught.value!r} {caplog.text}"
    assert provider.pull().skipped
    assert len(provider.api.asked) == 1
    monkeypatch.setenv(provider.biller.key_variable, provider.key)
    assert provider.pull().rows > 0
    files = [path for path in provider.home.root.rglob("*") if path.is_file() and not path.is_symlink()]
    for key in ("sk-revoked-93d1f0aa7e", provider.key):
        assert [path for path in files if key.encode() in path.read_bytes()] == []
        assert key not in caplog.text


@EACH
def test_a_redirect_never_carries_the_key_on(provider: Served) -> None:
    """The server a redirect leads to is never spoken to."""
    met: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            met.append(self.path)
            self.send_error(500)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        provider.api.faults = [f"http://127.0.0.1:{server.server_port}/elsewhere"]
        with pytest.raises(ProviderError, match="redirect"):
            provider.pull()
        server.shutdown()
    assert met == []


@pytest.mark.soak
@TWO
def test_one_report_that_the_key_may_not_read_leaves_the_others(
    provider: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 403 on one path: it is left out and said, the others land; once it may be read, all of its days do."""
    with served(provider.biller.name, tmp_path / "well", monkeypatch) as well:
        well.pull()
        everything = well.stored()
        paths = [path.partition("?")[0] for path in well.api.asked]
    if len(set(paths)) == 1:
        pytest.skip("it has one path alone: that refused is the key refused")
    monkeypatch.setenv(provider.biller.address_variable, provider.api.address)
    refused_at = paths.index(paths[-1])
    provider.api.faults = [*[""] * refused_at, 403]
    told = provider.pull()
    assert any("left out" in note for note in told.notes)
    assert {name for name, rows in provider.stored().items() if rows} == set(list(everything)[:-1])
    assert any("left out" in note for (note,) in provider.query("SELECT note FROM mart.coverage"))
    later = NOW + timedelta(days=1)
    assert not any("left out" in note for note in provider.pull(later).notes)
    assert provider.query("SELECT note FROM mart.coverage WHERE note LIKE '%left out%'") == []
    (last,) = list(everything)[-1:]
    assert len(provider.stored()[last]) >= len(everything[last])
