"""Invoices by a form and by a CSV file: owners and editors enter and take out their own; another's is not there."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.entry import invoice_form
from dashboards.gate import Gate
from dashboards.people import sign_in
from tests.dashboards.people_site import EMAIL, HASH, Site, as_role, served, token
from warehouse import database
from warehouse.control import claim, invoice, plan
from warehouse.control import member as members
from warehouse.control.invoice import Invoice
from warehouse.control.outside_id import OutsideIds
from warehouse.control.plan import Plan
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime.now(UTC).replace(tzinfo=None)
OTHER = 77
JUNE = (date(2026, 6, 1), date(2026, 6, 30))
HOSTILE = "<script>alert(1)</script>"
USUAL = {"provider": "openai", "number": "INV-1", "period": "2026-06", "amount": "120.50", "currency": "usd"}


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """Ada's account with a plan of her log's account acme; another's plan and invoice; Ada signed in as owner."""
    assert master_key
    with database.control(home) as control:
        vault = Vault(control, NOW)
        assert members.sign_up(control, vault, EMAIL, HASH, NOW)
        ada = members.find(control, vault, EMAIL)
        assert ada
        with database.transaction(control):
            ids = OutsideIds(control, vault, NOW)
            logged = ids.accounts("litellm", ["acme", "beta"])
        claim.put(control, "acme", ada[0].account_no, NOW)
        for number, name in ((logged["acme"], "max"), (logged["beta"], "secret plan")):
            fee = Plan(0, name, "anthropic", number, None, Decimal(20), 1, JUNE[0], None, ())
            plan.add(control, fee, NOW)
        invoice.add(control, [Invoice("openai", OTHER, "INV-1", *JUNE, Decimal(9))], NOW)
    app = Starlette(routes=[*sign_in.ROUTES, *invoice_form.ROUTES], middleware=[Middleware(Gate)])
    with served(app) as port:
        site = Site(port, home)
        as_role(site, "owner", NOW)
        yield site


def _fields(site: Site, **changed: str) -> dict[str, str]:
    return {"form": token(site.ask("GET", "/invoice")[2]), **USUAL, **changed}


def _upload(site: Site, content: str, *, hidden: str = "", **headers: str) -> tuple[int, str]:
    """A file as a browser sends it."""
    edge = "x-edge"
    hidden = hidden or token(site.ask("GET", "/invoice")[2])
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="form"\r\n\r\n{hidden}\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
        f"Content-Type: text/csv\r\n\r\n{content}\r\n--{edge}--\r\n"
    )
    usual = {"Origin": f"http://127.0.0.1:{site.port}", "Content_Type": f"multipart/form-data; boundary={edge}"}
    status, _, text = site.ask("POST", "/invoice/file", body, **(usual | headers))
    return status, text


def _entered(site: Site) -> list[tuple[str, str, str | None, Decimal, str]]:
    """What is entered of Ada's own, by its first day."""
    with database.control(site.home) as control:
        found = [one for one, _ in invoice.listed(control) if one.account_no != OTHER]
    return [(one.provider, one.number, one.plan, one.amount, one.currency) for one in found]


def test_an_invoice_is_entered_and_taken_out(site: Site) -> None:
    """By a form of ours, with what the bill does not say; its account has a label that is theirs to see."""
    assert site.post("/invoice/add", _fields(site, tax="19.50"))[0] == 303
    assert _entered(site) == [("openai", "INV-1", None, Decimal("120.50"), "USD")]
    text = site.ask("GET", "/invoice?said=entered")[2]
    assert "the next pass holds it against its bills" in text
    assert "2026-06-01 to 2026-06-30" in text
    with database.control(site.home) as control:
        ((account_no, tax),) = control.execute(
            "SELECT account_no, tax_usd FROM invoice WHERE account_no <> ?", (OTHER,)
        ).fetchall()
        assert claim.holder_of(control, f"account {account_no}") == account_no
    assert Decimal(tax) == Decimal("19.50")
    gone = {"form": token(text), "account": str(account_no), "provider": "openai", "number": "INV-1"}
    assert site.post("/invoice/remove", gone)[0] == 303
    assert _entered(site) == []
    assert site.post("/invoice/remove", gone)[0] == 404


