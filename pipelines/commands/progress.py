"""How far a long command is, for whoever waits for it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

Progress = Callable[[str, int, int], None]


@contextmanager
def shown() -> Iterator[Progress]:
    """Bars on a terminal; elsewhere a line as each thing begins and ends."""
    if not sys.stderr.isatty():
        begun: set[str] = set()

        def say(what: str, done: int, total: int) -> None:
            if what not in begun or done == total:
                begun.add(what)
                click.echo(f"{what}: {done} of {total}", err=True)

        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def draw(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield draw
