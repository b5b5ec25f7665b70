"""What somebody said or is passes no further than the boundary: canaries in every place, found in no file."""

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.gateways import boundary
from tests.pipelines.gateway_log import (
    FAILURES,
    NOW,
    PAYLOADS,
    SPEND_LOGS,
    call,
    line,
    lines_of,
    one,
    put,
    query,
    take_in,
    taken,
)
from warehouse import database
from warehouse.control.vault import Vault
from warehouse.home import Home

PROMPT = "Dear diary, the zanzibar merger closes on Friday!"
EMAIL = "zoe.canary@example.org"
CREDENTIAL = "sk-proj-canary7Zq81LmNw45Xy"
IP = "203.0.113.77"
IP6 = "2001:db8::ca:4a51"
AGENT = "Mozilla/5.0 (X11; Canary) zeppelin-browser/9.1"
CANARIES = {
    "prompt": PROMPT,
    "e-mail": EMAIL,
    "credential": CREDENTIAL,
    "ip": IP,
    "ip6": IP6,
    "user agent": AGENT,
}
NAMED = ("project", "team", "account_id")
TEXT_FIELDS = (
    "request_id", "account_id", "key_id", "upstream", "project", "team", "user_id", "end_user_id", "provider", "model",
    "service_tier", "ip", "user_agent",
)  # fmt: skip


def texts_of(file: Path) -> Iterator[bytes]:
    """Everything a file says: its bytes, and what DuckDB, SQLite, Parquet, gzip and zip hold unpacked."""
    content = file.read_bytes()
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:4] == b"PAR1":
        yield pl.read_parquet(file).write_ndjson().encode()
    elif content[:16] == b"SQLite format 3\0":
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            yield "\n".join(connection.iterdump()).encode()
        connection.close()
    elif content[:2] == b"PK":
        with zipfile.ZipFile(file) as packed:
            yield from (packed.read(name) for name in packed.namelist())
    elif content[8:12] == b"DUCK":
        with duckdb.connect(str(file), read_only=True) as warehouse:
            tables = warehouse.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() UNION ALL "
                "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
            for schema, table in tables:
                yield repr(warehouse.execute(f'FROM "{schema}"."{table}"').fetchall()).encode()


