"""The real LiteLLM proxy with apiledger's callback beside its config, and the traffic that is sent through it."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.endtoend.counting_upstream import CountingUpstream, Order

PROJECT = Path(__file__).resolve().parents[2]
CALLBACK = PROJECT / "pipelines" / "providers" / "apiledger_litellm.py"
REQUIREMENTS = ("litellm[proxy]==1.106.2", "openai", "prometheus_client")
MASTER_KEY = "sk-made-up-master-key"
OPENAI_KEY = "sk-made-up-openai"


def environment() -> Path:
    """LiteLLM's own virtual environment under build/, made once; its Python."""
    folder = PROJECT / "build" / "litellm-venv"
    python, made = folder / "bin" / "python", folder / "requirements.txt"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes side by side make it once
        if not made.exists() or made.read_text().split("\n") != list(REQUIREMENTS):
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
            made.write_text("\n".join(REQUIREMENTS))
    return python


@dataclass(frozen=True)
class Proxy:
    """A running proxy: where it listens, where its callback writes, what it said, and its process."""

    url: str
    inbox: Path
    log: Path
    python: Path
    process: subprocess.Popen[bytes]


@contextmanager
def running(folder: Path, inbox: Path, upstream: CountingUpstream, workers: int = 1) -> Iterator[Proxy]:
    """The proxy, started in `folder` with the callback copied beside its config; ended by SIGTERM."""
    python = environment()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(CALLBACK, folder)
    config, log = folder / "config.yaml", folder / "proxy.log"
    config.write_text(_config(upstream.url))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "APILEDGER_INBOX": str(inbox),
    }
    command: list[str | Path] = [
        python.parent / "litellm",
        "--config",
        config,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--num_workers", str(workers), "--telemetry", "False"],
            env=env,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        yield Proxy(f"http://127.0.0.1:{port}", inbox, log, python, process)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        _kill(process)


def kill(proxy: Proxy) -> None:
    """End the proxy and its workers as a crash would."""
    _kill(proxy.process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _config(upstream: str) -> str:
    """As a person would write it: JSON is YAML."""
    openai = {"api_base": f"{upstream}/v1", "api_key": OPENAI_KEY}
    anthropic = {"api_base": upstream, "api_key": "sk-made-up-anthropic"}
    models = {
        "gpt-4o": openai | {"model": "openai/gpt-4o"},
        "gpt-4o-mini": openai | {"model": "openai/gpt-4o-mini"},
        "with-fallback": openai | {"model": "openai/gpt-4o"},
        "claude-sonnet": anthropic | {"model": "anthropic/claude-sonnet-4-5"},
    }
    return json.dumps(
        {
            "model_list": [{"model_name": name, "litellm_params": params} for name, params in models.items()],
            "litellm_settings": {"callbacks": "apiledger_litellm.writer"},
            # One retry inside the proxy; no cooling down, so that what is sent is what arrives.
            "router_settings": {
                "num_retries": 1,
                "retry_after": 0,
                "disable_cooldowns": True,
                "fallbacks": [{"with-fallback": ["gpt-4o-mini"]}],
            },
            "general_settings": {"master_key": MASTER_KEY},
        },
        indent=1,
    )


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if process.poll() is not None:
            raise RuntimeError(f"the proxy ended: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/health/liveliness", timeout=2):  # noqa: S310  # our own loopback
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the proxy is not up after two minutes: {log.read_text()[-2000:]}")


@dataclass(frozen=True)
class Billed:
    """One call as client and upstream saw it, for comparison with the books."""

    call_id: str
    ticket: int
    outcome: str
    http_status: int
    attempts: int
    failed_attempts: int
    provider: str
    model: str
    prompt_tokens: int
    cache_read_tokens: int
    completion_tokens: int
    cost_usd: Decimal
    ended_at: float


def send(python: Path, url: str, key: str, orders: list[Order], concurrency: int = 8) -> list[dict[str, Any]]:
    """Make calls by the official client with one key at an address; what became of each, in its own words."""
    sent = subprocess.run(
        [python, Path(__file__).with_name("openai_client.py"), f"{url}/v1", key, str(concurrency)],
        input="".join(json.dumps(asdict(order)) + "\n" for order in orders),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    if sent.returncode:
        raise RuntimeError(f"the client ended: {sent.stderr[-2000:]}")
    return [json.loads(text) for text in sent.stdout.splitlines()]


def run_traffic(proxy: Proxy, upstream: CountingUpstream, orders: list[Order], concurrency: int = 8) -> list[Billed]:
    """Send the orders through the proxy by the official client; the upstream's own ledger, a row for each call."""
    bills = []
    for made in send(proxy.python, proxy.url, MASTER_KEY, orders, concurrency):
        served = upstream.ledger[made["ticket"]]
        bills.append(
            Billed(
                call_id=made["call_id"],
                ticket=made["ticket"],
                outcome=made["outcome"],
                http_status=made["http_status"],
                attempts=served.attempts,
                failed_attempts=len(served.failures),
                provider=served.provider,
                model=served.model,
                prompt_tokens=served.prompt_tokens,
                cache_read_tokens=served.cache_read_tokens,
                completion_tokens=served.completion_tokens,
                cost_usd=served.cost_usd,
                ended_at=made["ended_at"],
            )
        )
    return bills
