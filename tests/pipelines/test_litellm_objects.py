"""LiteLLM's objects in a bucket, on moto: read where they lie, each once, and none is deleted."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from pipelines.gateways import litellm_objects
from pipelines.gateways.ingest import Ingested
from tests.pipelines.gateway_log import NOW, PAYLOADS, SPEND_LOGS, facts, lines_of, one, put, quarantine, take_in
from tests.pipelines.test_boundary import found
from warehouse import database
from warehouse.control import watched
from warehouse.home import Home

BUCKET = "gateway-logs"
SECRET = "canary-secret-9Kf27PqRv63Ab"
TODAY = "2026-11-21"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A stand-in for S3 on loopback."""
    stand_in = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    stand_in.start()
    host, port = stand_in.get_host_and_port()
    yield f"http://{host}:{port}"
    stand_in.stop()


class Bucket:
    """A bucket, as a gateway writes into it."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def put(self, key: str, body: str) -> None:
        """Write an object."""
        with self._store.open_output_stream(f"{BUCKET}/{key}") as stream:
            stream.write(body.encode())

    def keys(self) -> dict[str, int]:
        """Every object with its size."""
        from pyarrow import fs

        listed = self._store.get_file_info(fs.FileSelector(BUCKET, recursive=True))
        return {entry.path: entry.size for entry in listed if entry.type == fs.FileType.File}


@pytest.fixture
def bucket(server: str, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket, which the setting and AWS's usual variables name."""
    from pyarrow import fs

    assert master_key
    for name, value in {
        "AWS_ACCESS_KEY_ID": "canary-key-id",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": server,
        "AWS_EC2_METADATA_DISABLED": "true",
        litellm_objects.SETTING: f"s3://{BUCKET}/litellm",
    }.items():
        monkeypatch.setenv(name, value)
    store = fs.S3FileSystem(
        region="us-east-1",
        scheme="http",
        endpoint_override=server.removeprefix("http://"),
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )
    store.create_dir(BUCKET)
    yield Bucket(store)
    store.delete_dir(BUCKET)


@pytest.fixture(scope="module")
def payloads(shared: Path) -> list[str]:
    """60 real StandardLoggingPayload objects."""
    return lines_of(shared / PAYLOADS)[:60]


def key(number: int, day: str = TODAY, prefix: str = "litellm") -> str:
    """A key as LiteLLM's s3_v2 callback makes it."""
    return f"{prefix}/{day}/time-19-16-52-{number:06d}_chatcmpl-{number}.json"


def test_an_object_is_a_call_and_stays_where_it_is(bucket: Bucket, payloads: list[str], home: Home) -> None:
    """60 objects give what a file of the same 60 lines gives; not one of them changes."""
    for number, body in enumerate(payloads):
        bucket.put(key(number), body)
    before = bucket.keys()
    (place,) = take_in(home).watched
    assert (place.place, place.things, place.lines, place.skipped) == ("litellm_s3", 60, 60, None)
    assert bucket.keys() == before
    assert len(before) == 60


