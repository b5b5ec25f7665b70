"""Why a gateway's log and a provider's bill differ: the difference of each day, split into causes that add up to it.

Two steps. What the provider counted is held against what the log tells, token by token, each token valued at the lowest
band of its list price. Then what the provider billed is held against what it counted. Nothing is guessed from an
amount alone: a cause needs its own evidence, and what has none stays unexplained.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from warehouse import money

# What a model's tokens are told apart by: service tier, class of tokens.
Bucket = tuple[str, str]
Tokens = Mapping[Bucket, int]

UNLOGGED, CANCELLED, TIER, CACHE = "unlogged", "cancelled_streams", "service_tier", "cache_split"
BOUNDARY, LATE, BAND = "day_boundary", "late_rows", "context_band"
PRICE, DISCOUNT, CREDIT, TAX, FEE = "price", "discount", "credit", "tax", "fee"
UNPRICED, ROUNDING, UNEXPLAINED = "unpriced", "rounding", "unexplained"
CAUSES = {
    UNLOGGED: "Calls the gateway never saw: a key that goes past it, stray or leaked.",
    CANCELLED: "Streams the caller broke off, which went on at the provider for a while.",
    TIER: "Calls the provider counted in another service tier than the log: batch, flex, priority.",
    CACHE: "Input that one side took for cached, or for written to the cache, and the other did not.",
    BOUNDARY: "Calls over midnight that the two sides put on different days.",
    LATE: "Calls of days whose log is not complete yet.",
    BAND: "Long-context prices that one side's totals cannot show.",
    PRICE: "A price that is not the list price, the same share on every day.",
    DISCOUNT: "What the bill itself takes off its list amounts.",
    CREDIT: "Credits on the bill.",
    TAX: "Taxes on the bill.",
    FEE: "Charges that are no tokens: searches, sessions, storage, seats.",
    UNPRICED: "Models without a known price: their cost is in the bill alone.",
    ROUNDING: "Amounts rounded by the provider, line by line.",
    UNEXPLAINED: "What none of these explains.",
}
_CENT, _HALF_CENT, _HALF_MICRO = Decimal("0.01"), Decimal("0.005"), Decimal("0.0000005")
# A price that differs has the same share on most days; below three days nobody can tell.
_DAYS_TO_TELL, _SHARE_APART = 3, Decimal("0.005")


@dataclass(frozen=True)
class Cell:
    """One connection's day and model: what the log tells and what the provider counted.

    `counted` is by the provider's key. `crossing` are tokens of logged calls that began on this day and ended on the
    next. `usd_per_token` is the list price at its lowest band. `logged_usd` is at list, each call in its band;
    `counted_usd` the same where the provider's counts tell their band, else None.
    """

    day: date
    model: str
    logged: Tokens = field(default_factory=dict)
    counted: Mapping[int | None, Tokens] = field(default_factory=dict)
    crossing: Tokens = field(default_factory=dict)
    cancelled_requests: int = 0
    logged_usd: Decimal = Decimal(0)
    counted_usd: Decimal | None = None
    usd_per_token: Mapping[Bucket, Decimal] = field(default_factory=dict)

    def price(self, bucket: Bucket) -> Decimal:
        """USD a token; 0 where no price is known."""
        return self.usd_per_token.get(bucket, Decimal(0))

    def usd(self, tokens: Tokens) -> Decimal:
        """Tokens at the lowest band of their list price; what has no price counts nothing."""
        return sum((n * self.price(bucket) for bucket, n in tokens.items()), Decimal(0))

    @property
    def counted_in_all(self) -> dict[Bucket, int]:
        """What the provider counted with every key."""
        return _added(*self.counted.values())

    @property
    def expected_usd(self) -> Decimal:
        """What was counted at list price; the log's bands are taken for it where the counts tell none."""
        if self.counted_usd is not None:
            return self.counted_usd
        return self.usd(self.counted_in_all) + self.logged_usd - self.usd(self.logged)


@dataclass(frozen=True)
class BillLine:
    """One line of a bill: its amount, the amount at list where the bill says it, and what kind of line it is."""

    amount_usd: Decimal
    list_amount_usd: Decimal | None = None
    charge_category: str = "Usage"
    is_tokens: bool = True


@dataclass(frozen=True)
class Difference:
    """A part of a day's difference, with its cause; positive where the bill is more than the log."""

    day: date
    cause: str
    amount_usd: Decimal
    model: str | None = None
    key_no: int | None = None
    token_class: str | None = None


def is_output(bucket: Bucket) -> bool:
    """Whether a bucket's tokens are output."""
    return "_out_" in bucket[1]


