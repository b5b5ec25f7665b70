"""Codex's sessions, watched where they lie: what the totals grew by is a call, and what a fork repeats is none."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.providers import codex
from tests.pipelines.gateway_log import facts, one, quarantine, query, take_in
from tests.pipelines.sessions import CANARIES, append, count, meta, rollout, spoken, turn
from tests.pipelines.test_boundary import found
from warehouse.home import Home

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures/codex/rollout.jsonl"
ONE, TWO, THREE = (f"01a0249b-250c-7e13-a32d-82b9746dd02{n}" for n in (1, 2, 3))
SUMS = """SELECT count(*), sum(input_tokens), sum(cache_read_tokens), sum(output_tokens), sum(reasoning_out_tokens)
    FROM model.requests"""


@pytest.fixture
def folder(tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of sessions that the setting names."""
    assert master_key
    made = tmp_path / "codex/sessions"
    made.mkdir(parents=True)
    monkeypatch.setenv(codex.SETTING, str(made))
    return made


def test_a_call_is_what_the_totals_grew_by(folder: Path, home: Home) -> None:
    """Each count comes twice; rate limits alone come without totals; a turn may be of another model."""
    limits = count(2, 3)
    limits["payload"]["info"] = None
    lines = [turn(), spoken(), count(1, 1), count(1, 1.1), limits, count(2, 4), turn("gpt-5-mini", 5), count(4, 6)]
    append(rollout(folder, ONE), meta(ONE), *lines)
    take_in(home)
    assert query(
        home,
        """SELECT request_id, requested_at, provider, model, input_tokens, cache_read_tokens, output_tokens,
           reasoning_out_tokens FROM model.requests ORDER BY requested_at""",
    ) == [
        (f"{ONE}/100-40-20-5", datetime(2026, 11, 20, 10, 0, 1), "openai", "gpt-5", 100, 40, 20, 5),  # noqa: DTZ001 (naive UTC)
        (f"{ONE}/200-80-40-10", datetime(2026, 11, 20, 10, 0, 4), "openai", "gpt-5", 100, 40, 20, 5),  # noqa: DTZ001 (naive UTC)
        (f"{ONE}/400-160-80-20", datetime(2026, 11, 20, 10, 0, 6), "openai", "gpt-5-mini", 200, 80, 40, 10),  # noqa: DTZ001 (naive UTC)
    ]
    assert query(home, "SELECT account, project, sum(unpriced_requests) FROM mart.spend_daily GROUP BY ALL") == [
        ("own", "till", 0)
    ]
    assert quarantine(home) == []


def test_a_session_that_grows_is_read_on_from_its_totals_and_model(folder: Path, home: Home, tmp_path: Path) -> None:
    """A visit after each line gives what one visit at the end gives."""
    path = rollout(folder, ONE)
    for text in (meta(ONE), turn("gpt-5"), count(1, 1), spoken(), count(2, 3), count(2, 3.2), count(5, 9)):
        append(path, text)
        take_in(home)
    whole = Home(tmp_path / "whole").make()
    take_in(whole)
    assert facts(whole) == facts(home)
    assert query(home, SUMS) == [(3, 500, 200, 100, 25)]
    assert query(home, "SELECT DISTINCT model FROM model.requests") == [("gpt-5",)]


def test_totals_that_begin_anew_lose_nothing(folder: Path, home: Home) -> None:
    """Where a total falls the event's own call counts; a file that begins in the middle has not told the rest."""
    append(rollout(folder, ONE), meta(ONE), turn(), count(7, 1), count(8, 2), count(1, 3), count(2, 4))
    take_in(home)
    assert query(home, SUMS) == [(4, 400, 160, 80, 20)]


@pytest.mark.parametrize(
    ("parents", "rewritten"),
    [
        ("forked_from_id", True),
        ("thread_spawn", False),
        pytest.param("forked_from_id", False, marks=pytest.mark.soak),
        pytest.param("thread_spawn", True, marks=pytest.mark.soak),
    ],
)
def test_what_a_fork_repeats_of_its_parent_is_not_counted(
    parents: str, rewritten: bool, folder: Path, home: Home
) -> None:
    """Two forks of one session, of equal size, under the old times or new ones: their own calls alone."""
    append(rollout(folder, ONE), meta(ONE), turn(), *(count(n, 10.0 * n) for n in range(1, 5)))
    spawned = {"source": {"subagent": {"thread_spawn": {"parent_thread_id": ONE, "depth": 1}}}}
    for number, session in enumerate((TWO, THREE)):
        fields: dict[str, Any] = {"forked_from_id": ONE} if parents == "forked_from_id" else spawned
        repeated = [count(n, 100 + n / 100 if rewritten else 10.0 * n) for n in range(1, 4)]
        own = [count(4, 130 + number, each=(110, 40, 20, 5)), count(5, 140 + number, each=(110, 40, 20, 5))]
        append(rollout(folder, session), meta(session, **fields), meta(ONE), turn(), *repeated, turn(), *own)
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 4 + 2 * 2
    forks = f"SELECT sum(input_tokens) FROM model.requests WHERE request_id NOT LIKE '{ONE}%'"
    assert one(home, forks) == 2 * (440 - 300 + 110)
    tagged = query(home, "SELECT count(*) FROM model.request_tag WHERE tag = 'subagent'")
    assert tagged == [(4 if parents == "thread_spawn" else 0,)]


