"""Crossings seen by four processes at once, the mail server down half of the time, and kill -9: every mail once."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from pipelines.alerts import budget_state, postman
from tests.conftest import MASTER_KEY
from tests.pipelines.mail_trap import TAKEN, Trap, free_port
from tests.pipelines.spend_version import known, limited, publish
from warehouse import database
from warehouse.control import outbox
from warehouse.control.outbox import Patience
from warehouse.home import Home

# As in service, but for waits that a test has time for; a lease still outlasts any sending.
PATIENCE = Patience(
    lease=timedelta(seconds=2), first_wait=timedelta(seconds=0.05), longest_wait=timedelta(seconds=0.4), tries=10_000
)
WORKERS = 4


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def work(root: Path, url: str) -> None:
    """Evaluate and deliver, over and over, as the sensor does, until killed."""
    os.environ.update(APILEDGER_MASTER_KEY=MASTER_KEY, APILEDGER_SMTP=url)
    home = Home(root)
    while True:
        budget_state.evaluate(home, _now())
        postman.deliver(home, _now, PATIENCE, timedelta(seconds=1))
        time.sleep(0.02)


def start(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """Start a process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipelines.alerts.postman", "pipelines.alerts.budget_state", __name__])
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """Kill -9, and wait until it is gone."""
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()


def serve(port: int, taken: Path) -> None:
    """A mail server that comes and goes, about half of the time each, and refuses some for now, until killed.

    A process of its own: what it leaves open when it goes down in the middle of a mail is nobody else's.
    """
    chance = random.Random(20261121)  # noqa: S311 (moments, not secrets)
    trap = Trap(port)
    trap.answer = lambda: TAKEN if chance.random() > 0.15 else "451 later"
    trap.took = lambda message_id: _append(taken, message_id)
    while True:
        with trap.up():
            time.sleep(chance.uniform(0.1, 0.5))
        time.sleep(chance.uniform(0.1, 0.5))


def die(root: Path, url: str, step: str) -> None:
    """Deliver, and be killed right before a step of the outbox."""
    os.environ.update(APILEDGER_MASTER_KEY=MASTER_KEY, APILEDGER_SMTP=url)
    setattr(outbox, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    postman.deliver(Home(root), _now)


def _append(file: Path, line: str) -> None:
    with file.open("a") as handle:
        handle.write(f"{line}\n")


def unsent(home: Home) -> int:
    """How many mails are not marked as sent."""
    with database.control(home) as control:
        return int(control.execute("SELECT count(*) FROM mail WHERE state <> 'sent'").fetchone()[0])


def rows(home: Home) -> int:
    """How many alert rows there are."""
    with database.control(home) as control:
        return int(control.execute("SELECT count(*) FROM alert").fetchone()[0])


def crossings(home: Home, count: int, kills: int, limit_s: float) -> None:
    """Let `count` budgets be crossed at once, kill `kills` workers at random, and count what was told."""
    chance = random.Random(20261121)  # noqa: S311 (moments, not secrets)
    names = [f"project {number}" for number in range(count)]
    began = _now()
    known(home, began, *names)
    for name in names:
        limited(home, began, name, shares="100")
    today: date = began.date()
    publish(home, {(today, name): "100" for name in names})
    port, taken = free_port(), home.root / "taken"
    url = f"smtp://127.0.0.1:{port}?from=apiledger@costs.example"
    deadline = time.monotonic() + limit_s
    server = start(serve, port, taken)
    workers = [start(work, home.root, url) for _ in range(WORKERS)]
    try:
        while kills or rows(home) < count or unsent(home):
            assert time.monotonic() < deadline, f"{rows(home)} rows, {unsent(home)} unsent, {kills} kills left"
            time.sleep(chance.uniform(0.05, 0.3))
            # Kills are spread over the work, and none is spent on workers with nothing left to do.
            if kills and unsent(home):
                kill(workers.pop(chance.randrange(WORKERS)))
                workers.append(start(work, home.root, url))
                kills -= 1
            elif kills and rows(home) == count:
                break
        # What a killed sender held goes out once its lease ends.
        while unsent(home):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        for worker in (*workers, server):
            kill(worker)
    assert not kills, f"the work was over before {kills} kills"
    with database.control(home) as control:
        alerts = control.execute("SELECT count(*), count(DISTINCT budget_no) FROM alert").fetchone()
        told = dict(control.execute("SELECT message_id, may_repeat FROM mail").fetchall())
    assert alerts == (count, count)
    assert len(told) == count
    # None lost, none that nobody asked for; a repeat only where a sender died, or the server broke off, in between.
    ids = Counter(taken.read_text().split())
    assert set(ids) == set(told)
    repeated = {message_id: times for message_id, times in ids.items() if times > 1}
    print(f"{count} crossings, {sum(ids.values())} mails, {len(repeated)} repeated, {sum(told.values())} flagged")
    assert all(told[message_id] for message_id in repeated)


@pytest.mark.clause("AL-2.2")
@pytest.mark.parametrize(("step", "times"), [("alert_of", 1), ("hand_over", 1), ("sent", 2)])
def test_a_sender_killed_at_a_step_repeats_only_after_the_servers_250(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch, step: str, times: int
) -> None:
    """Before the mail is given nothing went out; between the 250 and the mark it goes again, as the same, flagged."""
    assert master_key
    known(home, _now(), "web")
    limited(home, _now(), "web")
    publish(home, {(_now().date(), "web"): "85"})
    assert budget_state.evaluate(home, _now()) == 1
    trap = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{trap.port}?from=apiledger@costs.example")
    with trap.up():
        killed = start(die, home.root, os.environ["APILEDGER_SMTP"], step)
        killed.join(60)
        assert killed.exitcode == -signal.SIGKILL
        # Its lease still runs: nobody else may send.
        assert postman.deliver(home, _now).sent == 0
        assert postman.deliver(home, lambda: _now() + PATIENCE.lease * 1000).sent == 1
    assert list(trap.ids.values()) == [times]
    with database.control(home) as control:
        assert control.execute("SELECT state, may_repeat FROM mail").fetchall() == [("sent", times - 1)]


@pytest.mark.clause("AL-2.2")
def test_crossings_under_four_processes_and_kills_are_told_once(home: Home, master_key: str) -> None:
    """Forty at once, three kills."""
    assert master_key
    crossings(home, 40, 3, 120)


@pytest.mark.soak
@pytest.mark.clause("AL-2.2")
def test_a_thousand_crossings_and_fifty_kills_are_told_once(home: Home, master_key: str) -> None:
    """A thousand at once, fifty kills."""
    assert master_key
    crossings(home, 1000, 50, 900)
