"""A company that has no API of a provider: its console's export lands, and log and bill agree to the pico-dollar."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.bills.biller import billers
from pipelines.bills.pull import pull
from pipelines.cli import cli
from pipelines.passage import run_pass
from pipelines.sandbox import bill_file, providers, sandbox_home
from warehouse import database
from warehouse.home import Home

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
BOTH = ("openai", "anthropic")
EVER = date(2000, 1, 1)


@pytest.fixture
def sandbox(tmp_path: Path, master_key: str) -> Home:
    """Four days of a company that takes both bills from the consoles."""
    assert master_key
    home = Home(tmp_path / "sandbox")
    sandbox_home.make(home, NOW, seed=5, calls=600, days=4, providers=BOTH, consoles=BOTH)
    return home


def landed(home: Home) -> dict[str, Decimal]:
    """What the newest export says of each day, added up by provider."""
    with database.held(home.build_lock), database.build(home) as build:
        query = """SELECT export, sum(amount_usd) FROM raw_console.cost
                   WHERE (pull_no, connection_no, day) IN
                       (SELECT (max(pull_no), connection_no, day) FROM raw_console.cost GROUP BY connection_no, day)
                   GROUP BY export"""
        return dict(build.execute(query).fetchall())


def test_exports_are_the_bills_of_whole_days_and_there_is_no_api(sandbox: Home) -> None:
    """What lands is the bill up to yesterday; the next export tells the next days, and none of them comes twice."""
    assert providers.of(sandbox) == ()
    assert {path.stat().st_mode & 0o777 for path in (sandbox.inbox / "console").iterdir()} == {0o600}
    for now in (NOW, NOW + timedelta(hours=30)):
        if now > NOW:
            sandbox_home.go_on(sandbox, now)
        told = pull(sandbox, billers()["console"], now, lambda *_: None)
        assert (told.skipped, told.notes) == (None, [])
        assert landed(sandbox) == {name: bill_file.read(sandbox, name).amount(EVER, now.date()) for name in BOTH}


@pytest.mark.soak
def test_log_and_exports_agree(tmp_path: Path, master_key: str) -> None:
    """One provider's bill is exported, the other's is pulled: nothing differs here, and what differs there is told."""
    assert master_key
    home = Home(tmp_path / "sandbox")
    arguments = ["sandbox", "--home", str(home.root), "--calls", "900", "--days", "4", "--console", "openai"]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    mark = sandbox_home.Mark.read(home)
    assert mark is not None
    now = datetime.fromisoformat(mark.written_until)
    with providers.connected(home):
        run_pass(home, now, lambda *_: None)
    with database.published(home) as connection:
        causes = connection.execute("SELECT DISTINCT provider, cause FROM mart.difference_cause").fetchall()
        query = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = 'openai' AND day < ?"
        ((spend,),) = connection.execute(query, [now.date()]).fetchall()
    assert [cause for provider, cause in causes if provider == "openai"] == []
    assert {cause for provider, cause in causes if provider == "anthropic"} >= {"unlogged"}
    assert "unexplained" not in {cause for _, cause in causes}
    assert spend == bill_file.read(home, "openai").amount(EVER, now.date())
