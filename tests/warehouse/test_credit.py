"""The ledger against a dict of decimals: whatever happens in whichever order, it adds up, and nothing in it changes."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from warehouse import database
from warehouse.control import credit, payment
from warehouse.control.credit import Cell
from warehouse.control.payment import Payment
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (naive moments are UTC here)
DAY = date(2026, 11, 20)
CENT = 10**7
_EXACT = Decimal(10) ** -18
_ACCOUNTS = (11, 12)
_CELLS = [
    Cell(account, DAY - timedelta(days=back), "openai", model)
    for account in _ACCOUNTS
    for back in range(2)
    for model in ("gpt-4o", "o3")
]


def rounded(worth: Decimal) -> int:
    """The sum of a usage in nano-dollars, half-even, by another road than the ledger's."""
    return int((worth * 10**9).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    """A control store of its own in a folder that goes."""
    with TemporaryDirectory() as folder, database.control(Home(Path(folder) / "own").make()) as control:
        # What is tested is not the disk.
        control.execute("PRAGMA synchronous=OFF")
        yield control


def total(control: sqlite3.Connection, account_no: int, book: str) -> int:
    """What a book of an account holds, summed entry by entry."""
    query = "SELECT amount_nano FROM credit_entry WHERE account_no = ? AND book = ?"
    return sum(amount for (amount,) in control.execute(query, (account_no, book)))


class Ledger(RuleBasedStateMachine):
    """The real ledger beside a dict: payments that come again, move and are given back, usage that changes."""

    def __init__(self) -> None:
        super().__init__()
        self._store = opened()
        self.control = self._store.__enter__()
        self.payments: dict[str, Payment] = {}
        self.usage: dict[Cell, Decimal] = {}
        self.adjusted: dict[int, int] = {}

    def teardown(self) -> None:
        """Let the store go."""
        self._store.__exit__(None, None, None)

    @rule(number=st.integers(1, 6), cents=st.integers(1, 10**9), account=st.sampled_from([*_ACCOUNTS, None]))
    def pay(self, number: int, cents: int, account: int | None) -> None:
        """A payment comes, or comes again; whose it is may be said otherwise, its amount never."""
        payment_id = f"ch_{number}"
        # What was given back of it goes where it goes.
        known = [replace(one, account_no=account) for one in self.payments.values() if one.payment == payment_id]
        told = known or [Payment(f"txn_{number}", payment_id, "top_up", DAY, cents * CENT, account)]
        self.settle({one.transaction: one for one in told})

    @rule(number=st.integers(1, 6), part=st.integers(1, 4), kind=st.sampled_from(["refund", "dispute"]))
    def give_back(self, number: int, part: int, kind: credit.Kind) -> None:
        """A quarter or more of a payment is given back, once; asked again it is the same one."""
        paid = self.payments.get(f"txn_{number}")
        if paid and not any(each.payment == paid.payment and each != paid for each in self.payments.values()):
            amount = -(paid.amount_nano // CENT * part // 4) * CENT
            self.settle(
                {f"{kind}_{number}": replace(paid, transaction=f"{kind}_{number}", kind=kind, amount_nano=amount)}
            )

    def settle(self, told: dict[str, Payment]) -> None:
        """Tell the ledger, and with it all that it was told before, as each pull does."""
        self.payments |= told
        with database.transaction(self.control):
            payment.settle(self.control, list(self.payments.values()), NOW)

    @rule(cell=st.sampled_from(_CELLS), worth=st.decimals(0, 10**6, places=18))
    def use(self, cell: Cell, worth: Decimal) -> None:
        """A cell's usage is worth something else than before: late rows, another price, nothing any more."""
        self.usage[cell] = worth.quantize(_EXACT)
        with database.transaction(self.control):
            credit.deduct(self.control, self.usage.items(), NOW)

    @rule(account=st.sampled_from(_ACCOUNTS), amount=st.integers(-(10**12), 10**12))
    def adjust(self, account: int, amount: int) -> None:
        """Somebody grants or takes."""
        with database.transaction(self.control):
            credit.post(self.control, account, "adjustment", "adjust", DAY, amount, NOW)
        self.adjusted[account] = self.adjusted.get(account, 0) + amount

    @rule()
    def again(self) -> None:
        """All that is known is told once more: nothing is entered."""
        before = credit.tail(self.control)
        self.settle({})
        with database.transaction(self.control):
            assert credit.deduct(self.control, self.usage.items(), NOW) == 0
        assert credit.tail(self.control) == before

    @invariant()
    def adds_up(self) -> None:
        """Zero-sum; each book what the dict says: the usage rounded once, the sum of the payments."""
        assert self.control.execute("SELECT coalesce(sum(amount_nano), 0) FROM credit_entry").fetchone() == (0,)
        for account in _ACCOUNTS:
            paid = sum(one.amount_nano for one in self.payments.values() if one.account_no == account)
            worth = sum((usd for cell, usd in self.usage.items() if cell.account_no == account), Decimal(0))
            assert credit.lifetime(self.control, account) == paid
            assert total(self.control, account, "usage") == rounded(worth)
            assert credit.balance(self.control, account) == paid - rounded(worth) + self.adjusted.get(account, 0)
        assert credit.wrong(self.control) == []


@pytest.mark.clause("VA-4.2")
@pytest.mark.parametrize(
    ("examples", "steps"), [(12, 20), pytest.param(1000, 50, marks=pytest.mark.soak)], ids=["small", "whole"]
)
def test_the_ledger_is_what_a_dict_of_decimals_says(examples: int, steps: int) -> None:
    """Payments, refunds, disputes, claims that move, usage that changes, adjustments, replays, in any order."""
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.clause("VA-4.2")
def test_no_residue_is_lost_or_doubled() -> None:
    """A thousand cells of a third of a nano-dollar: each rounds by itself to nothing, together to what they are."""
    third = Decimal("0.000000000333333333")
    cells = [Cell(11, DAY, "openai", f"m{number}") for number in range(1000)]
    with opened() as control:
        with database.transaction(control):
            credit.deduct(control, [(cell, third) for cell in cells], NOW)
        assert -credit.balance(control, 11) == rounded(third * 1000) == 333
        with database.transaction(control):
            credit.deduct(control, [(cell, Decimal(0)) for cell in cells], NOW)
        assert credit.balance(control, 11) == 0
        assert credit.wrong(control) == []


@pytest.mark.clause("VA-4.2")
def test_the_store_refuses_what_does_not_add_up_and_what_changes_the_past() -> None:
    """One leg alone, a leg more, a second time, another amount, a day less: by whoever writes, in whichever way."""
    with opened() as control:
        with database.transaction(control):
            credit.post(control, 11, "top_up", "stripe:a", DAY, 500, NOW)
            credit.post(control, 11, "adjustment", "adjust", DAY, 7, NOW)
        before = control.execute("SELECT * FROM credit_entry").fetchall()
        begun = (
            "INSERT INTO credit_tx (tx_id, account_no, kind, cause, day, made_at)"
            " VALUES ('x', 11, 'top_up', 'x', '', '')"
        )

        def written(*statements: str) -> None:
            with database.transaction(control):
                for statement in statements:
                    control.execute(statement)

        def entry(*values: object) -> str:
            return f"INSERT INTO credit_entry VALUES {values}"

        for statements in (
            [begun, entry(3, "customer", 11, 100)],
            [begun, entry(3, "customer", 11, 100), entry(3, "stripe", 11, -99)],
            [begun, entry(3, "customer", 12, 100), entry(3, "stripe", 12, -100)],
            [entry(1, "usage", 11, 5), entry(1, "adjustment", 11, -5)],
            ["INSERT OR REPLACE INTO credit_entry VALUES (2, 'customer', 11, 8)"],
            ["INSERT OR REPLACE INTO credit_tx SELECT * FROM credit_tx WHERE tx_no = 2"],
            ["UPDATE credit_entry SET amount_nano = amount_nano * 2"],
            ["UPDATE credit_tx SET day = '2020-01-01'"],
            ["DELETE FROM credit_entry"],
            ["DELETE FROM credit_tx WHERE tx_no = 2"],
            ["DELETE FROM credit_zero"],
        ):
            with pytest.raises(sqlite3.IntegrityError):
                written(*statements)
            assert control.execute("SELECT * FROM credit_entry").fetchall() == before, statements


@pytest.mark.parametrize("orders", [10, pytest.param(1000, marks=pytest.mark.soak)])
def test_the_order_of_payments_refunds_and_claims_makes_no_difference(orders: int) -> None:
    """A history with a payment that moves, a refund and a dispute that is won, in many orders: one final state."""
    told = [
        Payment("txn_1", "ch_1", "top_up", DAY, 2000 * CENT, 11),
        Payment("txn_2", "ch_1", "refund", DAY, -500 * CENT, 11),
        Payment("txn_3", "ch_2", "top_up", DAY, 900 * CENT, 12),
        Payment("txn_4", "ch_2", "dispute", DAY, -900 * CENT, 12),
        Payment("txn_5", "ch_2", "dispute", DAY, 900 * CENT, 12),
    ]
    random = Random(5)  # noqa: S311 (shuffles a test's history)
    found = set()
    for _ in range(orders):
        history = [*told, *random.sample(told, 3)]
        random.shuffle(history)
        with opened() as control:
            for one in history:
                with database.transaction(control):
                    payment.settle(control, [replace(one, account_no=random.choice([11, 12, None]))], NOW)
            with database.transaction(control):
                payment.settle(control, told, NOW)
            found.add((credit.balance(control, 11), credit.balance(control, 12), tuple(credit.wrong(control))))
    assert found == {(1500 * CENT, 900 * CENT, ())}


@pytest.mark.clause("VA-4.2")
@pytest.mark.parametrize(
    ("writers", "rounds"), [(4, 6), pytest.param(16, 100, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_writers_at_the_same_time_enter_everything_once(home: Home, writers: int, rounds: int) -> None:
    """All tell the same growing usage and the same payments at once: each cell and each payment is there once."""
    with database.control(home):
        # Made once; what is tested are those who write.
        failed: list[BaseException] = []
    together = threading.Barrier(writers)

    def write() -> None:
        try:
            with database.control(home) as control:
                for turn in range(1, rounds + 1):
                    together.wait()
                    worth = [(cell, Decimal(turn) / 7) for cell in _CELLS]
                    worth = [(cell, usd.quantize(_EXACT)) for cell, usd in worth]
                    with database.transaction(control):
                        credit.deduct(control, worth, NOW)
                        payment.settle(control, [Payment(f"txn_{turn}", "ch", "top_up", DAY, CENT, 11)], NOW)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failed.append(error)
            together.abort()

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    whole = (Decimal(rounds) / 7).quantize(_EXACT) * 4
    with database.control(home) as control:
        assert credit.wrong(control) == []
        assert credit.lifetime(control, 11) == rounds * CENT
        assert [total(control, account, "usage") for account in _ACCOUNTS] == [rounded(whole)] * 2
        ((entered,),) = control.execute("SELECT count(*) FROM credit_tx").fetchall()
    assert entered == rounds * (len(_CELLS) + 1)
