"""What a page asks of the command line as a child process: which providers a key connects; a key tried and kept.

What runs by itself and what people see import each other nowhere. The key goes by standard input alone; what comes back
is sentences.
"""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass

from warehouse.home import PROJECT, Home

_COMMAND = (sys.executable, "-m", "pipelines.commands.connect")
# A provider that hangs is given up on before this, report by report.
_LONGEST_S = 100.0
# Each is a Python of its own.
_AT_ONCE = threading.BoundedSemaphore(2)
_UNHEARD = "The provider could not be asked now. Look at the list whether the key was kept, and try again."


@dataclass(frozen=True)
class Provider:
    """A provider that a key connects: what to make there, and what it does with what it is asked."""

    name: str
    title: str
    help: str
    policy: str


class Providers:
    """The providers, asked once: they are the same until the program is another."""

    def __init__(self) -> None:
        self._known: tuple[Provider, ...] = ()

    def all(self) -> tuple[Provider, ...]:
        """Every provider, by name; empty where the command line does not answer."""
        if not self._known:
            self._known = tuple(Provider(**line) for line in _asked("providers"))
        return self._known


PROVIDERS = Providers()


def keep(home: Home, provider: str, account_no: int, label: str, key: str) -> tuple[bool, str]:
    """Let a key be tried and kept; whether it was, and what is wrong with it where it was not."""
    if not key.isprintable():
        return False, "That has characters that no key has."
    words = (provider, "--account", str(account_no), f"--name={label}", "--home", str(home.root))
    answers = _asked(*words, typed=key)
    if not answers:
        return False, _UNHEARD
    (answer,) = answers
    return bool(answer["kept"]), " ".join(str(line) for line in answer["said"])


def _asked(*words: str, typed: str = "") -> list[dict[str, str]]:
    """The answer's lines; none where there was no whole one in time."""
    with _AT_ONCE:
        try:
            done = subprocess.run(
                [*_COMMAND, *words, "--answer", "json"],
                input=f"{typed}\n",
                capture_output=True,
                text=True,
                cwd=PROJECT,
                timeout=_LONGEST_S,
                check=True,
            )
            return [json.loads(line) for line in done.stdout.splitlines()]
        except (subprocess.SubprocessError, OSError, ValueError):
            # What such an error says may repeat what was typed.
            return []
