"""Two sides of one question, in turn, each in a process of its own: seconds, peak memory, and whether they agree.

Seconds of the clock are what a person waits for; those of the processors tell the same on a machine that others use.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import memory_pools


@dataclass(frozen=True)
class Figure:
    """A side's figures over its runs: median seconds of clock and CPU, the largest peak of memory, what it answered."""

    seconds: float
    cpu_s: float
    peak_mb: int
    answer: Any


def side(module: str, name: str, rows: int, folder: Path) -> Figure:
    """Run `module.name(rows, folder)` once in a fresh process; libraries are imported before the clock starts."""
    command = [sys.executable, "-m", "tests.benchmarks.measure", module, name, str(rows), str(folder)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, f"{module}.{name} failed; it said why above"
    said = json.loads(done.stdout.splitlines()[-1])
    return Figure(said["seconds"], said["cpu_s"], said["peak_mb"], said["answer"])


def pair(module: str, rows: int, folder: Path, times: int) -> tuple[Figure, Figure, float, float]:
    """Ours and the yardstick `times` times in turn: their medians, and of the ratios pair by pair.

    The first ratio is of the clock, the second of the processors.

    AssertionError where the two sides do not answer the same: a faster wrong answer is no answer.
    """
    runs = []
    for _ in range(times):
        runs.append((side(module, "ours", rows, folder), side(module, "yardstick", rows, folder)))
        ours, theirs = runs[-1]
        assert ours.answer == theirs.answer, f"{module}: ours says {ours.answer}, the yardstick {theirs.answer}"
    ratio = statistics.median(ours.seconds / theirs.seconds for ours, theirs in runs)
    cpu_ratio = statistics.median(ours.cpu_s / theirs.cpu_s for ours, theirs in runs)
    medians = [
        Figure(
            statistics.median(f.seconds for f in figures),
            statistics.median(f.cpu_s for f in figures),
            max(f.peak_mb for f in figures),
            figures[0].answer,
        )
        for figures in zip(*runs, strict=True)
    ]
    return medians[0], medians[1], ratio, cpu_ratio


def _cpu_s() -> float:
    """Of this process, its threads and the processes it has waited for."""
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


def main() -> None:
    """Run one side and say what it took, as one line of JSON."""
    memory_pools.share()
    module, name, rows, folder = sys.argv[1:]
    bench = importlib.import_module(f"tests.benchmarks.{module}")
    with tempfile.TemporaryDirectory(dir=folder) as work:
        if hasattr(bench, "before"):
            bench.before(name, int(rows), Path(folder), Path(work))
        started, worked = time.perf_counter(), _cpu_s()
        answer = getattr(bench, name)(int(rows), Path(folder), Path(work))
        seconds, cpu_s = time.perf_counter() - started, _cpu_s() - worked
    # Not getrusage: its figure starts from the parent's, which a fork copies.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak_mb = int(status["VmHWM"].split()[0]) // 1024
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb, "answer": answer}))


if __name__ == "__main__":
    main()
