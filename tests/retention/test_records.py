"""Which law asks for which financial records is the owner's to state: none is claimed until they do."""

from pathlib import Path

import pytest

from pipelines.evidence import proof
from retention import policy, privacy, records
from retention import report as reports
from retention.errors import PolicyError
from tests.pipelines.gateway_log import take_in
from tests.retention.erased_world import NOW
from warehouse.home import Home

STATED = """
[records.K-invoices]
law = "Section 147 of the Fiscal Code"
asks = "books and vouchers are kept"
years = 8
"""


@pytest.mark.clause("VA-4.7")
def test_no_law_is_claimed_by_default(tmp_path: Path) -> None:
    """Every class that is kept for the books is named, each without a law; no basis of ours claims one."""
    held = policy.load()
    found = records.load(tmp_path / "policy.toml", held)
    assert {one.clause for one in found} == {"K-bills", "K-fees", "K-prices", "K-invoices", "K-closes"}
    assert {one.law for one in found} == {None}
    assert {one.stated() for one in found} == {"No law is claimed: it is the owner's to state."}
    assert [c.id for c in held.clauses if "the law asks to be kept" in c.basis] == []


@pytest.mark.clause("VA-4.7")
def test_what_the_owner_states_is_in_the_report_and_on_the_privacy_page(home: Home, master_key: str) -> None:
    """In Markdown and JSON, beside the classes of which nothing is stated; a changed statement is a changed text."""
    assert master_key
    home.make()
    before = privacy.notice(home).sha256
    (home.root / "policy.toml").write_text(STATED, encoding="utf-8")
    take_in(home, NOW)
    said = proof.said(home, NOW)
    by_clause = {one["clause"]: one for one in said["financial_records"]}
    assert (by_clause["K-invoices"]["law"], by_clause["K-invoices"]["years"]) == ("Section 147 of the Fiscal Code", 8)
    assert by_clause["K-bills"]["law"] is None
    text = reports.as_markdown(said)
    assert "| Section 147 of the Fiscal Code | books and vouchers are kept | 8 |" in text
    assert text.count("none is claimed: state it under [records] in policy.toml") == 4
    notice = privacy.notice(home)
    told = {one.clause: one.stated() for one in notice.record}
    assert told["K-invoices"] == "Section 147 of the Fiscal Code: books and vouchers are kept, 8 years"
    assert notice.sha256 != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[records.K-monthly]\nlaw = 'x'\n", "K-monthly] is no class of records; there are K-"),
        ("[records.K-bills]\nyears = 7\n", "name the law, too"),
        ("[records.K-bills]\nlaw = 'x'\nyears = 0\n", "years"),
        ("[records]\nK-bills = 'a law'\n", r"write \[records.K-bills\]"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, text: str, said: str) -> None:
    """The message names the class and what to write."""
    own = tmp_path / "policy.toml"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=said):
        records.load(own, policy.load())
