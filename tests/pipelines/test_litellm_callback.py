"""What the callback beside LiteLLM's config writes into the inbox, and what it can never write."""

import ast
import asyncio
import gzip
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.providers import apiledger_litellm as callback
from pipelines.providers import litellm
from warehouse.home import PROJECT

ALLOWED = {
    *("id", "litellm_call_id", "call_type", "cache_hit", "stream", "status", "custom_llm_provider", "startTime"),
    *("endTime", "completionStartTime", "model", "model_group", "model_id", "api_base", "prompt_tokens"),
    *("completion_tokens", "total_tokens", "response_cost", "request_tags", "end_user", "requester_ip_address"),
    *("user_agent", "error_information.error_code", "error_information.error_class", "cost_breakdown.service_tier"),
    *("metadata.user_api_key_hash", "metadata.user_api_key_alias", "metadata.user_api_key_team_id"),
    *("metadata.user_api_key_team_alias", "metadata.user_api_key_org_id", "metadata.user_api_key_project_id"),
    *("metadata.user_api_key_project_alias", "metadata.user_api_key_user_id", "metadata.user_api_key_end_user_id"),
    *("metadata.usage_object.service_tier", "metadata.usage_object.inference_geo"),
}
PAYLOADS = ("azure_conv_985", "azure_conv_20_failures")
SMALL = {
    "id": "chatcmpl-1",
    "litellm_call_id": "c-1",
    "status": "success",
    "model": "openai/gpt-4o",
    "startTime": 1795295450.329951,
    "prompt_tokens": 100,
    "response_cost": 0.0017925000000000003,
}


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """The folder the callback writes into; it makes it itself."""
    return tmp_path / "inbox" / "litellm"


@pytest.fixture
def make(inbox: Path) -> Iterator[Callable[..., callback.Writer]]:
    """Make writers on the inbox; they are closed at the end."""
    made: list[callback.Writer] = []

    def one(folder: Path | None = inbox, **settings: Any) -> callback.Writer:
        made.append(callback.Writer(folder, **settings))
        return made[-1]

    yield one
    for writer in made:
        if writer.pid:
            writer.close()


@pytest.fixture(scope="session")
def payloads(shared: Path) -> list[dict[str, Any]]:
    """The 1,005 payloads that a real proxy handed to its callback."""
    folder = shared / "data" / "litellm_gateway_logs"
    files = [(folder / f"{name}_standard_logging_payload.jsonl.gz").read_bytes() for name in PAYLOADS]
    return [json.loads(line) for file in files for line in gzip.decompress(file).splitlines()]


def event(payload: dict[str, Any], call_id: str = "c-1") -> dict[str, Any]:
    """An event as LiteLLM hands it over, prompt and all."""
    messages = [{"role": "user", "content": "canary-prompt"}]
    return {"standard_logging_object": payload | {"litellm_call_id": call_id}, "messages": messages}


def call_ids(inbox: Path, pattern: str = "*.jsonl") -> list[str]:
    """The call ids of every line of the files, each of which must be whole."""
    lines = [line for path in sorted(inbox.glob(pattern)) for line in path.read_bytes().splitlines(keepends=True)]
    assert all(line.endswith(b"\n") for line in lines)
    return [json.loads(line)["litellm_call_id"] for line in lines]


def until(true: Callable[[], object], seconds: float = 5) -> None:
    """Wait for something that a thread does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def child(inbox: Path, script: str) -> subprocess.CompletedProcess[str]:
    """A process of its own with a started writer named `writer` and the payload SMALL, as a proxy's worker has them."""
    before = f"""
import os, resource, signal, sys, time
from pathlib import Path
from pipelines.providers import apiledger_litellm as callback
from tests_payload import SMALL, event
inbox = Path({str(inbox)!r})
"""
    helper = inbox.parent.parent / "tests_payload.py"
    helper.write_text(
        f"SMALL = {SMALL!r}\ndef event(call_id):\n    return {{'standard_logging_object': SMALL | "
        "{'litellm_call_id': call_id}}\n"
    )
    paths = os.pathsep.join((str(PROJECT), str(helper.parent)))
    return subprocess.run(
        [sys.executable, "-c", before + script],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=os.environ | {"PYTHONPATH": paths},
    )


def planted(value: Any, path: str, canaries: list[str]) -> Any:
    """The same payload with a canary in every string and every foreign key that is not on the allow-list."""
    if isinstance(value, dict):
        grown = {key: planted(item, f"{path}.{key}" if path else key, canaries) for key, item in value.items()}
        canaries.append(f"canary-{len(canaries)}-")
        return grown | {f"{canaries[-1]}key": f"{canaries[-1]}value"}
    if isinstance(value, list):
        return [planted(item, path, canaries) for item in value]
    if path in ALLOWED or not (isinstance(value, str) or value is None):
        return value
    canaries.append(f"canary-{len(canaries)}-")
    return f"{canaries[-1]} {value}"