@pytest.mark.soak
def test_objects_and_a_file_give_the_same_table(
    bucket: Bucket, payloads: list[str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And both together, with the rows of the database's form, give it once."""
    for number, body in enumerate(payloads):
        bucket.put(key(number), json.dumps(json.loads(body), indent=2))
    take_in(home)
    monkeypatch.delenv(litellm_objects.SETTING)
    alone = Home(home.root.with_name("alone")).make()
    put(alone, "calls.jsonl", payloads, "litellm")
    take_in(alone)
    assert facts(alone) == facts(home)
    put(home, "calls.jsonl", payloads, "litellm")
    take_in(home)
    assert facts(alone) == facts(home)


@pytest.mark.soak
def test_each_form_and_each_road_is_the_same_call(
    bucket: Bucket, payloads: list[str], shared: Path, home: Home
) -> None:
    """Objects of payloads and a file of the same calls' SpendLogs rows: 60 calls."""
    told = {
        json.loads(body)["metadata"].get("litellm_call_id") or json.loads(body)["litellm_call_id"] for body in payloads
    }
    rows = [text for text in lines_of(shared / SPEND_LOGS) if json.loads(text)["litellm_call_id"] in told]
    assert len(rows) == 60
    for number, body in enumerate(payloads):
        bucket.put(key(number), body)
    put(home, "rows.jsonl", rows, "litellm")
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 60


def test_only_new_objects_are_read(bucket: Bucket, payloads: list[str], home: Home) -> None:
    """The second visit reads the one that came; one that was written again in another size is read again."""
    for number, body in enumerate(payloads[:5]):
        bucket.put(key(number), body)
    assert [place.lines for place in take_in(home).watched] == [5]
    bucket.put(key(5), payloads[5])
    bucket.put(key(0), payloads[0] + " ")
    assert [place.lines for place in take_in(home).watched] == [2]
    assert [place.lines for place in take_in(home).watched] == [0]
    assert one(home, "SELECT count(*) FROM model.requests") == 6


def test_a_day_that_is_over_is_remembered_as_one_folder(
    bucket: Bucket, payloads: list[str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """History is read once; its objects are forgotten; only the last days are listed again."""
    for number, body in enumerate(payloads[:12]):
        bucket.put(key(number, f"2026-11-{10 + number:02d}"), body)
    take_in(home)
    with database.control(home) as control:
        # Nine folders that are over, and the objects of the 19th to the 21st.
        assert len(watched.known(control, "litellm_s3")) == 9 + 3
    listed = []
    real = litellm_objects._listed
    monkeypatch.setattr(
        litellm_objects,
        "_listed",
        lambda store, folder, **how: listed.append(folder) or real(store, folder, **how),  # type: ignore[func-returns-value] # append gives None
    )
    take_in(home, NOW + timedelta(days=1))
    days = [folder[-10:] for folder in listed if folder != f"{BUCKET}/litellm"]
    assert days == ["2026-11-19", "2026-11-20", "2026-11-21"]
    assert one(home, "SELECT count(*) FROM model.requests") == 12


@pytest.mark.soak
def test_prefixes_of_teams_and_hours_below_the_day_are_found(
    bucket: Bucket, payloads: list[str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM may put the team's and the key's alias above the day, and the hour below it."""
    bucket.put(f"litellm/blue/key-1/{TODAY}/time-1.json", payloads[0])
    bucket.put(f"litellm/{TODAY}/19/time-2.json", payloads[1])
    bucket.put(f"elsewhere/{TODAY}/time-3.json", payloads[2])
    bucket.put(f"litellm/{TODAY}/readme.txt", "no call")
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 2
    monkeypatch.setenv(litellm_objects.SETTING, f"s3://{BUCKET}")
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 3


def test_an_object_that_cannot_be_read_is_held_back_and_its_neighbours_land(
    bucket: Bucket, payloads: list[str], home: Home
) -> None:
    """A cut object, one of a wrong type, an empty one."""
    for number, body in enumerate([payloads[0], payloads[1][:500], "[1, 2]", "", payloads[2]]):
        bucket.put(key(number), body)
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 2
    assert sorted(reason for _, _, reason in quarantine(home)) == [
        "a field has the wrong type, or the line is no object",
        "the line is no JSON",
        "the line is no JSON",
    ]


def test_a_visit_that_was_killed_is_made_up_for(
    bucket: Bucket, payloads: list[str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the inbox's file and the memory of it: read again, counted once."""
    for number, body in enumerate(payloads[:9]):
        bucket.put(key(number), body)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.control.watched.remember", killed)
        with pytest.raises(KeyboardInterrupt):
            take_in(home)
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 9


def test_what_was_said_is_in_no_file(
    bucket: Bucket, payloads: list[str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object holds prompt and answer; the inbox's file does not, even before it is read."""
    record = json.loads(payloads[0])
    canaries = {"prompt": "canary prompt 7Zq81LmNw45Xy", "secret": SECRET, "id": "canary-key-id"}
    record["messages"] = [{"role": "user", "content": canaries["prompt"]}]
    record["response"] = {"choices": [{"message": {"content": canaries["prompt"]}}]}
    record["metadata"]["requester_metadata"] = {"note": canaries["prompt"]}
    bucket.put(key(1), json.dumps(record))
    with monkeypatch.context() as patched:
        patched.setattr("pipelines.gateways.ingest.ingest", lambda _, gateway, *__: Ingested(gateway.name))
        take_in(home)
    assert len(list((home.inbox / "litellm").iterdir())) == 1
    assert found(home.root, canaries) == set()
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 1
    assert found(home.root, canaries) == set()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("setting", "endpoint", "said"),
    [
        ("s3://no-such-bucket/litellm", None, "S3 did not answer"),
        ("s3://canary-key:canary-secret@bucket/litellm", None, "s3://bucket/prefix"),
        ("https://bucket.s3.example/litellm", None, "s3://bucket/prefix"),
        (f"s3://{BUCKET}/litellm", "http://127.0.0.1:1", "S3 did not answer"),
    ],
)
def test_a_bucket_that_does_not_answer_is_said_and_holds_up_nothing(
    setting: str,
    endpoint: str | None,
    said: str,
    bucket: Bucket,
    payloads: list[str],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A file in the inbox lands all the same; no key is repeated."""
    assert bucket.keys() == {}
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(litellm_objects.SETTING, setting)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    put(home, "calls.jsonl", payloads[:1], "litellm")
    report = take_in(home)
    (place,) = report.watched
    assert place.skipped is not None
    assert said in place.skipped
    assert "canary" not in place.skipped + caplog.text
    assert one(home, "SELECT count(*) FROM model.requests") == 1
