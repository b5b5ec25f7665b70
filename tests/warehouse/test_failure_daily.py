"""Failed calls and calls made again: which count as which, what they cost, and how far back they are known."""

from duckdb import DuckDBPyConnection

from tests.pipelines.gateway_log import line, put, query, take_in
from warehouse import database, migrations
from warehouse.home import Home

_TOLD = """SELECT sum(error_requests), sum(error_cost_usd), sum(retry_requests), sum(retry_cost_usd)
           FROM mart.failures_daily"""


def _calls(*told: tuple[str, str, str]) -> list[str]:
    """Calls by (second, outcome, key), a thousand input tokens each."""
    return [
        line(request_id=f"c{n}", ts=f"2026-11-20T10:{second}Z", status=status, key_id=key, input_tokens=1000)
        for n, (second, status, key) in enumerate(told)
    ]


def test_a_call_within_a_minute_of_a_failure_was_made_again(home: Home, master_key: str) -> None:
    """By the same key alone, and once; one that fails again is a failure. What they cost is what calls cost."""
    assert master_key
    calls = _calls(
        ("00:00", "error", "one"),
        ("00:30", "error", "one"),
        ("01:00", "ok", "one"),
        ("01:10", "ok", "one"),
        ("02:00", "error", "two"),
        ("02:10", "ok", "three"),
        ("03:01", "ok", "two"),
    )
    put(home, "a.jsonl", calls)
    take_in(home)
    ((cost,),) = query(home, "SELECT max(list_cost_usd) FROM model.requests")
    assert cost > 0
    assert query(home, _TOLD) == [(3, cost * 3, 1, cost)]
    assert query(home, "SELECT sum(error_requests) FROM mart.spend_daily") == [(3,)]


def _asked(*told: tuple[int, str, int, str | None]) -> list[str]:
    """Calls of one key by (second, outcome, input tokens, user)."""
    return [
        line(
            request_id=f"c{n}",
            ts=f"2026-11-20T10:{second // 60:02}:{second % 60:02}Z",
            status=status,
            input_tokens=sent,
            cached_tokens=0,
            **({"user_id": user} if user else {}),
        )
        for n, (second, status, sent, user) in enumerate(told)
    ]


def test_a_busy_keys_other_calls_are_not_made_again(home: Home, master_key: str) -> None:
    """Without users: what asks the same counts, once for a failure; what asks something else does not, nor for ever."""
    assert master_key
    calls = _asked(
        (0, "error", 700, None),
        (1, "ok", 801, None),
        (2, "ok", 902, None),
        (3, "ok", 700, None),
        (4, "ok", 700, None),
        (5, "error", 0, None),
        (6, "ok", 803, None),
        (7, "error", 555, None),
        (8, "error", 555, None),
        (9, "ok", 555, None),
        (70, "ok", 555, None),
    )
    put(home, "a.jsonl", calls)
    take_in(home)
    assert query(home, _TOLD)[0][::2] == (4, 2)


def test_a_failure_that_does_not_say_its_input_is_followed_by_its_users_next_call(home: Home, master_key: str) -> None:
    """Of that user alone; a call that two failures may have is one call."""
    assert master_key
    calls = _asked(
        (0, "error", 0, "ada"),
        (1, "ok", 700, "bob"),
        (2, "ok", 801, "ada"),
        (3, "ok", 801, "ada"),
        (4, "error", 333, "eve"),
        (5, "error", 0, "eve"),
        (6, "ok", 333, "eve"),
    )
    put(home, "a.jsonl", calls)
    take_in(home)
    assert query(home, _TOLD)[0][::2] == (3, 2)


def test_a_later_file_makes_its_day_anew(home: Home, master_key: str) -> None:
    """The call that was made again landed later: the day counts it, and no other twice."""
    assert master_key
    first, second = _calls(("00:00", "error", "one"), ("00:20", "ok", "one"))
    put(home, "a.jsonl", [first])
    take_in(home)
    assert query(home, _TOLD)[0][2] == 0
    put(home, "b.jsonl", [second])
    take_in(home)
    assert query(home, _TOLD)[0][::2] == (1, 1)


def test_an_unknown_price_is_not_zero(home: Home, master_key: str) -> None:
    """A failed call to a model without a price counts, and its cost is unknown."""
    assert master_key
    put(home, "a.jsonl", [line(status="error", model="gpt-nobody-knows")])
    take_in(home)
    assert query(home, _TOLD) == [(1, None, 0, None)]


def test_a_home_of_before_is_told_of_its_known_calls(home: Home, master_key: str) -> None:
    """The migration reads what single calls still say, so that the page is not empty for a month."""
    assert master_key
    put(home, "a.jsonl", _calls(("00:00", "error", "one"), ("00:20", "ok", "one")))
    take_in(home)

    def told(connection: DuckDBPyConnection) -> list[tuple[object, ...]]:
        return connection.execute("FROM model.failure_daily").fetchall()

    with database.held(home.build_lock), database.build(home) as connection:
        before = told(connection)
        connection.execute("DROP TABLE model.failure_daily CASCADE")
        migrations.m013_failures_and_naming(connection)
        assert told(connection) == before
    assert [(row[6], row[8]) for row in before] == [(1, 1)]
