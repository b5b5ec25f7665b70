"""Protected mode: what is published tells of no person, no key and no small group, and every sum stays what it was."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from pipelines.commands.protect import protect
from pipelines.errors import PipelineError
from pipelines.materialization import landed
from pipelines.passage import make_home, run_pass
from tests.conftest import MASTER_KEY
from tests.pipelines.gateway_log import NOW, line, put
from warehouse import database, protected_copy, publication
from warehouse.allocation import Rules, made
from warehouse.control import member as members
from warehouse.control import password
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

EMAIL, PASSWORD = "aud@council.example", "canary of the works council"
MOMENT: datetime = NOW.replace(tzinfo=None)
# Team, project, people. Of beta and the loners there are four: gamma, the smallest that could be shown, joins them.
GROUPS = (("alpha", "web", 7), ("gamma", "search", 5), ("beta", "web", 3), (None, "alice-playground", 1))
RULES = (
    {"name": "web", "project": "web", "cost_centre": "shop"},
    {"name": "one key", "key": "canary-key-alpha-0", "cost_centre": "ops"},
    {"name": "rest", "by_use": "month"},
)
SUMS = """SELECT {when}, account_no, provider, model, sum(requests), sum(input_tokens), sum(list_cost_usd)
    FROM model.{table} GROUP BY ALL ORDER BY ALL"""


def _lines() -> Iterator[str]:
    for team, project, people in GROUPS:
        for person in range(people):
            for day in (3, 4):
                yield line(
                    request_id=f"rid-{team}-{person}-{day}",
                    ts=f"2026-11-{day:02}T10:{person:02}:00Z",
                    key_id=f"canary-key-{team}-{person}",
                    user_id=f"canary-user-{team}-{person}",
                    team=team or ...,
                    project=project,
                    upstream=f"key of {person}",
                )


def ask(home: Home, *words: str, typed: str = "") -> Result:
    """Run a command of the group."""
    return CliRunner().invoke(protect, [*words, "--home", str(home.root)], input=typed)


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home of two days of calls, protected by the command line after it was published once."""
    home = Home(tmp_path_factory.mktemp("protected") / "own")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        make_home(home, NOW)
        with database.control(home) as control:
            control.execute(
                """INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at)
                   VALUES (77, 'openai', 'openai', 78, 1, ?)""",
                (database.stamp(MOMENT),),
            )
        Rules.of([made(rule, "here") for rule in RULES]).write(home.root)
        put(home, "a.jsonl", _lines())
        run_pass(home, NOW, lambda *_: None)
        with database.published(home) as connection:
            assert connection.execute("SELECT count(DISTINCT key_label) FROM mart.spend_daily").fetchone() == (16,)
        result = ask(home, "on", "--reason", "agreement 12 with the council")
        assert result.exit_code == 0, result.output
        yield home


@pytest.fixture(autouse=True)
def _key(master_key: str) -> None:
    assert master_key


def both(home: Home, query: str) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The same question to the build and to what is published."""
    connection = database.read_only(home.build_file)
    try:
        held = connection.execute(query).fetchall()
    finally:
        connection.close()
    with database.published(home) as published:
        return held, published.execute(query).fetchall()


@pytest.mark.parametrize(
    ("table", "when"), [("usage_hourly", "hour"), ("usage_daily", "day"), ("usage_monthly", "month")]
)
def test_every_sum_is_what_it_was(protected: Home, table: str, when: str) -> None:
    """By moment, account and model: requests, tokens and cost, to the pico-dollar."""
    held, published = both(protected, SUMS.format(when=when, table=table))
    assert held
    assert published == held


def test_the_marts_keep_their_sums(protected: Home) -> None:
    """What pages, exports and mails read."""
    for mart in ("spend_daily", "spend_hourly", "spend_by_source", "focus_1_2", "repriced_daily"):
        cost = {"focus_1_2": "BilledCost", "repriced_daily": "list_cost_usd"}.get(mart, "cost_usd")
        held, published = both(protected, f"SELECT sum({cost}) FROM mart.{mart}")
        assert held == published
        assert held != [(None,)]


def test_cost_centres_are_those_of_what_is_published(protected: Home) -> None:
    """Made anew without keys and small groups, as the published mart says; no rule by a key is told."""
    by_account = "SELECT day, cost_centre, rule, sum(cost_usd), sum(requests)::BIGINT FROM {} GROUP BY ALL ORDER BY ALL"
    (held, made_of_it), (_, said) = (
        both(protected, by_account.format(name)) for name in ("model.allocated_summary_daily", "mart.allocated_daily")
    )
    assert made_of_it == said
    assert {rule for _, _, rule, _, _ in made_of_it} < {rule for _, _, rule, _, _ in held} == {"web", "one key", "rest"}
    _, groups = both(protected, "SELECT DISTINCT project_no, team_no FROM model.allocated_summary_daily")
    _, shown = both(protected, "SELECT DISTINCT project_no, team_no FROM model.spend_daily")
    assert set(groups) == set(shown)


def test_no_person_no_key_and_no_call_is_published(protected: Home) -> None:
    """In no table and no byte: neither of the version nor of the people's file; the build, searched alike, has them."""
    with database.published(protected) as connection:
        tables = connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall()
        for (table,) in tables:
            for column in ("key_no", "user_no", "end_user_no", "client_no", "request_id", "key_label", "upstream_no"):
                found = connection.execute(
                    f"SELECT count(*) FROM (DESCRIBE {table}) WHERE column_name = '{column}'"
                ).fetchone()
                if found == (1,):
                    assert connection.execute(f"SELECT count({column}) FROM {table}").fetchone() == (0,), table
        assert connection.execute("SELECT count(*) FROM model.requests").fetchone() == (0,)
        assert connection.execute("SELECT count(key_label) FROM mart.spend_daily").fetchone() == (0,)
    assert both(protected, "SELECT count(upstream_no) > 0 FROM model.usage_daily") == ([(True,)], [(False,)])
    paid = "SELECT DISTINCT connection_no FROM model.spend_daily WHERE basis = 'log'"
    assert both(protected, paid) == ([(77,)], [(None,)])
    published = [path for path in protected.published.rglob("*.duckdb") if path.is_file()]
    assert len(published) == 2, "the versions of before are withdrawn"
    for canary in (b"canary-key", b"rid-", b"alice-playground"):
        assert canary in protected.build_file.read_bytes(), "the search would find it"
        assert [path for path in published if canary in path.read_bytes()] == []


