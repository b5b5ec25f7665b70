"""Accounts whose every field carries a canary, and what a search of the home finds of each.

A canary is a word that occurs nowhere else; the account's own is in every one of its classes of data.
"""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipelines import erasing
from pipelines.passage import PassReport
from retention import erase, people
from tests.pipelines.gateway_log import line, put, take_in
from tests.retention import byte_scan
from warehouse import database
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (naive moments are UTC here)
GATEWAYS = ("gateway_jsonl",)


@dataclass(frozen=True)
class Canary:
    """The words of one account: `word("project")` is in its projects and nowhere else."""

    number: int

    def word(self, what: str) -> str:
        """The word of one of its classes of data."""
        return f"zq{self.number:03}{what.replace('_', '')}xv"

    @property
    def account(self) -> str:
        """What the log calls the account."""
        return self.word("account")

    def lines(self, days: Iterable[int] = range(6), **fields: Any) -> list[str]:
        """A call a day, so many days back, with a canary in every field that may hold a text."""
        return [self._line(back, **fields) for back in days]

    def _line(self, back: int, **fields: Any) -> str:
        told: dict[str, Any] = {
            "request_id": f"{self.word('request')}-{back}",
            "ts": f"{(NOW - timedelta(days=back, hours=3)).isoformat()}Z",
            "account_id": self.account,
            "key_id": self.word("key"),
            "project": self.word("project"),
            "team": self.word("team"),
            "upstream": self.word("upstream"),
            "user_id": f"{self.word('user')}@example.org",
            "end_user_id": f"{self.word('end_user')}@example.org",
            "tags": [self.word("tag")],
            "model": "gpt-4o",
            "ip": f"203.0.{self.number % 250}.{back}",
            "user_agent": self.word("agent"),
            "cost": "0.0123",
        }
        return line(**{**told, **fields})

    def found(self, home: Home) -> dict[str, set[bytes]]:
        """Where any of its words lies, in any file of the home."""
        return byte_scan.found(home.root, rb"zq%03d\w*xv" % self.number)


def lived(home: Home, accounts: Iterable[Canary], now: datetime = NOW) -> PassReport:
    """One pass with a packed log of these accounts' calls."""
    put(home, "calls.jsonl.gz", [one for each in accounts for one in each.lines()])
    return take_in(home, now)


def repack(lines: Iterable[str]) -> bytes:
    """Lines as a gzip file's bytes."""
    return gzip.compress("\n".join(lines).encode())


def begin(home: Home, kind: str, *names: str, account: str | None = None, now: datetime = NOW) -> None:
    """Begin an erasure of each, and do no more."""
    with database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, now)
        for name in names:
            erase.begin(home, control, people.find(control, vault, kind, name, account), now)


def erased(home: Home, kind: str, *names: str, account: str | None = None, now: datetime = NOW) -> list[str]:
    """Erase each and give the receipts."""
    begin(home, kind, *names, account=account, now=now)
    return erasing.resume(home, now, lambda *_: None)