def test_nothing_but_the_allow_list_reaches_a_file(
    payloads: list[dict[str, Any]], inbox: Path, make: Callable[..., callback.Writer]
) -> None:
    """1,005 real payloads with a canary in every other string and in every object: no byte of one is written."""
    canaries: list[str] = []
    writer = make()
    for payload in payloads:
        asyncio.run(writer.async_log_success_event(event(planted(payload, "", canaries), payload["litellm_call_id"])))
    writer.close()
    written = b"".join(path.read_bytes() for path in inbox.iterdir())
    assert len(canaries) > 100_000
    assert b"canary" not in written
    assert call_ids(inbox) == [payload["litellm_call_id"] for payload in payloads]


def test_the_source_reads_a_line_as_it_reads_the_whole_payload(payloads: list[dict[str, Any]]) -> None:
    """Of what apiledger's own source decodes, the allow-list leaves out nothing."""
    for payload in payloads:
        assert litellm.decode(callback.line(payload)) == litellm.decode(json.dumps(payload).encode())


def test_a_cost_keeps_the_literal_of_its_float() -> None:
    """What LiteLLM reckoned stands in the line digit for digit."""
    assert b'"response_cost":0.0017925000000000003' in callback.line(SMALL)


@pytest.mark.parametrize(
    ("field", "value", "written"),
    [
        (
            "api_base",
            "https://user:canary@host.example/v1/models:go?key=canary#canary",
            "https://host.example/v1/models:go",
        ),
        ("api_base", "http://[bad", "http://[bad"),
        ("request_tags", ["team:red", "User-Agent: curl/8", 7], ["team:red"]),
        ("end_user", "half\ud800 surrogate\x00 and\nnewline", "half surrogate andnewline"),
        ("end_user", "x" * 5_000, "x" * 256),
        ("error_information", {"error_code": "429", "error_class": "the prompt was canary"}, {"error_code": "429"}),
        ("status", "a whole sentence", None),
        ("prompt_tokens", 10**400, None),
        ("response_cost", float("nan"), None),
        ("response_cost", "canary", None),
        ("model", {"canary": 1}, None),
    ],
)
def test_a_value_of_another_kind_never_passes(field: str, value: object, written: object) -> None:
    """Secrets are cut off an address, sentences off words, and what would cost the reader the line is left out."""
    assert json.loads(callback.line(SMALL | {field: value})).get(field) == written


def test_a_raw_key_is_hashed_and_a_hash_is_kept() -> None:
    """A custom login that hands LiteLLM its raw key does not put it into the log."""
    for given, kept in (("sk-canary", False), ("0a" * 32, True), ("litellm_proxy_master_key", True)):
        written = json.loads(callback.line({"metadata": {"user_api_key_hash": given}}))["metadata"]["user_api_key_hash"]
        assert (written == given) is kept
        assert "canary" not in written


def test_the_tier_that_was_priced_stands_in_the_usage() -> None:
    """OpenAI's tier comes beside the usage; Anthropic's, inside it, wins."""
    inside, beside = {"service_tier": "standard", "prompt_tokens": 1}, {"service_tier": "flex"}
    for usage, tier in ((inside, "standard"), ({"prompt_tokens": 1}, "flex")):
        line = callback.line({"metadata": {"usage_object": usage}, "cost_breakdown": beside})
        assert json.loads(line)["metadata"]["usage_object"]["service_tier"] == tier


def test_a_file_gets_its_name_when_its_time_has_come(inbox: Path, make: Callable[..., callback.Writer]) -> None:
    """First a `.part` file, then the same file under its final name, readable by its owner alone."""
    writer = make(rename_seconds=0.5)
    writer.record(event(SMALL))
    until(lambda: call_ids(inbox, "*.part"))
    assert not list(inbox.glob("*.jsonl"))
    until(lambda: call_ids(inbox))
    (path,) = inbox.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert inbox.stat().st_mode & 0o777 == 0o700
    assert path.name.split("-")[1] == str(os.getpid())