@pytest.mark.soak
@pytest.mark.parametrize("with_burst", [True, False])
def test_a_fork_whose_parent_is_gone_is_told_by_its_burst(with_burst: bool, folder: Path, home: Home) -> None:
    """Events written within a second apiece are history; where the first two are apart, all are its own."""
    step = 0.02 if with_burst else 5.0
    lines = [turn(), *(count(n, n * step) for n in range(1, 40)), count(40, 300), count(41, 330)]
    append(rollout(folder, TWO), meta(TWO, forked_from_id=ONE), *lines)
    take_in(home)
    assert query(home, SUMS) == [(2, 200, 80, 40, 10) if with_burst else (41, 4100, 1640, 820, 205)]


@pytest.mark.soak
def test_a_fork_that_is_visited_while_it_begins_ends_the_same(folder: Path, home: Home) -> None:
    """The history in one visit, the fork's own calls in later ones."""
    append(rollout(folder, ONE), meta(ONE), turn(), count(1, 1), count(2, 5))
    path = append(rollout(folder, TWO), meta(TWO, forked_from_id=ONE))
    take_in(home)
    for each in (turn(), count(1, 60), count(2, 60.01), count(3, 75), count(4, 90)):
        append(path, each)
        take_in(home)
    assert query(home, SUMS) == [(4, 400, 160, 80, 20)]


@pytest.mark.soak
def test_an_archived_session_is_no_second_one(folder: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moved to the archive beside it, in the usual place."""
    monkeypatch.setenv("CODEX_HOME", str(folder.parent))
    monkeypatch.setenv(codex.SETTING, "1")
    path = append(rollout(folder, ONE), meta(ONE), turn(), count(1, 1))
    take_in(home)
    (folder.parent / "archived_sessions").mkdir()
    moved = path.rename(folder.parent / "archived_sessions" / path.name)
    append(moved, count(2, 5))
    take_in(home)
    assert query(home, SUMS) == [(2, 200, 80, 40, 10)]


@pytest.mark.soak
def test_a_model_that_is_no_name_is_not_remembered(folder: Path, home: Home) -> None:
    """What stands in a model's place and looks like a credential or a sentence becomes none."""
    secret = "sk-proj-canary7Zq81LmNw45Xy"
    path = append(rollout(folder, ONE), meta(ONE), turn(secret), count(1, 1), turn("a sentence of mine"))
    take_in(home)
    append(path, count(2, 5))
    take_in(home)
    assert query(home, "SELECT DISTINCT model, count(*) FROM model.requests GROUP BY ALL") == [("unknown", 2)]
    assert found(home.root, {"secret": secret, "sentence": "a sentence of mine"}) == set()


def test_lines_that_cannot_be_read_are_held_back_and_the_rest_counts(folder: Path, home: Home) -> None:
    """A cut line, a wrong type and a session without its first line."""
    broken = '{"timestamp":"2026-11-20T10:00:03.000Z","type":"event_msg","payload":{"type":"token_count","info":{"to'
    wrong = count(2, 3)
    wrong["payload"]["info"]["total_token_usage"]["input_tokens"] = "many"
    append(rollout(folder, ONE), turn(), count(1, 1), broken, wrong, count(2, 4))
    take_in(home)
    assert query(home, SUMS) == [(2, 200, 80, 40, 10)]
    assert sorted(reason for _, _, reason in quarantine(home)) == [
        "a field has the wrong type, or the line is no object",
        "the line is no JSON",
    ]


def test_what_was_said_and_where_is_in_no_file(folder: Path, home: Home) -> None:
    """Instructions, messages, the folder's path: not in the store of what is remembered, nor anywhere else."""
    append(rollout(folder, ONE), meta(ONE), spoken(), turn(), count(1, 1), spoken())
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 1
    assert found(home.root, CANARIES) == set()


def test_the_fixture_is_what_it_says(folder: Path, home: Home) -> None:
    """A session as Codex writes it: three calls in four counts, a rate limit, a tool's output."""
    rollout(folder, ONE).parent.mkdir(parents=True)
    rollout(folder, ONE).write_bytes(FIXTURE.read_bytes())
    take_in(home)
    assert query(home, SUMS) == [(3, 26_549, 22_272, 1_590, 1_152)]
