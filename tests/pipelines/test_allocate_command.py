"""`apiledger allocate`: rules are set, shown, checked and taken out at the command line, and spend follows."""

from datetime import datetime

import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from pipelines.errors import PipelineError
from tests.pipelines.gateway_log import line, put, query, take_in
from tests.templates import Templates
from warehouse.errors import WarehouseError
from warehouse.home import Home

_CENTRES = "SELECT cost_centre, rule, sum(requests)::BIGINT FROM mart.allocated_daily GROUP BY ALL ORDER BY 1, 2"


def _said(home: Home, *words: str) -> str:
    found = CliRunner().invoke(cli, ["allocate", *words, "--home", str(home.root)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def _logged(home: Home) -> None:
    calls = [line(request_id=name, project=name, tags=["a", "b"] if name == "web" else ...) for name in ("web", "api")]
    put(home, "a.jsonl", [*calls, line(request_id="none", project=...)])
    take_in(home)


@pytest.fixture
def logged(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with one call of each of three projects, one of them with two tags."""
    assert master_key
    return templates.once(home, _logged)


def test_spend_is_unallocated_until_a_rule_is_added(logged: Home) -> None:
    """Without a rule everything is in sight as unallocated; a rule shows after the next pass, and leaves with it."""
    assert query(logged, _CENTRES) == [("unallocated", None, 3)]
    assert "rule 1" in _said(logged, "add", "w", "--to", "shop", "--project", "web", "--from", "2026-01-01")
    assert "other rules" in _said(logged, "check")
    take_in(logged)
    assert query(logged, _CENTRES) == [("shop", "w", 1), ("unallocated", None, 2)]
    assert _said(logged, "list") == "w  project web -> shop, from 2026-01-01\n"
    _said(logged, "remove", "w")
    take_in(logged)
    assert query(logged, _CENTRES) == [("unallocated", None, 3)]


def test_shares_and_splits_are_told_as_they_were_given(logged: Home) -> None:
    """Fixed shares, a split by use, tags and days come back from the file; the most particular stands first."""
    _said(logged, "add", "rest", "--by-use", "month")
    _said(logged, "add", "half", "--share", "shop=50", "--share", "ops = 50 %", "--tag", "b", "--tag", "a")
    assert _said(logged, "list").splitlines() == [
        "half  tag a, tag b -> shop 50 %, ops 50 %",
        "rest  everything else -> shared by use of the month",
    ]
    take_in(logged)
    assert "2 rules" in _said(logged, "check")
    assert "rest had nobody to share it with" in _said(logged, "check")


def test_check_names_what_is_misspelt_and_what_rules_claim_alike(logged: Home) -> None:
    """A project that no spend has, and calls whose two tags two rules ask for, are told by the rules' names."""
    _said(logged, "add", "one", "--to", "shop", "--tag", "a")
    _said(logged, "add", "two", "--to", "ops", "--tag", "b")
    _said(logged, "add", "typo", "--to", "ops", "--project", "wbe")
    take_in(logged)
    said = _said(logged, "check")
    assert "one | two fit equally" in said
    assert "typo: no spend has the project 'wbe'" in said


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("add", "again", "--to", "ops", "--project", "web"), WarehouseError, "'w' and 'again'"),
        (("add", "more", "--share", "ops"), PipelineError, "--share ops=40"),
        (("add", "less", "--share", "ops=40"), WarehouseError, "add up to 40"),
        (("remove", "nobody"), PipelineError, "allocate list"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    logged: Home, words: tuple[str, ...], kind: type[Exception], said: str
) -> None:
    """A contradiction, half a share, shares that are no whole and an unknown name each say what to do."""
    _said(logged, "add", "w", "--to", "shop", "--project", "web")
    before = (logged.root / "allocation.toml").read_bytes()
    with pytest.raises(kind, match=said):
        _said(logged, *words)
    assert (logged.root / "allocation.toml").read_bytes() == before


def test_a_broken_file_stops_the_pass_and_what_is_published_stays(logged: Home) -> None:
    """Rules that contradict each other name both, publish nothing, and are taken up once mended."""
    rule = '[[rule]]\nname = "{}"\nproject = "web"\ncost_centre = "shop"\n'
    (logged.root / "allocation.toml").write_text(rule.format("one") + rule.format("two"))
    with pytest.raises(WarehouseError, match="'one' and 'two'"):
        take_in(logged)
    assert query(logged, _CENTRES) == [("unallocated", None, 3)]
    (logged.root / "allocation.toml").write_text(rule.format("one"))
    take_in(logged, datetime(2026, 11, 22))  # noqa: DTZ001 (naive moments are UTC here)
    assert query(logged, _CENTRES) == [("shop", "one", 1), ("unallocated", None, 2)]