def test_many_lines_go_into_many_whole_files(
    inbox: Path, make: Callable[..., callback.Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is full is published at once, and no line is lost or doubled between two."""
    monkeypatch.setattr(callback, "LINES_PER_FILE", 100)
    writer = make()
    for number in range(1_050):
        writer.record(event(SMALL, str(number)))
    writer.close()
    assert sorted(call_ids(inbox), key=int) == [str(number) for number in range(1_050)]
    assert len(list(inbox.iterdir())) >= 11


def test_a_call_that_comes_after_the_end_is_still_written(inbox: Path, make: Callable[..., callback.Writer]) -> None:
    """LiteLLM empties its own queue at exit after every other handler has run."""
    writer = make()
    writer.record(event(SMALL, "before"))
    writer.close()
    writer.record(event(SMALL, "after"))
    assert sorted(call_ids(inbox)) == ["after", "before"]


def test_an_inbox_out_of_reach_costs_no_call_until_the_wait_is_full(
    inbox: Path, make: Callable[..., callback.Writer], caplog: pytest.LogCaptureFixture
) -> None:
    """Ten calls wait, five are counted and dropped, each trouble is said once, and the ten come when it is over."""
    inbox.parent.mkdir(parents=True)
    inbox.write_text("a file where the folder should be")
    writer = make()
    writer.waiting = 10
    for number in range(15):
        writer.record(event(SMALL, str(number)))
    until(lambda: len(caplog.records) == 2)
    inbox.unlink()
    until(lambda: len(caplog.records) == 3)
    writer.close()
    assert call_ids(inbox) == [str(number) for number in range(10)]
    assert sorted(record.message.partition(";")[0] for record in caplog.records) == [
        "apiledger: 10 calls wait for the disk",
        "apiledger: the inbox can be written again",
        "apiledger: the inbox cannot be written (errno 17)",
    ]
    assert "5 calls were not recorded" in caplog.text


def test_a_disk_that_fills_up_within_a_line_leaves_no_half_line(inbox: Path) -> None:
    """The file is cut back to its last whole line, and everything is there once there is room."""
    done = child(
        inbox,
        """
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
writer = callback.Writer(inbox)
for number in range(100):
    writer.record(event(str(number)))
time.sleep(0.3)
(part,) = inbox.glob("*.part")
print(part.stat().st_size, part.read_bytes()[-1:])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
""",
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) <= 2_000
    assert done.stderr.count("cannot be written") == 1
    assert sorted(call_ids(inbox), key=int) == [str(number) for number in range(100)]


def test_what_a_killed_proxy_leaves_is_renamed_by_the_next(inbox: Path, make: Callable[..., callback.Writer]) -> None:
    """The lines of a process that died by SIGKILL come under the next one; those of a living one stay its own."""
    alive = make(rename_seconds=60)
    alive.record(event(SMALL, "alive"))
    until(lambda: call_ids(inbox, "*.part") == ["alive"])
    killed = child(
        inbox,
        """
writer = callback.Writer(inbox)
writer.record(event("killed"))
while not any(part.stat().st_size for part in inbox.glob(f"*-{os.getpid()}-*.part")):
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    assert killed.returncode == -9, killed.stderr
    assert len(call_ids(inbox, "*.part")) == 2
    make(rename_seconds=60).start()
    until(lambda: call_ids(inbox) == ["killed"])
    assert call_ids(inbox, "*.part") == ["alive"]


def test_a_forked_worker_writes_its_own_files(inbox: Path) -> None:
    """A server that forks after loading its config loses no worker's calls and doubles none of the parent's."""
    done = child(
        inbox,
        """
writer = callback.Writer(inbox)
writer.record(event("parent"))
if os.fork() == 0:
    writer.record(event("worker"))
    sys.exit()
os.wait()
if os.fork() == 0:
    sys.exit()
os.wait()
""",
    )
    assert done.returncode == 0, done.stderr
    assert sorted(call_ids(inbox)) == ["parent", "worker"]


def test_a_sigterm_publishes_at_once_and_still_reaches_the_server(inbox: Path) -> None:
    """The server, uvicorn, handles the signal, then lets it end the process without Python's own exit."""
    done = child(
        inbox,
        """
signal.signal(signal.SIGTERM, lambda *_: print("the server heard it", flush=True))
writer = callback.Writer(inbox, rename_seconds=60)
writer.record(event("before"))
os.kill(os.getpid(), signal.SIGTERM)
writer.record(event("after"))
time.sleep(0.3)
os._exit(0)
""",
    )
    assert done.stdout == "the server heard it\n", done.stderr
    assert sorted(call_ids(inbox)) == ["after", "before"]


def test_no_event_raises_into_the_proxy(make: Callable[..., callback.Writer], caplog: pytest.LogCaptureFixture) -> None:
    """Events without a payload are passed over; one that breaks is said once, by its type alone."""

    class Broken(dict[str, Any]):
        def get(self, key: str, default: object = None) -> object:
            raise RuntimeError(f"canary {key} {default}")

    writer = make()
    unusable: tuple[object, ...] = (None, "text", Broken(), Broken())
    for payload in unusable:
        writer.log_failure_event({"standard_logging_object": payload})
        asyncio.run(writer.async_log_failure_event({"standard_logging_object": payload}))
    writer.record({})
    assert [record.message for record in caplog.records] == ["apiledger: a call could not be recorded (RuntimeError)"]
    assert "canary" not in caplog.text


def test_without_an_inbox_it_says_so_once_and_writes_nothing(
    tmp_path: Path, make: Callable[..., callback.Writer], caplog: pytest.LogCaptureFixture
) -> None:
    """The one error names the variable to set."""
    writer = make(None)
    writer.record(event(SMALL))
    writer.record(event(SMALL))
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "APILEDGER_INBOX" in caplog.text
    assert not list(tmp_path.rglob("*.jsonl*"))


def test_it_is_one_file_that_needs_nothing_of_ours() -> None:
    """It imports the standard library and LiteLLM, so that copying it is installing it."""
    tree = ast.parse(Path(callback.__file__).read_text())
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} - sys.stdlib_module_names == {"litellm"}