def of_tokens(cells: Sequence[Cell], complete_until: date) -> list[Difference]:
    """Split what one connection's cells are expected to cost minus what was logged; they add up to it, exactly.

    Days from `complete_until` on may still get log rows. Cells should be at least a week's, so that a stray key is told
    by all it did.
    """
    apart = {(cell.day, cell.model): _less(cell.counted_in_all, cell.logged) for cell in cells}
    found = list(_boundaries(cells, apart))
    found += _stray_keys(cells, apart, complete_until)
    for cell in cells:
        rest = apart[cell.day, cell.model]
        # What else makes such a day differ cannot be told before its log is whole.
        is_late = cell.day >= complete_until and _input(rest) > 0
        if not is_late:
            found += _moves(cell, rest)
        found += [
            _difference(cell, LATE if is_late else _cause(cell, bucket, tokens), bucket, tokens)
            for bucket, tokens in rest.items()
            if tokens
        ]
        found += _bands(cell)
    return [difference for difference in found if difference.amount_usd]


def of_bill(
    expected: Mapping[date, Decimal], lines: Mapping[date, Sequence[BillLine]], unpriced: Iterable[date] = ()
) -> list[Difference]:
    """Split bill minus what was expected, by day; `expected` is what was counted (or logged) at list price.

    `unpriced` are days with tokens of models without a known price.
    """
    without_price = set(unpriced)
    found: list[Difference] = []
    rest: dict[date, Decimal] = {}
    for day, told in sorted(lines.items()):
        parts = {DISCOUNT: Decimal(0), CREDIT: Decimal(0), TAX: Decimal(0), FEE: Decimal(0)}
        for line in told:
            cause = _line_cause(line)
            if cause is not None:
                parts[cause] += line.amount_usd
            elif line.list_amount_usd is not None:
                parts[DISCOUNT] += line.amount_usd - line.list_amount_usd
        found += [Difference(day, cause, amount) for cause, amount in parts.items()]
        billed = sum((line.amount_usd for line in told), Decimal(0))
        rest[day] = billed - expected.get(day, Decimal(0)) - sum(parts.values())
    rounded = {day for day, amount in rest.items() if abs(amount) <= _rounding(lines[day])}
    share = _share({day: usd for day, usd in expected.items() if day in rest.keys() - rounded}, rest)
    for day, amount in rest.items():
        found += _bill_rest(
            day, amount, money.usd(expected.get(day, Decimal(0)) * share), lines[day], is_unpriced=day in without_price
        )
    return [difference for difference in found if difference.amount_usd]


def _boundaries(cells: Sequence[Cell], apart: dict[tuple[date, str], dict[Bucket, int]]) -> Iterator[Difference]:
    """Where the provider counts a call when it ends, those that began before midnight are on its next day."""
    for cell in cells:
        following = apart.get((cell.day + timedelta(days=1), cell.model))
        if not cell.crossing or following is None:
            continue
        here = apart[cell.day, cell.model]
        left = {bucket: here.get(bucket, 0) + n for bucket, n in cell.crossing.items()}
        right = {bucket: following.get(bucket, 0) - n for bucket, n in cell.crossing.items()}
        before = sum(abs(here.get(bucket, 0)) + abs(following.get(bucket, 0)) for bucket in cell.crossing)
        if sum(map(abs, left.values())) + sum(map(abs, right.values())) >= before:
            continue
        here.update(left)
        following.update(right)
        for bucket, n in cell.crossing.items():
            amount = n * cell.price(bucket)
            yield Difference(cell.day, BOUNDARY, -amount, cell.model, None, bucket[1])
            yield Difference(cell.day + timedelta(days=1), BOUNDARY, amount, cell.model, None, bucket[1])


def _stray_keys(
    cells: Sequence[Cell], apart: dict[tuple[date, str], dict[Bucket, int]], complete_until: date
) -> Iterator[Difference]:
    """Keys all of whose input, in every cell, is input the log lacks; the one that explains most exactly goes first.

    A key that was seen on days alone whose log is not complete yet may be any key.
    """
    used: dict[int, list[Cell]] = defaultdict(list)
    for cell in cells:
        for key_no, tokens in cell.counted.items():
            if key_no is not None and _input(tokens):
                used[key_no].append(cell)
    while used:
        lacking = {at: _input(rest) for at, rest in apart.items()}
        fitting = {
            key_no: sum(lacking[cell.day, cell.model] - _input(cell.counted[key_no]) for cell in its_cells)
            for key_no, its_cells in used.items()
            if all(_input(cell.counted[key_no]) <= lacking[cell.day, cell.model] for cell in its_cells)
            and any(cell.day < complete_until for cell in its_cells)
        }
        if not fitting:
            return
        key_no = min(fitting, key=lambda number: (fitting[number], number))
        for cell in used.pop(key_no):
            rest = apart[cell.day, cell.model]
            for bucket, n in cell.counted[key_no].items():
                rest[bucket] = rest.get(bucket, 0) - n
                yield _difference(cell, UNLOGGED, bucket, n, key_no)


