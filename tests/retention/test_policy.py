"""The policy: what it says by default, what an owner may say, and how a mistake in it is told."""

from datetime import date
from pathlib import Path

import pytest

from retention import installation
from retention.errors import PolicyError
from retention.policy import load, parsed
from warehouse.home import PROJECT

_CLAUSE = """
[[clause]]
id = "R-calls"
kind = "R"
title = "Calls"
store = "build"
holds = ["model.requests"]
columns = ["@some"]
date = "requested_at"
kept_days = 90
then = "delete"
basis = "billing"
"""


def _shipped() -> str:
    """Our own policy, as a text that an owner may begin with."""
    return (PROJECT / "retention" / "policy.toml").read_text(encoding="utf-8")


_GROUP = '[columns]\nsome = ["requested_at", "model"]\n'


def test_the_shipped_policy_says_how_long() -> None:
    """The days that the README and the published policies tell of."""
    said = {clause.id: clause.kept_days for clause in load().clauses if clause.kind == "R"}
    assert said == {
        "R-client": 30,
        "R-raw": 3,
        "R-requests": 90,
        "R-hourly": 400,
        "R-people": 396,
        "R-changes": 800,
        "R-daily": 2557,
        "R-pulls": 90,
        "R-pull-receipts": 90,
        "R-repriced": 2557,
        "R-loads": 30,
        "R-receipt-days": 90,
        "R-receipts": 400,
        "R-watched": 35,
        "R-quarantine": 30,
        "R-expiry": 2557,
        "R-sessions": 1,
        "R-tickets": 1,
        "R-tokens": 30,
        "R-passes": 90,
        "R-letters": 1,
        "R-notices": 30,
        "R-idle": 730,
        "R-looks": 1095,
        "R-throttle": 1,
        "R-known-places": 30,
        "R-openings": 1095,
        "R-audit": 2557,
        "R-self-audits": 400,
        "R-disclosures": 2557,
        # Its date is the last day of a hold.
        "R-holds": 0,
        "R-rights": 1095,
    }


def test_groups_of_columns_are_spelled_out() -> None:
    """A clause names a group once; a day goes in the first night after its whole days."""
    (clause,) = parsed(_GROUP + _CLAUSE, "policy").clauses
    assert clause.columns == ["requested_at", "model"]
    assert clause.cutoff(date(2026, 4, 2)) == date(2026, 1, 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kept_days = 90", "kept_days = '90'", "clause R-calls: kept_days"),
        ("kept_days = 90", "kept_days = -1", "clause R-calls: kept_days"),
        ("kept_days = 90\n", "", "clause R-calls: a clause of time says date, kept_days and then"),
        ("then = ", "than = ", "clause R-calls: than: Extra inputs"),
        ("@some", "@none", "clause R-calls: there is no group of columns '@none'"),
        ('kind = "R"', 'kind = "K"', "clause R-calls: an id of kind K begins with K-"),
        ('columns = ["@some"]\n', "", "clause R-calls: name the columns it holds"),
        ('"delete"', '"roll_up"', "clause R-calls: rolls_into goes with then = 'roll_up'"),
        ('"delete"', '"roll_up"\nrolls_into = "model.gone"', "R-calls: rolls_into model.gone, which no clause holds"),
        ("[[clause]]", "[[clauses]]", "'clauses' is neither"),
        ("[[clause]]", "[[clause", "is no TOML"),
    ],
)
def test_a_mistake_is_told_by_its_clause(old: str, new: str, said: str) -> None:
    """The message names the clause and what to change."""
    with pytest.raises(PolicyError, match=said.replace("[", r"\[")):
        parsed(_GROUP + _CLAUSE.replace(old, new), "policy")


def test_a_clause_is_there_once() -> None:
    """Two of one id would leave open which of them holds."""
    with pytest.raises(PolicyError, match="clause R-calls is there twice"):
        parsed(_GROUP + _CLAUSE + _CLAUSE, "policy")


def test_an_owner_says_how_long(tmp_path: Path) -> None:
    """His days take the place of ours, and nothing else changes."""
    own = tmp_path / "policy.toml"
    assert load(own) == load()
    own.write_text("[kept_days]\nR-client = 14\n")
    assert load(own).clause("R-client").kept_days == 14
    assert load(own).clause("R-requests") == load().clause("R-requests")


def test_an_owners_own_policy_takes_the_place_of_ours(tmp_path: Path) -> None:
    """With other days and clauses of its own; beside it stands what the owner says of the installation."""
    own = tmp_path / "policy.toml"
    more = _CLAUSE.replace("R-calls", "K-mine").replace('kind = "R"', 'kind = "K"').replace('["@some"]', '["mine"]')
    more = more.replace("kept_days = 90\n", "").replace('then = "delete"\n', "").replace("model.requests", "model.mine")
    own.write_text(_shipped().replace("kept_days = 30", "kept_days = 20", 1) + more + '[installation]\nregion = "EU"\n')
    held = load(own)
    assert held.clause("R-client").kept_days == 20
    assert held.clause("K-mine").columns == ["mine"]
    assert len(held.clauses) == len(load().clauses) + 1
    assert installation.load(own).region == "EU"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[kept_days]\nR-cleint = 14\n", "clause R-cleint: there is none; the policy has R-client"),
        ("[kept_days]\nK-monthly = 14\n", "clause K-monthly is not one of time"),
        ("[kept_days]\nR-client = 1.5\n", "clause R-client: kept_days"),
        ("[kept_days]\nR-requests = 500\n", "clause R-requests: 500 days, longer than R-hourly with 400; shorten it"),
        ("[clauses]\n", r"it may hold one table, \[kept_days\]"),
        ("[clause]\nid = 'R-client'\n", r"write each clause as \[\[clause\]\]"),
        ("[[clause]]\nid = 'K-mine'\n", "clause K-mine: kind: Field required"),
        (_GROUP + _CLAUSE, "clause R-client is missing: the program carries it out"),
        (_shipped().replace('store = "control"', 'store = "build"', 1), "clause R-client: store is 'control'"),
    ],
)
def test_an_owners_mistake_is_told(tmp_path: Path, text: str, said: str) -> None:
    """A finer grain never outlives its way into the coarser one, and nothing is passed over in silence."""
    own = tmp_path / "policy.toml"
    own.write_text(text)
    with pytest.raises(PolicyError, match=said):
        load(own)
