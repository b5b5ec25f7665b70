"""An account of the logs told apart by team or key: a part is somebody's, a new key follows, the rest is nobody's."""

from datetime import timedelta

import pytest
from click.testing import CliRunner

from dashboards.figures import installation_figures, overview_figures, spend_figures
from dashboards.figures.overview_figures import DailySpend
from dashboards.figures.spend_filter import SpendFilter
from dashboards.figures.viewer import Viewer
from pipelines.commands.account import account
from tests.pipelines.gateway_log import NOW, line, one, put, query, take_in
from tests.retention.erased_world import erased
from tests.templates import Templates
from warehouse import database
from warehouse.control import claim, claim_rule, key_rule, told_apart
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

AT = NOW.replace(tzinfo=None)
TODAY = AT.date()
TEAMS = ("red", "blue")


def _ask(home: Home, *words: str) -> str:
    done = CliRunner().invoke(account, [*words, "--home", str(home.root)])
    assert done.exit_code == 0, done.output
    return done.output


def _calls(file: str, **fields: object) -> list[str]:
    """A call a team with canaries in its names, and one without a team."""
    named = [
        line(request_id=f"{file}-{team}", team=team, project=f"canary-{team}-project", key_id=f"canary-{team}-{file}")
        for team in TEAMS
    ]
    return [*named, line(request_id=f"{file}-none", team=..., key_id="shared", **fields)]


@pytest.fixture
def told(home: Home, templates: Templates, master_key: str) -> tuple[Home, dict[str, int]]:
    """Two people with a team each, of one account that has calls from before it was told apart."""
    assert master_key

    def told(home: Home) -> None:
        with database.control(home) as control:
            vault = Vault(control, AT)
            members.operator(control, vault, AT)
            for team in TEAMS:
                members.sign_up(control, vault, f"{team}@team.example", "no hash", AT)
        put(home, "before.jsonl", _calls("before"))
        take_in(home)
        assert "told apart by team" in _ask(home, "split", "acme", "--by", "team")
        for team in TEAMS:
            _ask(home, "claim", f"{team}@team.example", f"acme/{team}*")
        put(home, "after.jsonl", _calls("after"))
        take_in(home)

    templates.once(home, told)
    with database.control(home) as control:
        vault = Vault(control, AT)
        people = {"operator": members.operator(control, vault, AT).account_no}
        for team in TEAMS:
            found = members.find(control, vault, f"{team}@team.example")
            assert found is not None
            people[team] = found[0].account_no
    return home, people


def _viewer(home: Home, account_no: int) -> Viewer:
    with database.control(home) as control:
        return Viewer(claim.labels_of(control, account_no))


def test_each_team_sees_its_own_and_a_new_key_follows_it(told: tuple[Home, dict[str, int]]) -> None:
    """What a page says to a team holds no name of the other, nor of the time before; nothing is counted twice."""
    home, people = told
    put(home, "new.jsonl", [line(request_id="new", team="red", key_id="canary-red-newborn", project=...)])
    take_in(home)
    accounts = query(
        home, "SELECT account, sum(requests)::BIGINT FROM mart.spend_daily GROUP BY account ORDER BY account"
    )
    assert accounts == [("acme", 4), ("acme/blue", 1), ("acme/red", 2)]
    for team, other in (TEAMS, TEAMS[::-1]):
        looks = _viewer(home, people[team])
        with database.published(home) as connection:
            seen = [
                spend_figures.names(connection, looks, (TODAY.replace(day=1), TODAY)),
                spend_figures.rows(connection, looks, SpendFilter.default(TODAY)).to_pylist(),
                overview_figures.at_a_glance(connection, looks, TODAY),
                overview_figures.spend_by_day(connection, looks, DailySpend(TODAY, 30, "project")),
            ]
        assert f"canary-{team}-after" in repr(seen)
        assert f"canary-{other}" not in repr(seen)
        assert f"canary-{team}-before" not in repr(seen)
    with database.published(home) as connection:
        red = spend_figures.names(connection, _viewer(home, people["red"]), (TODAY.replace(day=1), TODAY))
    assert sorted(red["key"]) == ["canary-red-after", "canary-red-newborn"]


