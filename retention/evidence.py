"""What proves a promise in this installation: which check carries it out, when it last ran, its result, its receipt.

A check is one of the self-audit's, or what carries clauses out: the nightly expiry and erasures. Receipts are rows of
chains that anyone can check: an act, an expiry's or an erasure's, by number and hash; none has a value of anybody.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from retention import tested
from retention.policy import Clause, Policy
from retention.promises import CHECKS, Promise
from retention.tested import Run
from warehouse import database
from warehouse.control import audit, self_audit
from warehouse.control.self_audit import Looked

EXPIRY, ERASURE, TESTS = "expiry", "erasure", "tests"
MEANS = CHECKS | {
    EXPIRY: "what its clauses say has to go is gone, each night",
    ERASURE: "whoever is erased goes from all that its clauses hold",
    TESTS: "tests of the program carry it, with every change of the program",
}
# An erasure takes what these hold, and writes them down.
_OF_ERASURES = "K-erasures"


@dataclass(frozen=True)
class Receipt:
    """A row of a chain: an `act`, an `expiry` or an `erasure`, its number, and the hash of it and all before it.

    The hash is None where the row has expired since. Of `tests` it is the run's record, which has no number.
    """

    kind: str
    number: int | None
    sha256: str | None

    def said(self) -> str:
        """`act 12`, `receipt 3 of expiry`, `receipt of erasure 2` or `record`."""
        named = {"expiry": f"receipt {self.number} of expiry", "erasure": f"receipt of erasure {self.number}"}
        return named.get(self.kind, "record" if self.number is None else f"act {self.number}")


@dataclass(frozen=True)
class Proof:
    """A check of a promise: its name, when it last ran (UTC; None: not yet), its result in words, how much was wrong.

    `tests` run where the program is made; they ran here where a whole run of this very program left its record.
    """

    check: str
    ran_at: datetime | None
    result: str
    wrong: int = 0
    receipt: Receipt | None = None

    @property
    def means(self) -> str:
        """What it looks at or carries out, in words."""
        return MEANS.get(self.check, self.check)


@dataclass(frozen=True)
class Evidence:
    """What proves each promise of a home, as its control store says at one moment."""

    looked: dict[str, Looked]
    acts: dict[int, str]
    night: audit.Act | None
    expired: dict[str, tuple[int, datetime, int, str]]
    erased: tuple[int, datetime, str] | None
    erasures: int
    waiting: int
    tests: Run | None = None

    @classmethod
    def read(cls, control: sqlite3.Connection) -> "Evidence":
        """Read it; a few rows of a few small tables."""
        looked, night = self_audit.newest(control), audit.last(control, "retention.run")
        numbers = {one.audit_no for one in looked.values()} | ({night.audit_no} if night else set())
        acts = {number: chain for number in numbers if (chain := audit.chain_of(control, number)) is not None}
        newest = """SELECT clause, expiry_no, ran_at, things, chain FROM expiry
            WHERE expiry_no IN (SELECT max(expiry_no) FROM expiry GROUP BY clause)"""
        expired = {
            clause: (number, database.moment(ran_at), things, chain)
            for clause, number, ran_at, things, chain in control.execute(newest)
        }
        erased = control.execute(
            """SELECT erasure_no, done_at, chain FROM erasure_receipt JOIN erasure USING (erasure_no)
               WHERE done_at IS NOT NULL ORDER BY receipt_no DESC LIMIT 1"""
        ).fetchone()
        ((done, waiting),) = control.execute(
            "SELECT coalesce(sum(step = 'done'), 0), coalesce(sum(step <> 'done'), 0) FROM erasure"
        ).fetchall()
        last = None if erased is None else (erased[0], database.moment(erased[1]), erased[2])
        return cls(looked, acts, night, expired, last, done, waiting, tested.read())

    def of(self, promise: Promise, policy: Policy) -> list[Proof]:
        """What proves a promise: its checks, what carries its clauses out, and its tests where they ran here.

        Where there is nothing else its tests are named, too.
        """
        clauses = [clause for clause in policy.clauses if clause.id in promise.clauses]
        found = [self.checked(name) for name in promise.checks]
        if timed := [clause for clause in clauses if clause.kept_days is not None]:
            found.append(self._expired(timed))
        if any(clause.kind == "E" or clause.id == _OF_ERASURES for clause in clauses):
            found.append(self._erased())
        if self.tests is not None and promise.tests:
            found.append(self._tested(promise.id, self.tests))
        elif not found:
            files = len(promise.tests)
            found.append(Proof(TESTS, None, f"{files} {'file' if files == 1 else 'files'} of tests"))
        return found

    def _tested(self, promise_id: str, tests: Run) -> Proof:
        failed, passed = tests.failed.get(promise_id, 0), tests.passed.get(promise_id, 0)
        result = f"{failed} of {failed + passed} tests failed" if failed else f"{passed} passed"
        return Proof(TESTS, tests.ran_at, result, failed, Receipt(TESTS, None, tests.sha256))

    def checked(self, name: str) -> Proof:
        """The newest result of a check of the self-audit."""
        if (one := self.looked.get(name)) is None:
            return Proof(name, None, "not looked at yet")
        receipt = Receipt("act", one.audit_no, self.acts.get(one.audit_no))
        return Proof(name, one.ran_at, f"{one.wrong} wrong" if one.wrong else "holds", one.wrong, receipt)

    def _expired(self, clauses: Sequence[Clause]) -> Proof:
        """The night's run, and the newest receipt of what it took under one of these clauses."""
        receipts = [(*self.expired[clause.id], clause.id) for clause in clauses if clause.id in self.expired]
        if not receipts:
            if self.night is None:
                return Proof(EXPIRY, None, "not run yet")
            act = Receipt("act", self.night.audit_no, self.acts.get(self.night.audit_no))
            return Proof(EXPIRY, self.night.at, "nothing was due", 0, act)
        number, ran_at, things, chain, clause_id = max(receipts)
        last = max(ran_at, self.night.at) if self.night else ran_at
        result = f"{things:,} rows or files of {clause_id} gone on {ran_at:%Y-%m-%d}"
        return Proof(EXPIRY, last, result, 0, Receipt("expiry", number, chain))

    def _erased(self) -> Proof:
        waiting = f", {self.waiting} under way" if self.waiting else ""
        if self.erased is None:
            return Proof(ERASURE, None, f"nobody was erased yet{waiting}")
        number, done_at, chain = self.erased
        return Proof(ERASURE, done_at, f"{self.erasures} done{waiting}", 0, Receipt("erasure", number, chain))


def rows(found: Iterable[Proof]) -> list[dict[str, object]]:
    """Proofs as JSON has them."""
    return [
        {
            "check": one.check,
            "means": one.means,
            "last_run": None if one.ran_at is None else one.ran_at.isoformat(),
            "result": one.result,
            "wrong": None if one.ran_at is None else one.wrong,
            "receipt": None
            if one.receipt is None
            else {"kind": one.receipt.kind, "number": one.receipt.number, "sha256": one.receipt.sha256},
        }
        for one in found
    ]