def _moves(cell: Cell, rest: dict[Bucket, int]) -> Iterator[Difference]:
    """Tokens that both sides have, in another tier or in another class of input, or in both at once."""
    pairs = [(lacks, has) for lacks in sorted(rest) for has in sorted(rest) if is_output(lacks) == is_output(has)]
    # First those that differ in one thing alone.
    for lacks, has in sorted(pairs, key=lambda pair: (pair[0][0] != pair[1][0]) + 2 * (pair[0][1] != pair[1][1])):
        n = min(-rest[lacks], rest[has])
        if n <= 0 or (is_output(has) and lacks[1] != has[1]):
            continue
        rest[lacks] += n
        rest[has] -= n
        # As another class first, then in the other tier.
        between = (lacks[0], has[1])
        yield Difference(cell.day, CACHE, n * (cell.price(between) - cell.price(lacks)), cell.model, None, has[1])
        yield Difference(cell.day, TIER, n * (cell.price(has) - cell.price(between)), cell.model, None, has[1])


def _cause(cell: Cell, bucket: Bucket, tokens: int) -> str:
    if tokens < 0:
        return UNEXPLAINED
    return CANCELLED if is_output(bucket) and cell.cancelled_requests else UNLOGGED


def _bands(cell: Cell) -> Iterator[Difference]:
    """What the two sides' costs have beyond the lowest band, where they do not agree on it."""
    if cell.counted_usd is not None:
        counted = cell.counted_usd - cell.usd(cell.counted_in_all)
        yield Difference(cell.day, BAND, counted - (cell.logged_usd - cell.usd(cell.logged)), cell.model)


def _line_cause(line: BillLine) -> str | None:
    if line.charge_category == "Tax":
        return TAX
    if line.charge_category == "Credit" or (line.amount_usd < 0 and not line.is_tokens):
        return CREDIT
    return None if line.is_tokens and line.charge_category == "Usage" else FEE


def _rounding(lines: Sequence[BillLine]) -> Decimal:
    """The most that rounding line by line can make: half a cent each where every amount is in whole cents."""
    in_cents = all(line.amount_usd % _CENT == 0 for line in lines)
    return len(lines) * (_HALF_CENT if in_cents else _HALF_MICRO)


def _share(expected: Mapping[date, Decimal], rest: Mapping[date, Decimal]) -> Decimal:
    """The share of the list price that the bill is more, or less, on most days; 0 where there is none."""
    shares = {day: rest[day] / usd for day, usd in expected.items() if usd}
    if len(shares) < _DAYS_TO_TELL:
        return Decimal(0)
    middle = sorted(shares.values())[len(shares) // 2]
    agreeing = [day for day, share in shares.items() if abs(share - middle) <= _SHARE_APART]
    if abs(middle) <= _SHARE_APART or len(agreeing) * 2 <= len(shares):
        return Decimal(0)
    # Of all of them together, so that rounding by line cancels out.
    return sum((rest[day] for day in agreeing), Decimal(0)) / sum((expected[day] for day in agreeing), Decimal(0))


def _bill_rest(
    day: date, amount: Decimal, by_price: Decimal, lines: Sequence[BillLine], *, is_unpriced: bool
) -> Iterator[Difference]:
    most = _rounding(lines)
    if abs(amount) <= most:
        by_price = Decimal(0)
    left = amount - by_price
    yield Difference(day, PRICE, by_price)
    yield Difference(day, ROUNDING if abs(left) <= most else UNPRICED if is_unpriced else UNEXPLAINED, left)


def _difference(cell: Cell, cause: str, bucket: Bucket, tokens: int, key_no: int | None = None) -> Difference:
    amount = tokens * cell.price(bucket)
    return Difference(cell.day, cause, amount, cell.model, key_no, bucket[1])


def _added(*sides: Tokens) -> dict[Bucket, int]:
    total: dict[Bucket, int] = defaultdict(int)
    for side in sides:
        for bucket, n in side.items():
            total[bucket] += n
    return dict(total)


def _less(counted: Tokens, logged: Tokens) -> dict[Bucket, int]:
    return {bucket: counted.get(bucket, 0) - logged.get(bucket, 0) for bucket in {*counted, *logged}}


def _input(tokens: Tokens) -> int:
    return sum(n for bucket, n in tokens.items() if not is_output(bucket))