def test_an_invoice_is_of_a_plan(site: Site) -> None:
    """The form offers the account's own plans alone; the invoice is of whoever the plan is of."""
    text = site.ask("GET", "/invoice")[2]
    offered = dict(re.findall(r'<option value="(\d+)">The plan (\w+)', text))
    assert list(offered.values()) == ["max"]
    (number,) = offered
    assert site.post("/invoice/add", _fields(site, plan=number, provider="anthropic", amount="20"))[0] == 303
    assert _entered(site) == [("anthropic", "INV-1", "max", Decimal(20), "USD")]
    assert site.post("/invoice/add", _fields(site, plan=str(int(number) + 1), provider="anthropic"))[0] == 404


def test_what_is_no_invoice_is_refused_and_its_field_named(site: Site) -> None:
    """Nothing is entered; what was typed stands in the form still, as text."""
    hidden = token(site.ask("GET", "/invoice")[2])
    for name, value, said in (
        ("provider", HOSTILE, "a provider is one word"),
        ("number", HOSTILE, "an invoice&#x27;s number is"),
        ("period", "June", "a period is a month"),
        ("amount", "1,000.00", "the amount is a decimal number"),
        ("tax", "x", "the tax is a decimal number"),
        ("credits", "x", "the credit is a decimal number"),
        ("currency", "€", "a currency is three capital letters"),
    ):
        status, _, text = site.post("/invoice/add", {"form": hidden, **USUAL, name: value})
        assert (status, HOSTILE in text, said in text) == (422, False, True), name
        assert 'value="120.50"' in text or name == "amount"
    assert _entered(site) == []


def test_a_file_is_entered_whole_or_not_at_all(site: Site) -> None:
    """Two currencies and a plan from one file; a wrong line is named by its number and field, and nothing is kept."""
    head = "provider,number,period,amount,currency,plan\n"
    good = "openai,A,2026-06,1.10,,\nopenai,B,2026-07,2.20,EUR,\n"
    status, text = _upload(site, f"{head}{good}anthropic,C,2026-06,20,,secret plan\n")
    assert (status, "invoice 3 of 3: plan: you have none of that name" in text) == (422, True)
    assert "invoice 2 of 2: a period is" in _upload(site, f"{head}openai,A,2026-06,1,,\nopenai,B,x,1,,\n")[1]
    assert (
        "account: leave that column out" in _upload(site, "provider,number,period,amount,account\na,1,2026-06,1,x\n")[1]
    )
    assert "first line names its columns" in _upload(site, "a,b\n1,2\n")[1]
    assert "no invoice in it" in _upload(site, head)[1]
    assert _entered(site) == []
    assert _upload(site, f"{head}{good}anthropic,C,2026-06,20,,max\n")[0] == 303
    assert sorted(_entered(site)) == [
        ("anthropic", "C", "max", Decimal(20), "USD"),
        ("openai", "A", None, Decimal("1.10"), "USD"),
        ("openai", "B", None, Decimal("2.20"), "EUR"),
    ]
    assert _upload(site, "x" * 300_000)[0] == 413


@pytest.mark.clause("AL-5.4")
def test_anothers_invoice_is_not_there(site: Site) -> None:
    """It stands in no list, blocks no number, and is taken out by nobody else; a viewer has no form, an editor has."""
    assert "9.00" not in site.ask("GET", "/invoice")[2]
    fields = _fields(site)
    gone = {**fields, "account": str(OTHER)}
    assert site.post("/invoice/remove", gone)[0] == 404
    assert site.post("/invoice/add", fields)[0] == 303
    as_role(site, "viewer", NOW)
    assert site.ask("GET", "/invoice")[0] == 404
    assert site.post("/invoice/add", fields)[0] in {403, 404}
    as_role(site, "editor", NOW)
    assert site.post("/invoice/add", _fields(site, number="2", period="2026-07"))[0] == 303
    with database.control(site.home) as control:
        assert [one.amount for one, _ in invoice.listed(control) if one.account_no == OTHER] == [Decimal(9)]


@pytest.mark.attack("T06")
def test_a_form_of_another_site_enters_nothing(site: Site) -> None:
    """T06: without our token, from another origin, in another form or without a session, nothing is done."""
    fields = _fields(site)
    head = "provider,number,period,amount\nopenai,A,2026-06,1\n"
    assert site.post("/invoice/add", {**fields, "form": "a" * 64})[0] == 403
    assert site.post("/invoice/add", fields, Origin="https://evil.example")[0] == 403
    assert _upload(site, head, hidden="a" * 64)[0] == 403
    assert _upload(site, head, Origin="https://evil.example")[0] == 403
    assert _upload(site, head, Content_Type="text/plain")[0] == 403
    assert _upload(site, head, Content_Type="multipart/form-data")[0] == 403
    site.cookie = ""
    assert _upload(site, head, hidden=fields["form"])[0] == 403
    assert _entered(site) == []
