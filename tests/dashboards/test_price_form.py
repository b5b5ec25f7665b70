"""A model without a price is priced by a form: the operator's alone, begun with a suggestion, into the home's file."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.access import session
from dashboards.entry import price_form
from dashboards.gate import Gate
from dashboards.people import sign_in
from tests.dashboards import made_version
from tests.dashboards.people_site import EMAIL, HASH, Site, as_member, served, token
from tests.templates import Templates
from warehouse import database
from warehouse.control import claim, reprice_wish
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home
from warehouse.price_overlay import Overlay

NOW = datetime.now(UTC).replace(tzinfo=None)
ASKED = {"provider": "openai", "model": "gpt-4.1-minni", "tier": ""}
PAGE = "/price?provider=openai&model=gpt-4.1-minni&tier="
HOSTILE = "<script>alert(1)</script>"
_ROW = (
    "INSERT INTO mart.spend_daily (day, account, provider, model, requests, input_tokens, output_tokens,"
    " unpriced_requests, basis) VALUES"
    " ('2026-06-01', '{account}', '{provider}', '{model}', 3, 1000, 500, 3, 'log');"
)


def _published(home: Home) -> None:
    rows = [("acme", "openai", ASKED["model"]), ("acme", "gpu", HOSTILE), ("adas", "openai", "adas-secret-model")]
    text = "".join(_ROW.format(account=account, provider=of, model=model) for account, of, model in rows)
    made_version.publish(home, 1, NOW, extra=f"DELETE FROM mart.spend_daily; {text}")


@pytest.fixture
def site(home: Home, master_key: str, templates: Templates) -> Iterator[Site]:
    """A version with an unpriced model of the operator's and one of Ada's; the operator signed in."""
    assert master_key
    templates.once(home, _published)
    with database.control(home) as control:
        vault = Vault(control, NOW)
        operator = members.operator(control, vault, NOW)
        assert members.sign_up(control, vault, EMAIL, HASH, NOW)
        ada = members.find(control, vault, EMAIL)
        assert ada
        claim.put(control, "adas", ada[0].account_no, NOW)
    app = Starlette(routes=[*sign_in.ROUTES, *price_form.ROUTES], middleware=[Middleware(Gate)])
    with served(app) as port:
        site = Site(port, home)
        as_member(site, operator.member_no, NOW)
        yield site


def _fields(site: Site, **changed: str) -> dict[str, str]:
    usual = {"input_mtok": "0.40", "output_mtok": "1.60", "since": "2026-06-01", "source": "their page", "again": "yes"}
    return {"form": token(site.ask("GET", PAGE)[2]), **ASKED, **usual, **changed}


def _file(site: Site) -> str:
    path = site.home.root / "prices.toml"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _filled(text: str) -> dict[str, str]:
    return dict(re.findall(r'<input id="(\w+_mtok)"[^>]* value="([^"]*)"', text))


def test_a_suggestion_fills_the_form_and_prices_nothing(site: Site) -> None:
    """The nearest known model's rates stand there, others are a click away; nothing is written until they are sent."""
    listed = site.ask("GET", "/price")[2]
    assert "openai/gpt-4.1-minni" in listed
    assert "adas-secret-model" not in listed
    assert HOSTILE not in listed
    status, _, text = site.ask("GET", PAGE)
    assert status == 200
    assert "Is it one of these? <strong>openai/gpt-4.1-mini</strong>" in text
    assert _filled(text) == {"input_mtok": "0.4", "output_mtok": "1.6", "cache_read_mtok": "0.1"}
    other = site.ask("GET", f"{PAGE}&like=openai/gpt-4o-mini")[2]
    assert _filled(other)["input_mtok"] == "0.15"
    assert _filled(site.ask("GET", f"{PAGE}&like=openai/gpt-3.5-turbo")[2]) == {}
    assert _file(site) == ""


def test_a_price_that_is_sent_stands_in_the_home(site: Site) -> None:
    """With audio, images and long calls, from its day on; the next pass is asked to price what was before."""
    long = {"above_tokens": "200000", "long_input_mtok": "0.8"}
    more = {"input_audio_mtok": "10", "input_image_mtok": "3", "requests_kcount": "2"}
    assert site.post("/price", _fields(site, **long, **more))[0] == 303
    (entry,) = Overlay.read((site.home.root / "prices.toml",)).entries
    assert (entry.provider, entry.model, entry.valid_from) == ("openai", ASKED["model"], date(2026, 6, 1))
    rates = {"input_mtok": "0.40", "output_mtok": "1.60", **more}
    assert entry.named() == {name: Decimal(rate) for name, rate in rates.items()}
    (band,) = entry.long_context
    assert (band.above_tokens, band.input_mtok, band.output_mtok) == (200_000, Decimal("0.8"), Decimal("1.60"))
    with database.control(site.home) as control:
        assert [(one.model, one.first_day) for one in reprice_wish.listed(control)] == [
            (ASKED["model"], date(2026, 6, 1))
        ]
        acts = "SELECT count(*), count(actor_no) FROM audit WHERE act = 'price.set'"
        assert control.execute(acts).fetchone() == (1, 1)
    text = site.ask("GET", "/price?said=again")[2]
    assert "the next pass prices those of before" in text
    assert text.count("it has a price for calls to come") == 1
    assert (site.home.root / "prices.toml").stat().st_mode & 0o777 == 0o600


def test_what_is_no_price_is_refused_and_its_field_named(site: Site) -> None:
    """Nothing is written and nothing is asked for; what was typed stands in the form still."""
    fields = _fields(site)
    for wrong, said in (
        ({"input_mtok": ""}, "Input: give what"),
        ({"output_mtok": "cheap"}, "Output: write USD per million"),
        ({"cache_read_mtok": "-1"}, "Input read from the cache: write USD"),
        ({"output_audio_mtok": "NaN"}, "Audio given out: write USD"),
        ({"above_tokens": "many", "long_input_mtok": "1"}, "Long calls: give the input tokens"),
        ({"above_tokens": "5"}, "Long calls: give the input tokens"),
        ({"above_tokens": "5", "long_cache_read_mtok": "1"}, "a usual one has none"),
        ({"since": "June"}, "From: give the day"),
        ({"source": " "}, "Read where: say where"),
        ({"source": HOSTILE, "since": ""}, "From: give the day"),
    ):
        status, _, text = site.post("/price", fields | wrong)
        assert (status, said in text, HOSTILE in text) == (422, True, False), wrong
        assert 'value="1.60"' in text or "output_mtok" in wrong
    assert _file(site) == ""
    with database.control(site.home) as control:
        assert reprice_wish.listed(control) == []


@pytest.mark.attack("T06")
@pytest.mark.clause("AL-5.4")
def test_only_the_operator_sets_prices(site: Site) -> None:
    """An account's owner has no such page; another site's form, or a model that has a price, changes nothing."""
    fields = _fields(site)
    assert site.post("/price", {**fields, "form": "a" * 64})[0] == 403
    assert site.post("/price", fields, Origin="https://evil.example")[0] == 403
    for model in ("gpt-4o", "adas-secret-model", ""):
        assert site.post("/price", {**fields, "model": model})[0] == 404
    with database.control(site.home) as control:
        ada = members.find(control, Vault(control, NOW), EMAIL)
    assert ada
    as_member(site, ada[0].member_no, NOW)
    assert site.ask("GET", "/price")[0] == 404
    hidden = session.form_token(site.cookie.removeprefix("sid="))
    assert site.post("/price", {**fields, "form": hidden})[0] == 404
    assert _file(site) == ""