def test_a_group_under_five_is_hidden_and_cannot_be_taken_from_the_sum(protected: Home) -> None:
    """Alpha's seven are shown; the four others are not, and neither are gamma's five, who keep them company."""
    with database.published(protected) as connection:
        shown = connection.execute(
            "SELECT team, project, sum(requests) FROM mart.spend_daily GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        assert shown == [("alpha", "web", 14), (None, None, 18)]
        # A project that a small group works on as well is not shown where teams are not told.
        assert connection.execute("SELECT DISTINCT project FROM mart.latency_daily").fetchall() == [(None,)]
        labels = connection.execute("SELECT label FROM model.team UNION SELECT label FROM model.project").fetchall()
    assert sorted(labels) == [("alpha",), ("web",)]


def test_sql_gets_nothing_around_it(protected: Home) -> None:
    """The file that people open, read as they like: the build is not to be reached from it."""
    connection = duckdb.connect(str(protected.people_file.resolve()), read_only=True)
    try:
        assert connection.execute("SELECT count(key_no), count(user_no) FROM model.usage_daily").fetchone() == (0, 0)
        assert connection.execute("SELECT count(*) FROM raw_gateway_jsonl.calls").fetchone() == (0,)
    finally:
        connection.close()
    with (
        database.published(protected) as locked,
        pytest.raises(duckdb.Error, match=r"external access|disabled|Permission"),
    ):
        locked.execute(f"ATTACH '{protected.build_file}' AS detail (READ_ONLY)")


def test_the_next_pass_publishes_protected_as_well(protected: Home) -> None:
    """New calls of the same people: still no key, and a version that no pass publishes twice."""
    put(protected, "b.jsonl", [line(request_id="rid-new", ts="2026-11-05T10:00:00Z", key_id="canary-key-alpha-0")])
    report = run_pass(protected, NOW, lambda *_: None)
    assert report.version == database.current_version(protected)
    assert run_pass(protected, NOW, lambda *_: None).version is None
    with database.published(protected) as connection:
        assert connection.execute("SELECT sum(requests), count(key_label) FROM mart.spend_daily").fetchone() == (33, 0)
    assert not list(protected.tmp.glob("protected*"))


def test_an_auditor_sees_detail_with_a_reason_that_is_kept(protected: Home) -> None:
    """Nobody without being named, without the password or without a reason; each look is in the log."""
    with database.control(protected) as control:
        members.sign_up(control, Vault(control, MOMENT), EMAIL, password.hashed(PASSWORD), MOMENT)
    query = "SELECT count(DISTINCT key_label) AS keys FROM mart.spend_daily"
    asked = ("detail", EMAIL, query, "--format", "csv", "--reason", "case 4: stolen key")
    assert "no auditor" in str(ask(protected, *asked, typed=f"{PASSWORD}\n").exception)
    assert ask(protected, "auditor", EMAIL, "--reason", "elected in March").exit_code == 0
    assert ask(protected, *asked, typed="wrong wrong wrong\n").exit_code == 1
    assert "say why" in str(ask(protected, *asked[:-1], "no", typed=f"{PASSWORD}\n").exception)
    seen = ask(protected, *asked, typed=f"{PASSWORD}\n")
    assert seen.output.splitlines()[-2:] == ["keys", "16"]
    told = ask(protected, "log").output.splitlines()
    assert told[0] == "protected"
    assert ["detail" in one and "case 4: stolen key" in one for one in told].count(True) == 1
    stored = b"".join(path.read_bytes() for path in protected.root.glob("control*"))
    assert b"stolen key" not in stored


def test_what_is_published_does_not_take_the_builds_place(protected: Home) -> None:
    """`restore` would lose every detail for good: it is refused, and says what to do."""
    with pytest.raises(PipelineError, match="protected"):
        landed.restore(protected)


def test_a_table_that_nobody_decided_about_is_published_nowhere(protected: Home, tmp_path: Path) -> None:
    """Closed by default: a new table with a person's number stops the publication, by its name."""
    with database.held(protected.build_lock), database.build(protected) as connection:
        connection.execute("CREATE TABLE model.watch (user_no BIGINT)")
        try:
            with pytest.raises(WarehouseError, match=r"model\.watch has user_no"):
                protected_copy.written(connection, tmp_path / "new.duckdb")
        finally:
            connection.execute("DROP TABLE model.watch")


def test_turned_off_everything_is_there_again(protected: Home) -> None:
    """The build never lost anything; who turned it off, and why, is in the log."""
    assert ask(protected, "off", "--reason", "the agreement has ended").exit_code == 0
    with database.published(protected) as connection:
        assert connection.execute("SELECT count(DISTINCT key_label) FROM mart.spend_daily").fetchone() == (16,)
    assert publication.is_build(protected)
    assert "the agreement has ended" in ask(protected, "log").output
