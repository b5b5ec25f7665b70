"""Whose words are in what came back: every byte as it is, and packed files opened.

A viewer of one project is a stranger to the words of their own account's other one; the operator to all but labels,
which they give away themselves, and what was written to them.
"""

import re
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.attacks.canary_accounts import BESIDE, Person
from tests.attacks.visitor import Heard
from tests.retention import byte_scan

# The IP of a call is a word as well.
_WORD = re.compile(rb"zq(\d{3})([a-z]+?)xv|203\.0\.(\d{1,3})\.")
_PACKED = (b"PAR1", b"PK\x03\x04")
# Labels and rules, which the operator claims for accounts; and what members wrote to them, with their answer.
OPERATOR_KNOWS = frozenset({"account", "note", "question", "answer"})


@dataclass
class Search:
    """What was looked through so far: steps by kind, bytes searched, own words met by kind, and words of strangers."""

    folder: Path
    steps: Counter[str] = field(default_factory=Counter)
    searched: int = 0
    met: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)

    def look(
        self, kind: str, person: Person, heard: Iterable[Heard], sent: Iterable[str] = (), opened: int | None = None
    ) -> None:
        """Look through what a person was given; `sent` are their own words, `opened` what they may look into."""
        self.steps[kind] += 1
        said = {word.encode() for word in sent}
        for each in heard:
            for place, data in each.parts:
                for where, opened_data in self._opened(place, data):
                    self.searched += len(opened_data)
                    for word in _WORD.finditer(opened_data):
                        number, what = int(word[1] or word[3]), (word[2] or b"ip").decode()
                        if is_theirs(person, number, what, opened):
                            self.met[f"{kind} {what}"] += 1
                        elif word[0] not in said:
                            around = opened_data[max(word.start() - 60, 0) : word.end() + 60]
                            self.foreign.append(
                                f"{kind} of {_whose(person)}: {word[0].decode()} in {where}: {around!r}"
                            )

    def _opened(self, place: str, data: bytes) -> Iterable[tuple[str, bytes]]:
        if data[:4] not in _PACKED and data[8:12] != b"DUCK":
            return [(place, data)]
        file = self.folder / f"{self.steps.total()}-{len(data)}"
        file.mkdir(exist_ok=True)
        if data[:4] == _PACKED[1]:
            (file.with_suffix(".zip")).write_bytes(data)
            with zipfile.ZipFile(file.with_suffix(".zip")) as archive:
                archive.extractall(file)
        else:
            (file / "file").write_bytes(data)
        return [(f"{place} {name}", content) for name, content in byte_scan.contents(file)]


def is_theirs(person: Person, number: int, what: str, opened: int | None = None) -> bool:
    """Whether a word of an account is one that a person may read."""
    if person.account is None:
        return number == opened or what in OPERATOR_KNOWS
    return number == person.account.number and not (person.is_limited and what in BESIDE)


def _whose(person: Person) -> str:
    return person.seat if person.account is None else f"{person.account.number} {person.seat}"