def found(folder: Path, canaries: dict[str, str]) -> set[tuple[str, str]]:
    """Which canaries are in which files of a folder."""
    hits = set()
    for file in (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        for text in texts_of(file):
            hits |= {
                (name, file.name) for name, canary in canaries.items() if any(way in text for way in written(canary))
            }
    return hits


def written(canary: str) -> set[bytes]:
    """The ways a text is written in files."""
    return {canary.encode(), json.dumps(canary)[1:-1].encode(), canary.encode("utf-16-le")}


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pass here has its key."""
    return master_key


@pytest.mark.parametrize("kind", ["plain", "gzip", "duckdb", "sqlite", "parquet", "zip"])
def test_the_scanner_finds_a_canary_in_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    """The control: planted, packed and compressed, each canary is found; and nothing is where nothing was planted."""
    file = tmp_path / "file"
    many = [canary for canary in CANARIES.values() for _ in range(3000)]
    frame = pl.DataFrame({"text": many})
    if kind == "plain":
        file.write_text("\n".join(many))
    elif kind == "gzip":
        file.write_bytes(gzip.compress("\n".join(many).encode()))
    elif kind == "duckdb":
        with duckdb.connect(str(file)) as connection:
            connection.register("frame", frame.to_arrow())
            connection.execute("CREATE SCHEMA s; CREATE TABLE s.t AS FROM frame")
    elif kind == "sqlite":
        with sqlite3.connect(file) as sqlite:
            sqlite.execute("CREATE TABLE t (text)")
            sqlite.executemany("INSERT INTO t VALUES (?)", [(text,) for text in many])
        sqlite.close()
    elif kind == "parquet":
        frame.write_parquet(file, compression="zstd")
    else:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("inside", "\n".join(many))
    assert {name for name, _ in found(tmp_path, CANARIES)} == set(CANARIES)
    assert found(tmp_path, {"another": "a word that is nowhere"}) == set()


def planted_in_the_contract() -> list[str]:
    """Lines with each canary in each field, in unknown keys and under them, in tags and as key names; valid or not."""
    lines = [line(request_id="plain", project="web-app", team="checkout", tags=["team:blue"])]
    for number, (name, canary) in enumerate(CANARIES.items()):
        own = {"request_id": f"{number}"}
        lines += [line(**{**own, "request_id": f"{field}-{number}", field: canary}) for field in TEXT_FIELDS]
        lines += [
            line(**own, tags=[canary, "team:blue"]),
            line(**{**own, canary: 1}),
            line(**own, messages=[{"role": "user", "content": canary}], metadata={"deep": {canary: [canary]}}),
            line(
                **own, headers={"authorization": f"Bearer {canary}"}, error_str=canary, prompt=canary, response=canary
            ),
            # These go to quarantine, and their text with them nowhere.
            line(**own, input_tokens=canary),
            line(**own, status=canary),
            line(**own, ts=canary),
            line(**own, cost=canary),
            line(**own, latency_ms=canary),
            line(**own, tags=canary),
            line(**own, model={"name": canary}),
            line(**own, input_tokens=-1, project=canary),
            canary,
            f'{{"request_id": "{canary}',
            json.dumps([canary]),
            json.dumps({name: canary}),
        ]
    return lines


@pytest.mark.clause("VA-2.3")
@pytest.mark.clause("VA-3.1")
@pytest.mark.parametrize("road", ["careful", "short"])
def test_no_canary_of_the_contract_is_in_any_file(road: str, home: Home) -> None:
    """What a person said or is, in every place of a line, is in no file of the home; labels that are labels are."""
    lines = planted_in_the_contract()
    if road == "short":
        # The short road takes a file whole or not at all, so only whole calls are in it.
        lines = [line(request_id="pad", prompt=PROMPT * 25_000), *(text for text in lines if is_call(text))]
    put(home, "calls.jsonl", lines)
    report = take_in(home)
    assert (taken(report).quarantined == 0) == (road == "short")
    assert taken(report).rows > 60
    assert found(home.root, CANARIES) == set()
    assert one(home, "SELECT count(*) FROM mart.spend_daily WHERE project = 'web-app' AND team = 'checkout'") == 1
    assert one(home, "SELECT count(*) FROM model.request_tag WHERE tag = 'team:blue'") == 7


def is_call(text: str) -> bool:
    """Whether a line with a canary is a whole call all the same."""
    try:
        record = json.loads(text)
    except ValueError:
        return False
    good = call()
    exact = ("input_tokens", "status", "ts", "latency_ms")
    return (
        isinstance(record, dict)
        and all(record.get(name) == good[name] for name in exact)
        and isinstance(record["model"], str)
        and "cost" not in record
        and not isinstance(record.get("tags"), str)
    )


def planted_in_litellm(lines: list[str]) -> list[str]:
    """Real records with canaries in every text of theirs that is no number and no time, each place by itself."""
    planted = []
    for number, text in enumerate(lines):
        record = json.loads(text)
        names = list(CANARIES)
        canary = CANARIES[names[number % len(names)]]
        record["messages"] = [{"role": "user", "content": canary}]
        record["response"] = {"choices": [{"message": {"content": canary}}]}
        record["error_str"] = canary
        record[canary] = canary
        record["proxy_server_request"] = {"body": {canary: canary}, "headers": {"x-forwarded-for": canary}}
        record["request_tags"] = [canary, "team:blue", f"User-Agent: {canary}"]
        in_metadata = {
            "requester_ip_address": canary,
            "user_agent": canary,
            "user_api_key_alias": canary,
            "user_api_key_hash": canary,
            "user_api_key_team_id": canary,
            "user_api_key_team_alias": canary,
            "user_api_key_org_id": canary,
            "user_api_key_project_alias": canary,
            "user_api_key_project_id": canary,
            "user_api_key_user_id": canary,
            "user_api_key_user_email": canary,
            "user_api_key_end_user_id": canary,
            "spend_logs_metadata": {"note": canary},
            "requester_custom_headers": {"authorization": canary},
            "error_information": {
                "error_message": canary,
                "traceback": canary,
                "error_code": canary,
                "error_class": canary,
            },
        }
        place = list(in_metadata)[number % len(in_metadata)]
        metadata: Any = record["metadata"]
        written_as_text = isinstance(metadata, str)
        metadata = json.loads(metadata) if written_as_text else metadata
        metadata.update(in_metadata if number % 3 == 0 else {place: in_metadata[place]})
        metadata[canary] = canary
        record["metadata"] = json.dumps(metadata) if written_as_text else metadata
        top = ("end_user", "user", "team_id", "organization_id", "api_key", "api_base", "model", "model_group", "id",
               "litellm_call_id", "request_id", "custom_llm_provider", "requester_ip_address", "user_agent", "status",
               "session_id", "trace_id", "cache_key", "startTime", "response_cost", "cache_hit")  # fmt: skip
        record[top[number % len(top)]] = canary
        if number % 2:
            record["api_base"] = f"https://{EMAIL}:{CREDENTIAL}@{IP}/v1?key={canary}"
        planted.append(json.dumps(record))
    return planted


def test_no_canary_of_litellm_is_in_any_file(shared: Path, home: Home) -> None:
    """In every text of 400 real records of both forms and the failures, the same."""
    lines = [*lines_of(shared / PAYLOADS)[:190], *lines_of(shared / SPEND_LOGS)[190:380], *lines_of(shared / FAILURES)]
    put(home, "calls.jsonl", planted_in_litellm(lines), "litellm")
    report = take_in(home)
    assert taken(report, "litellm").rows > 300
    assert found(home.root, CANARIES) == set()
    assert one(home, "SELECT count(*) > 100 FROM model.request_tag WHERE tag = 'team:blue'")


@pytest.mark.clause("AL-1.4")
@pytest.mark.clause("AL-5.2")
def test_address_and_agent_rest_sealed_and_open_with_the_key(home: Home) -> None:
    """The only copy is ciphertext under the account's key; the vault gives it back, and only where it belongs."""
    put(home, "calls.jsonl", [line(ip=IP, user_agent=AGENT), line(request_id="b", ip=IP6), line(request_id="c")])
    take_in(home)
    with database.control(home) as control:
        rows = control.execute("SELECT client_no, account_no, sealed_ip, sealed_user_agent FROM client").fetchall()
        vault = Vault(control, NOW)
        opened = {
            (
                vault.open(account, "client.sealed_ip", ip),
                agent and vault.open(account, "client.sealed_user_agent", agent),
            )
            for _, account, ip, agent in rows
        }
    assert opened == {(IP, AGENT), (IP6, None)}
    clients = query(home, "SELECT client_no FROM model.requests ORDER BY request_id")
    assert {number for number, *_ in rows} == {number for (number,) in clients if number}
    assert clients[1] == (None,)
    assert found(home.root, {"ip": IP, "ip6": IP6, "agent": AGENT}) == set()


def test_a_client_is_another_number_every_day(home: Home) -> None:
    """Nobody is followed over midnight, or from one account to another, by the number; within a day it is one."""
    put(
        home,
        "calls.jsonl",
        [
            line(request_id="1", ip=IP),
            line(request_id="2", ip=IP, ts="2026-11-20T23:59:59Z"),
            line(request_id="3", ip=IP, ts="2026-11-21T00:00:00Z"),
            line(request_id="4", ip=IP, account_id="another"),
        ],
    )
    take_in(home)
    first, same, next_day, other = query(home, "SELECT client_no FROM model.requests ORDER BY request_id")
    assert first == same
    assert len({first, next_day, other}) == 3


def test_a_client_that_was_forgotten_meanwhile_is_the_same_number(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of two batches, of which the second finds nothing remembered and looks into the store."""
    monkeypatch.setattr(boundary, "_MOST_KNOWN", 0)
    put(home, "calls.jsonl", [line(request_id=f"{n}", ip=IP, user_agent=AGENT) for n in range(25_000)])
    take_in(home)
    assert query(home, "SELECT count(*), count(DISTINCT client_no), count(client_no) FROM model.requests") == [
        (25_000, 1, 25_000)
    ]
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM client").fetchall() == [(1,)]


@pytest.mark.parametrize("field", ["key_id", *(pytest.param(name, marks=pytest.mark.soak) for name in NAMED)])
def test_a_text_that_is_no_label_is_a_number_and_two_stay_two(field: str, home: Home) -> None:
    """Two e-mail addresses in a name's place are two names, each a number, and neither can be read off it."""
    put(home, "calls.jsonl", [line(request_id=f"{n}", **{field: f"person{n}@example.org"}) for n in (1, 2)])
    take_in(home)
    column = {"key_id": "key_label", "account_id": "account"}.get(field, field)
    names = [name for (name,) in query(home, f"SELECT DISTINCT {column} FROM mart.spend_daily ORDER BY 1")]
    assert len(names) == 2
    assert all(name.split()[0] == field.removesuffix("_id") and name.split()[1].isdigit() for name in names)


@pytest.mark.clause("AL-5.5")
def test_every_file_of_the_home_is_private(home: Home) -> None:
    """Files 0600 (what is published 0400), folders 0700: nobody else of the machine reads them."""
    put(home, "calls.jsonl", [line(ip=IP)]).chmod(0o600)
    take_in(home)
    modes = {path.stat().st_mode & 0o077 for path in [home.root, *home.root.rglob("*")] if not path.is_symlink()}
    assert modes == {0}
