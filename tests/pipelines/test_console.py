"""Cost exports of consoles: the bill of a person without an admin key, and never beside the API's."""

from decimal import Decimal

import pytest

from tests.pipelines.bill_folder import Folder
from warehouse import database
from warehouse.home import Home

OPENAI = b"""start_time,end_time,amount_value,amount_currency,line_item,project_id,organization_id,project_name
1790812800,1790899200,0.06,usd,"gpt-4o-2024-08-06, input",proj_a,org-1,web
1790812800,1790899200,1.2e-05,usd,"gpt-4o-2024-08-06, output",proj_a,org-1,web
1790985600,1791072000,2.5,usd,"gpt-4o-2024-08-06, output",proj_b,org-1,ci
"""
ANTHROPIC = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type
2026-10-01,Claude Haiku 4.5,Default,ada_laptop,message,≤ 200k,input_no_cache,0.13,0.13,token
2026-10-01,Claude Haiku 4.5,Default,ada_laptop,message,≤ 200k,output,0.50,0.50,token
""".encode()


@pytest.fixture
def inbox(home: Home, master_key: str) -> Folder:
    """An empty home."""
    assert master_key
    return Folder(home, "console")


def test_both_consoles_exports_are_bills(inbox: Folder) -> None:
    """Each file is its provider's bill, day by day; a day between without a charge cost nothing."""
    inbox.drop("openai.csv", OPENAI)
    inbox.drop("anthropic.csv", ANTHROPIC)
    inbox.pull()
    by_day = inbox.query(
        """SELECT provider, day::VARCHAR, amount_usd FROM model.bill_day JOIN model.connection USING (connection_no)
           ORDER BY ALL"""
    )
    assert by_day == [
        ("anthropic", "2026-10-01", Decimal("0.63")),
        ("openai", "2026-10-01", Decimal("0.060012")),
        ("openai", "2026-10-02", Decimal(0)),
        ("openai", "2026-10-03", Decimal("2.5")),
    ]
    assert inbox.query("SELECT DISTINCT line, token_type FROM model.charges WHERE amount_usd = 0.13") == [
        ("Claude Haiku 4.5, input_no_cache", "uncached_tokens")
    ]
    files = [path for path in inbox.home.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if b"ada_laptop" in path.read_bytes()] == []


def test_another_export_is_set_aside(inbox: Folder) -> None:
    """The activity export has no amounts: it is no bill."""
    inbox.drop("activity.csv", ANTHROPIC.replace(b"cost_usd", b"usage_output_tokens"))
    assert inbox.pull().notes == ["set aside: activity.csv has no column amount_value"]
    assert inbox.billed() == 0


def test_a_bill_that_the_api_tells_is_not_counted_twice(inbox: Folder) -> None:
    """With OpenAI's API connected its export says nothing more; Anthropic's still does."""
    with database.control(inbox.home) as control:
        control.execute(
            """INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at)
               VALUES (7, 'openai', 'openai', 1, 1, '2026-01-01T00:00:00.000000Z')"""
        )
    inbox.drop("openai.csv", OPENAI)
    inbox.drop("anthropic.csv", ANTHROPIC)
    assert "the bill of openai is read from its API, so its lines here were not counted" in inbox.pull().notes
    assert inbox.billed() == Decimal("0.63")
