"""Claude Code's sessions, watched where they lie: each call once, the fullest telling of it, and not a word."""

import json
import os
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import PlaceError
from pipelines.gateways import watch
from pipelines.gateways.ingest import Ingested
from pipelines.gateways.visit import Visit
from pipelines.providers import claude_code
from tests.pipelines.gateway_log import NOW, facts, one, quarantine, query, take_in
from tests.pipelines.sessions import ANSWER, CANARIES, answered, append, asked, moment
from tests.pipelines.test_boundary import found
from warehouse import database
from warehouse.home import Home

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures/claude_code/session.jsonl"
CALLS = """SELECT request_id, input_tokens, uncached_tokens, cache_read_tokens, cache_write_5m_tokens,
    cache_write_1h_tokens, output_tokens FROM model.requests ORDER BY requested_at, request_id"""


@pytest.fixture
def projects(tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of sessions that the setting names."""
    assert master_key
    folder = tmp_path / "claude/projects"
    folder.mkdir(parents=True)
    monkeypatch.setenv(claude_code.SETTING, str(folder))
    return folder


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file with its bytes, time and inode: what must not change by being watched."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def test_a_message_written_a_line_a_block_is_one_call(projects: Path, home: Home) -> None:
    """Four lines of one answer and two of another are two calls; what a tool gave back is none; no file is touched."""
    blocks = [answered(1, n, block=block) for n, block in enumerate(("thinking", "text", "tool_use", "tool_use"))]
    append(projects / "-home-zoe/a.jsonl", asked(), *blocks, asked(5), answered(2, 6), answered(2, 7))
    before = snapshot(projects)
    take_in(home)
    assert query(home, CALLS) == [
        ("msg_01000001", 1210, 10, 1000, 150, 50, 50),
        ("msg_01000002", 1210, 10, 1000, 150, 50, 50),
    ]
    told = "SELECT account, project, provider, model, requests, unpriced_requests FROM mart.spend_daily"
    assert query(home, told) == [("own", "shop", "anthropic", "claude-sonnet-4-5-20250929", 2, 0)]
    assert one(home, "SELECT DISTINCT gateway FROM model.usage_daily") == "claude_code"
    assert snapshot(projects) == before
    assert quarantine(home) == []


@pytest.mark.parametrize("pass_between", [False, True])
def test_an_answer_seen_while_it_streams_ends_as_its_fullest_telling(
    pass_between: bool, projects: Path, home: Home
) -> None:
    """5 tokens at first and 90 at last, in one visit or in two: one call of 90, at the moment of the first."""
    path = append(projects / "p/a.jsonl", answered(1, 0, wrote=5))
    if pass_between:
        take_in(home)
        assert one(home, "SELECT output_tokens FROM model.requests") == 5
    append(path, answered(1, 9, wrote=90), answered(1, 12, wrote=90))
    take_in(home)
    assert query(home, "SELECT output_tokens, requested_at FROM model.requests") == [(90, datetime(2026, 11, 20, 10))]  # noqa: DTZ001 (naive UTC)


def test_subagents_count_and_what_they_repeat_does_not(projects: Path, home: Home) -> None:
    """An agent's own calls carry a tag; a message of the session above, under another request id, is known."""
    append(projects / "p/s.jsonl", answered(1, 0), answered(2, 5))
    repeated = answered(1, 40, isSidechain=True, requestId="req_other")
    append(projects / "p/s/subagents/agent-1.jsonl", repeated, answered(7, 41, isSidechain=True))
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 3
    assert query(home, "SELECT request_id, tag FROM model.request_tag JOIN model.requests USING (request_no)") == [
        ("msg_01000007", "subagent")
    ]


def test_a_resumed_or_copied_session_tells_nothing_twice(projects: Path, home: Home) -> None:
    """A copy of a session with one answer more gives one call more."""
    append(projects / "p/a.jsonl", answered(1, 0), answered(2, 5))
    append(projects / "p/b.jsonl", answered(1, 0), answered(2, 5), answered(3, 9))
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 3


def test_other_gateways_ids_count_with_their_request(projects: Path, home: Home) -> None:
    """An id that is not Anthropic's own may repeat; without a request id it is all there is."""
    other = {"id": "chatcmpl-1", "model": "kimi-k2"}
    lines = [answered(1, n, message=other, requestId=request) for n, request in enumerate(("a", "a", "b"))]
    alone = answered(1, 9, message={"id": "chatcmpl-2", "model": "kimi-k2"})
    alone.pop("requestId")
    bedrock = answered(4, 20, message={"id": "msg_bdrk_01", "model": "us.anthropic.claude-sonnet-4-5"})
    append(projects / "p/a.jsonl", *lines, alone, {**alone, "uuid": "again"}, bedrock)
    take_in(home)
    assert query(home, "SELECT request_id, provider FROM model.requests ORDER BY 1") == [
        ("chatcmpl-1/a", "unknown"),
        ("chatcmpl-1/b", "unknown"),
        ("chatcmpl-2/", "unknown"),
        ("msg_bdrk_01", "bedrock"),
    ]


def test_only_what_was_appended_is_read(projects: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second visit looks at two lines, not at 1,002; without news it hands over nothing at all."""
    path = append(projects / "p/a.jsonl", *(answered(n, n) for n in range(1000)))
    take_in(home)
    looked_at: list[bytes] = []
    take = claude_code.ClaudeSession.take

    def look(session: claude_code.ClaudeSession, line: bytes) -> None:
        looked_at.append(line)
        take(session, line)

    monkeypatch.setattr(claude_code.ClaudeSession, "take", look)
    append(path, answered(2000, 2000), answered(2001, 2001))
    report = take_in(home)
    assert len(looked_at) == 2
    assert [(place.place, place.things, place.lines) for place in report.watched] == [("claude_code", 1, 2)]
    assert one(home, "SELECT count(*) FROM model.requests") == 1002
    assert take_in(home).version is None


@pytest.mark.soak
def test_growing_split_shuffled_and_read_again_is_the_same_table(projects: Path, home: Home, tmp_path: Path) -> None:
    """A session that grows by a few bytes a visit, lines cut in the middle, gives what it gives when read whole."""
    lines = [answered(n // 3, n, wrote=10 + n % 3) for n in range(60)]
    text = "".join(json.dumps(one_line, separators=(",", ":")) + "\n" for one_line in lines).encode()
    path = projects / "p/a.jsonl"
    path.parent.mkdir()
    dice = random.Random(11)  # noqa: S311 (a cut, no secret)
    end = 0
    while end < len(text):
        following = min(end + dice.randrange(200, 12_000), len(text))
        with path.open("ab") as handle:
            handle.write(text[end:following])
        end = following
        take_in(home)
    whole = Home(tmp_path / "whole").make()
    take_in(whole)
    assert facts(whole) == facts(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 20


def test_a_visit_that_was_killed_is_made_up_for(projects: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the inbox's file and the memory of it: the next visit hands over the same, and a call is one call."""
    append(projects / "p/a.jsonl", answered(1, 0), answered(2, 1))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.control.watched.remember", killed)
        with pytest.raises(KeyboardInterrupt):
            take_in(home)
    assert len(list((home.inbox / "claude_code").glob("claude_code-*.jsonl"))) == 1
    append(projects / "p/a.jsonl", answered(3, 2))
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 3
    assert one(home, "SELECT sum(requests) FROM model.usage_monthly") == 3


@pytest.mark.soak
def test_a_file_that_was_rewritten_is_read_from_its_start(projects: Path, home: Home) -> None:
    """Replaced, cut short, or rewritten under its own inode: never read from the middle of a line."""
    path = append(projects / "p/a.jsonl", answered(1, 0), answered(2, 1), answered(3, 2))
    take_in(home)
    path.write_text(json.dumps(answered(4, 3)) + "\n")
    take_in(home)
    other = append(projects / "p/new", answered(5, 4), answered(6, 5))
    other.replace(path)
    take_in(home)
    with path.open("r+b") as handle:
        lines = [json.dumps(answered(n, n), separators=(",", ": ")) for n in range(7, 20)]
        handle.write("\n".join([*lines, ""]).encode())
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 19
    assert quarantine(home) == []


@pytest.mark.soak
def test_what_the_agent_prunes_stays_in_the_books(projects: Path, home: Home) -> None:
    """The file goes, the figures stay."""
    path = append(projects / "p/a.jsonl", answered(1, 0))
    take_in(home)
    path.unlink()
    append(projects / "p/b.jsonl", answered(2, 5))
    take_in(home)
    assert one(home, "SELECT sum(requests) FROM mart.spend_daily") == 2


def test_lines_that_cannot_be_read_are_held_back_by_their_reason(projects: Path, home: Home) -> None:
    """A broken, a wrong, an endless and a deep line among two answers; what is no answer may be as it likes."""
    good = json.dumps(answered(1, 0), separators=(",", ":"))
    deep = good[:-1] + ',"x":' + "[" * 100_000 + "]" * 100_000 + "}"
    endless = good[:-1] + ',"pad":"' + "x" * 9_000_000 + '"}'
    picture = json.dumps({"type": "user", "pad": "x" * 9_000_000})
    timeless = answered(3, 0, timestamp="yesterday")
    huge = answered(4, 0, usage={"output_tokens": -7})
    lines: list[dict[str, Any] | str] = [
        good,
        good[:-20],
        answered(2, 1, usage={"output_tokens": "many"}),
        deep,
        endless,
        picture,
        timeless,
        huge,
    ]
    append(projects / "p/a.jsonl", "not json at all", *lines, answered(9, 9))
    take_in(home)
    assert query(home, "SELECT request_id FROM model.requests ORDER BY 1") == [("msg_01000001",), ("msg_01000009",)]
    assert sorted(reason for _, _, reason in quarantine(home)) == [
        "a field has the wrong type, or the line is no object",
        "output_tokens is no count",
        "the line is longer than 8 MiB",
        "the line is nested too deeply",
        "the line is no JSON",
        "the start is no RFC 3339 time between 2015 and 2100",
    ]


def test_what_was_said_and_where_is_in_no_file(projects: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the inbox's file before it is read, nor anywhere at rest after; the folder's path neither."""
    broken = json.dumps(answered(3, 2))[:-3]
    append(projects / "p/a.jsonl", asked(), answered(1, 0), broken, f'{{"type":"assistant","usage":"{ANSWER}')
    with monkeypatch.context() as patched:
        patched.setattr("pipelines.gateways.ingest.ingest", lambda _, gateway, *__: Ingested(gateway.name))
        take_in(home)
    waiting = list((home.inbox / "claude_code").iterdir())
    assert len(waiting) == 1
    assert waiting[0].stat().st_mode & 0o777 == 0o600
    assert found(home.root, CANARIES) == set()
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 1
    assert found(home.root, CANARIES) == set()


def test_work_in_the_home_folder_has_no_name(projects: Path, home: Home) -> None:
    """A home folder is called after a person; and what is no label is a number."""
    zoes = [f"{root}/zoe" for root in ("/home", "/Users", "C:\\Users")]
    folders = (*zoes, "/srv/zoe/me@example.org", "/srv/till", "C:\\work\\pos")
    append(projects / "p/a.jsonl", *(answered(n, n, cwd=folder) for n, folder in enumerate(folders)))
    take_in(home)
    labels = sorted(label for (label,) in query(home, "SELECT label FROM model.project"))
    assert labels[:2] == ["pos", "project " + labels[1].split()[1]]
    assert sum(label.startswith("project ") for label in labels) == 4
    assert "till" in labels


def test_nothing_is_looked_at_unasked(
    tmp_path: Path, home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the setting, and in a made-up home even with it, no session is read."""
    assert master_key
    append(tmp_path / "me/.claude/projects/p/a.jsonl", answered(1, 0))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "me/.claude"))
    for setting in (None, "0", ""):
        if setting is not None:
            monkeypatch.setenv(claude_code.SETTING, setting)
        assert take_in(home).watched == []
    monkeypatch.setenv(claude_code.SETTING, "1")
    sandbox = Home(tmp_path / "made-up").make(sandbox=True)
    assert take_in(sandbox).watched == []
    assert take_in(home).watched == [watch.Collected("claude_code", 1, 1)]


def test_a_folder_that_is_not_there_is_said_and_holds_up_nothing(
    projects: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other folders' calls wait for the setting to be mended; the pass goes on; the path is not repeated."""
    append(projects / "p/a.jsonl", answered(1, 0))
    monkeypatch.setenv(claude_code.SETTING, f"{projects}{os.pathsep}/nowhere")
    (place,) = take_in(home).watched
    assert place.skipped == "folder 2 of the setting is not there; name it, or 1 for the usual place"
    monkeypatch.setenv(claude_code.SETTING, str(projects))
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 1


def test_links_are_not_followed(projects: Path, home: Home, tmp_path: Path) -> None:
    """A link among the sessions leads nowhere."""
    elsewhere = append(tmp_path / "elsewhere.jsonl", answered(1, 0))
    (projects / "p").mkdir()
    (projects / "p/a.jsonl").symlink_to(elsewhere)
    (projects / "q").symlink_to(tmp_path, target_is_directory=True)
    assert take_in(home).watched == [watch.Collected("claude_code")]


def test_the_look_for_news_reads_no_session(projects: Path, home: Home) -> None:
    """The sensor's look is a stat a file: yes before the pass, no after it, yes once a line was added."""
    take_in(home)
    assert not watch.has_news(home, NOW)
    path = append(projects / "p/a.jsonl", answered(1, 0))
    assert watch.has_news(home, NOW)
    take_in(home)
    assert not watch.has_news(home, NOW)
    append(path, answered(2, 0))
    assert watch.has_news(home, NOW)
    assert not watch.is_remote_on(home)


def test_a_place_that_fails_inside_is_skipped(projects: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that may not be read is said without its path."""
    append(projects / "p/a.jsonl", answered(1, 0))

    def refused(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", "/srv/zoe/canary-folder")

    monkeypatch.setattr("pipelines.gateways.session_folder.opened", refused)
    (place,) = take_in(home).watched
    assert place.skipped == "a session cannot be read (Permission denied)"
    with pytest.raises(PlaceError):
        claude_code.PLACE.collect(_visit(home))


def _visit(home: Home) -> Visit:
    from warehouse.control.vault import Vault

    with database.control(home) as control:
        return Visit(home, control, Vault(control, NOW), "claude_code", "claude_code", "/nowhere", NOW, lambda *_: None)


def test_the_fixture_is_what_it_says(projects: Path, home: Home) -> None:
    """A session as Claude Code writes it: two answers in five lines, an interruption, a summary, a snapshot."""
    (projects / "p").mkdir()
    (projects / "p/session.jsonl").write_bytes(FIXTURE.read_bytes())
    take_in(home)
    assert query(home, CALLS) == [
        ("msg_01AbCdEfGhJkLmNpQrStUv", 15_213, 3, 12_825, 2_385, 0, 412),
        ("msg_01VuTsRqPnMlKjHgFeDcBa", 15_700, 6, 15_210, 0, 484, 1_027),
    ]
    assert moment(0) < "2026-11-21"
