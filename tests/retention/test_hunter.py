"""The hunter: everything at rest in a home has a clause, and what is added without one is found."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from pipelines.orchestration import retain
from retention import hunter, policy
from tests.pipelines.gateway_log import NOW, line, put, take_in
from tests.retention.gateway_days import night_of
from tests.templates import Templates
from warehouse import database
from warehouse.home import Home


def _lived(home: Home) -> None:
    put(home, "a.jsonl", [line(ip="203.0.113.5", user_id="u", tags=["x"], prompt="p"), "no json"])
    put(home, "b.jsonl.gz", [line(request_id="b")])
    (home.inbox / "gateway_jsonl" / "c.jsonl.gz").write_bytes(b"\x1f\x8bno gzip")
    put(home, "d.jsonl", ['{"request_id": "d"}'], "litellm")
    take_in(home)
    night_of(home, NOW.date())


@pytest.fixture
def lived(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with calls of two gateways, a broken line, a refused file and one expiry behind it."""
    assert master_key
    return templates.once(home, _lived)


@pytest.mark.clause("AL-1.3")
def test_everything_at_rest_has_a_clause(lived: Home) -> None:
    """Every table, column, file and folder of a home that has worked."""
    found = list(hunter.inventory(lived, policy.load()))
    assert [each.name for each in found if not each.clauses] == []
    names = {each.name for each in found}
    assert {
        "model.requests.request_id",
        "raw_gateway_jsonl.calls.load_no",
        "client.sealed_ip",
        "warehouse.duckdb",
    } <= names


@pytest.mark.clause("AL-1.3")
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE TABLE model.profile (age INTEGER)", "model.profile.age"),
        ("ALTER TABLE model.requests ADD COLUMN prompt VARCHAR", "model.requests.prompt"),
        ("CREATE SCHEMA raw_new; CREATE TABLE raw_new.invoices (id BIGINT)", "raw_new.invoices.id"),
        ("CREATE TABLE raw_gateway_jsonl.calls__messages (text VARCHAR)", "raw_gateway_jsonl.calls__messages.text"),
    ],
)
def test_a_table_or_column_without_a_clause_is_found(lived: Home, sql: str, said: str) -> None:
    """What somebody adds to the build and not to the policy is named."""
    with duckdb.connect(str(lived.build_file)) as connection:
        connection.execute(sql)
    assert hunter.offences(lived, policy.load()) == [said]


@pytest.mark.clause("AL-1.3")
def test_what_is_added_to_the_control_store_is_found(lived: Home) -> None:
    """A table and a column of SQLite are hunted, too."""
    with database.control(lived) as control:
        control.execute("CREATE TABLE page_view (account_no INTEGER) STRICT")
        control.execute("ALTER TABLE client ADD COLUMN browser TEXT")
    assert hunter.offences(lived, policy.load()) == ["client.browser", "page_view.account_no"]


@pytest.mark.clause("AL-1.3")
def test_a_file_or_folder_without_a_clause_is_found(lived: Home) -> None:
    """At any depth: a folder of one's own, a backup beside a database, a dump in a gateway's inbox."""
    (lived.root / "dumps").mkdir()
    (lived.root / "dumps" / "everything.csv").touch()
    (lived.root / "control.sqlite.bak").touch()
    (lived.inbox / "gateway_jsonl" / "deep").mkdir()
    (lived.inbox / "gateway_jsonl" / "deep" / "dump.jsonl").touch()
    found = hunter.offences(lived, policy.load())
    assert found == ["control.sqlite.bak", "dumps", "dumps/everything.csv", "inbox/gateway_jsonl/deep/dump.jsonl"]


@pytest.mark.clause("VA-6.1")
def test_what_a_missed_night_leaves_is_told(lived: Home) -> None:
    """Nothing is overdue after an expiry; two nights later the raw rows are, and in a month the client."""
    said = {}
    with database.build(lived) as build, database.control(lived) as control:
        for days in (1, 5, 35):
            now = NOW.replace(tzinfo=None) + timedelta(days=days)
            said[days] = hunter.overdue(build, control, policy.load(), now)
    assert said[1] == []
    assert said[5] == ["R-raw: raw_gateway_jsonl.calls holds rows of 2026-11-20"]
    assert "R-client: control.client holds 1 rows, the oldest of 2026-11-20" in said[35]


@pytest.mark.clause("VA-6.1")
def test_what_tools_leave_behind_goes_by_its_age(home: Home, master_key: str) -> None:
    """What a killed pass left goes at once, copies and refused logs later; nobody's waiting log is touched."""
    assert master_key
    put(home, "a.jsonl", [line()])
    take_in(home)
    left = {
        "tmp/ingest-gateway_jsonl/part-00000.parquet": 0,
        "dlt/litellm/trace.pickle": 0,
        "build/rewritten.duckdb.wal": 0,
        "control.before-m003_retention.sqlite": 1,
        "build/warehouse.before-m003_seals.duckdb": 1,
        "build/set-aside.warehouse.duckdb": 1,
        "published/warehouse-2.duckdb.77.tmp/spill": 1,
        "inbox/gateway_jsonl/b.jsonl.refused": 7,
        "inbox/gateway_jsonl/c.jsonl.part": 7,
        "inbox/gateway_jsonl/d.jsonl": 999,
        "dagster/output/daemon.log.1": 7,
        "dagster/output/daemon.log": 999,
    }
    for name in left:
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).write_text("canary")
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    for days in (0, 1, 7, 30):
        read = retain.reading(now + timedelta(days=days))
        retain.expire_home(home, read, lambda *_: None, clock_is_right=True)
        assert {name for name in left if (home.root / name).exists()} == {n for n, kept in left.items() if kept > days}