def test_what_nobody_claims_is_the_operators_alone(told: tuple[Home, dict[str, int]]) -> None:
    """Calls without a team, and a team nobody has, stand on the operator's page and on nobody else's."""
    home, people = told
    put(home, "green.jsonl", [line(request_id="green", team="green", key_id="k")])
    take_in(home)
    with database.control(home) as control:
        assert claim_rule.unclaimed(control) == ["acme", "acme/green"]
    told_on_page = installation_figures.claims(home, Viewer())
    assert [(each.label, each.seen_by) for each in told_on_page[:3]] == [
        ("acme", "you"),
        ("acme/green", "you"),
        ("acme/…", "whoever claims a part"),
    ]
    assert ("acme/red", f"account {people['red']}", "claimed") in told_on_page
    assert installation_figures.claims(home, _viewer(home, people["red"])) == []
    assert installation_figures.claims(home, Viewer(None, (), ("web",))) == []


@pytest.mark.soak
def test_a_part_by_the_name_of_a_key_and_the_whole_again(told: tuple[Home, dict[str, int]]) -> None:
    """Keys have parts by their names; taken as a whole again, what comes goes to the whole and the past stays."""
    home, _ = told
    _ask(home, "split", "acme", "--by", "key")
    put(home, "keys.jsonl", [line(request_id="by key", team="red", key_id="canary-key")])
    take_in(home)
    assert one(home, "SELECT sum(requests) FROM mart.spend_daily WHERE account = 'acme/canary-key'") == 1
    _ask(home, "split", "acme", "--whole")
    put(home, "whole.jsonl", [line(request_id="whole", team="red", key_id="canary-key")])
    take_in(home)
    assert one(home, "SELECT sum(requests) FROM mart.spend_daily WHERE account = 'acme'") == 5
    assert one(home, "SELECT sum(requests) FROM mart.spend_daily WHERE account = 'acme/canary-key'") == 1
    refused = CliRunner().invoke(account, ["split", "acme", "--whole", "--home", str(home.root)])
    assert refused.exit_code == 1


def test_a_split_brings_nobody_back_who_was_erased(told: tuple[Home, dict[str, int]]) -> None:
    """A file that is read again lands nowhere: neither in the erased whole nor in a part of it that was."""
    home, _ = told
    _ask(home, "project", "acme", "canary-*", "canary-project")
    _ask(home, "project", "acme/red", "canary-*", "canary-project")
    erased(home, "account", "acme", "acme/blue", now=NOW)
    put(home, "again.jsonl", [*_calls("before"), *_calls("late")])
    take_in(home)
    assert query(home, "SELECT DISTINCT account FROM mart.spend_daily") == [("acme/red",)]
    with database.control(home) as control:
        assert told_apart.listed(control) == {}
        assert [one.account for one in key_rule.listed(control)] == ["acme/red"]


def test_keys_are_of_a_project_by_their_alias(home: Home, master_key: str) -> None:
    """Of the account and from the day on, where the log names none; the longest pattern wins, until it is ended."""
    assert master_key
    day = AT.date() - timedelta(days=1)
    _ask(home, "project", "acme", "web-*", "shop", "--from", str(day))
    _ask(home, "project", "acme", "web-a*", "admin", "--from", str(day))
    _ask(home, "split", "acme", "--by", "team")
    before = f"{day - timedelta(days=1)}T10:00:00Z"
    calls = {
        "web": {"key_id": "web-1"},
        "admin": {"key_id": "web-admin", "team": "red"},
        "other": {"key_id": "web"},
        "told": {"key_id": "web-1", "project": "own"},
        "before": {"key_id": "web-1", "ts": before},
        "beta": {"key_id": "web-1", "account_id": "beta"},
    }
    usual = {"team": ..., "project": ..., "account_id": "acme"}
    put(home, "a.jsonl", [line(request_id=name, **(usual | fields)) for name, fields in calls.items()])
    take_in(home)
    told = query(home, "SELECT account, project, sum(requests)::BIGINT FROM mart.spend_daily GROUP BY ALL ORDER BY ALL")
    assert told == [
        ("acme", "own", 1),
        ("acme", "shop", 1),
        ("acme", None, 2),
        ("acme/red", "admin", 1),
        ("beta", None, 1),
    ]
    _ask(home, "project", "acme", "web-*", "--from", str(day))
    with database.control(home) as control:
        assert [one.project for one in key_rule.listed(control)] == ["admin"]
