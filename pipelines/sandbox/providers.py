"""The providers of a sandbox home, served on loopback: their bills from its file, their faults from what was asked.

Keys are drawn at each start and rest in no file. A home without the sandbox's mark never hears of these addresses.
"""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from pipelines.bills.biller import billers
from pipelines.sandbox import (
    anthropic_api,
    bill_file,
    deepseek_api,
    misbehaviour,
    openai_api,
    openrouter_api,
    vercel_api,
)
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill
from warehouse.home import Home

FIRST_PORT = 8601
# Longer than a pull waits for a sign of life, so that a stall is one.
STALL_S = 70.0
_SERVE = {
    "openai": openai_api.serve,
    "anthropic": anthropic_api.serve,
    "openrouter": openrouter_api.serve,
    "vercel": vercel_api.serve,
    "deepseek": deepseek_api.serve,
}


def of(home: Home) -> tuple[str, ...]:
    """Which providers answer for a home: none but for a sandbox with bills."""
    if not home.is_sandbox:
        return ()
    exported = bill_file.exported(home)
    return tuple(name for name in bill_file.there(home) if name in _SERVE and name not in exported)


def made_up_key(provider: str) -> str:
    """Draw a key that nobody takes for a real one."""
    return f"made-up-{provider}-{secrets.token_hex(16)}"


def variables(keys: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """The environment that leads a pull to the sandbox's providers, whatever real keys it held."""
    found = {}
    for provider, key in keys.items():
        biller = billers()[provider]
        found[biller.key_variable] = key
        found[biller.address_variable] = f"http://127.0.0.1:{ports[provider]}"
    return found


def drawn(home: Home, free_port: Callable[[int, frozenset[int]], int]) -> dict[str, str]:
    """Draw keys and ports for one start of a home's services: their environment; nothing for a home without bills."""
    ports: dict[str, int] = {}
    for provider in of(home):
        ports[provider] = free_port(FIRST_PORT, frozenset(ports.values()))
    return variables({provider: made_up_key(provider) for provider in ports}, ports)


@contextmanager
def serving(
    home: Home, keys: Mapping[str, str], ports: Mapping[str, int], clock: Callable[[], datetime] | None = None
) -> Iterator[dict[str, AdminApi]]:
    """Serve a sandbox's providers; port 0 is a free one."""
    now = clock or _utc
    with ExitStack() as stack:
        apis = {}
        for provider, key in keys.items():
            api = _SERVE[provider](bill_file.nothing(), key, ports[provider])
            api.stall_s = STALL_S
            api.refresh = _refresh(home, provider, now)
            apis[provider] = stack.enter_context(api)
        yield apis


@contextmanager
def connected(home: Home) -> Iterator[None]:
    """Let the pulls of this process reach a sandbox's providers, served here meanwhile; nothing for another home."""
    keys = {provider: made_up_key(provider) for provider in of(home)}
    with serving(home, keys, dict.fromkeys(keys, 0)) as apis:
        ports = {provider: _port(api.address) for provider, api in apis.items()}
        before = dict(os.environ)
        os.environ.update(variables(keys, ports))
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _refresh(home: Home, provider: str, now: Callable[[], datetime]) -> Callable[[AdminApi], None]:
    read_at: list[int] = []
    bill: list[Bill] = []

    def refresh(api: AdminApi) -> None:
        path = bill_file.bill_file(home, provider)
        changed = path.stat().st_mtime_ns if path.exists() else 0
        if read_at != [changed]:
            read_at[:], bill[:] = [changed], [bill_file.read(home, provider)]
        with misbehaviour.changing(home) as said:
            wrong = said.get(provider, misbehaviour.Misbehaviour())
            fault = wrong.faults.pop(0) if wrong.faults else None
        api.faults = [int(fault) if fault.isdigit() else fault] if fault else []
        api.billed_until = now().date() - timedelta(days=wrong.late_days) if wrong.late_days else None
        times = {date.fromisoformat(day): Decimal(factor) for day, factor in wrong.restated.items()}
        api.bill = bill[0].restated(times)

    return refresh


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def _utc() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    """Serve the providers of the home on the command line until SIGTERM, as the environment says a pull meets them."""
    home = Home(Path(sys.argv[1]))
    found = {provider: billers()[provider] for provider in of(home)}
    keys = {provider: os.environ[biller.key_variable] for provider, biller in found.items()}
    ports = {provider: _port(os.environ[biller.address_variable]) for provider, biller in found.items()}
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with serving(home, keys, ports):
        ended.wait()


if __name__ == "__main__":
    main()
