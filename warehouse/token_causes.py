"""What a provider counted minus what the log tells, token by token, split into causes that add up to it.

Each token is valued at the lowest band of its list price. A cause is told by its own evidence: a key all of whose calls
the log lacks, calls that were broken off, as many calls as failed, tokens that are there in another tier.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

from warehouse.causes import (
    APART,
    BAND,
    BOUNDARY,
    CACHE,
    CALLS,
    CANCELLED,
    FAILED,
    LATE,
    TIER,
    UNCLAIMED,
    UNEXPLAINED,
    UNLOGGED,
    Bucket,
    Cell,
    Difference,
    Tokens,
)

INPUT, _OUTPUT = "input", "output"
# day, model
_At = tuple[date, str]
_Apart = dict[_At, dict[Bucket, int]]


@dataclass
class Unclaimed:
    """Calls of the log that name none of their payer's connections, by day and model; taken from as they are found.

    `lacking` is the input that all these connections counted and no log tells of, these calls included.
    """

    tokens: dict[_At, dict[Bucket, int]] = field(default_factory=dict)
    lacking: dict[_At, int] = field(default_factory=dict)


def of_tokens(cells: Sequence[Cell], complete_until: date, unclaimed: Unclaimed | None = None) -> list[Difference]:
    """Split what one connection's cells are expected to cost minus what was logged; they add up to it, exactly.

    Days from `complete_until` on may still get log rows. Cells should be at least a week's, so that a stray key is told
    by all it did. Where a payer has several connections, they share what is `unclaimed`.
    """
    open_calls = unclaimed or Unclaimed()
    apart = {(cell.day, cell.model): _less(cell.counted_in_all, cell.logged) for cell in cells}
    found = list(_boundaries(cells, apart))
    stray: set[int] = set()
    for difference in _stray_keys(cells, apart, complete_until, open_calls):
        stray.update({difference.key_no} - {None})  # type: ignore[arg-type]  # None is taken out
        found.append(difference)
    for cell in cells:
        rest = apart[cell.day, cell.model]
        found += _claims(cell, rest, open_calls.tokens.get((cell.day, cell.model), {}))
        # What else makes such a day differ cannot be told before its log is whole.
        if cell.day >= complete_until and _sum(rest, INPUT) > 0:
            found += [_difference(cell, LATE, bucket, tokens) for bucket, tokens in rest.items()]
        else:
            found += _moves(cell, rest)
            keys = {key_no for key_no, tokens in cell.counted.items() if any(tokens.values())} - stray
            only_key = keys.pop() if len(keys) == 1 else None
            found += _remains(cell, rest, only_key)
        found += _bands(cell)
    return [difference for difference in found if difference.amount_usd]


@cache
def kind(bucket: Bucket) -> str:
    """Whether a bucket is of input, of output, or of calls."""
    return CALLS if bucket[1] == CALLS else _OUTPUT if "_out_" in bucket[1] else INPUT


def lacking_input(cell: Cell) -> int:
    """The input that the provider counted and the cell's log does not tell of."""
    return _sum(cell.counted_in_all, INPUT) - _sum(cell.logged, INPUT)


def _boundaries(cells: Sequence[Cell], apart: _Apart) -> Iterator[Difference]:
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
    cells: Sequence[Cell], apart: _Apart, complete_until: date, unclaimed: Unclaimed
) -> Iterator[Difference]:
    """Keys all of whose input, in every cell, is input the log lacks; the one that explains most exactly goes first.

    A key that was seen on days alone whose log is not complete yet may be any key. Of broken-off calls the log has an
    estimate, so that much more may be there of a key than is lacking; never more than twice, and never more calls.
    """
    lacking = _Lacking.of(cells, apart, unclaimed)
    used: dict[int, list[_Seen]] = defaultdict(list)
    for cell in cells:
        for key_no, tokens in cell.counted.items():
            if key_no is not None and (its_input := _sum(tokens, INPUT)):
                used[key_no].append((cell, its_input, _sum(tokens, CALLS)))
    used = {key_no: seen for key_no, seen in used.items() if any(cell.day < complete_until for cell, *_ in seen)}
    while used:
        fitting = {key_no: over for key_no, seen in used.items() if (over := lacking.over(seen)) is not None}
        if not fitting:
            return
        key_no = min(fitting, key=lambda number: (fitting[number], number))
        seen = used.pop(key_no)
        lacking.take(seen, unclaimed)
        for cell, *_ in seen:
            rest = apart[cell.day, cell.model]
            for bucket, n in cell.counted[key_no].items():
                rest[bucket] = rest.get(bucket, 0) - n
                yield _difference(cell, UNLOGGED, bucket, n, key_no)


# A cell with a key's input and calls in it.
_Seen = tuple[Cell, int, int]


@dataclass
class _Lacking:
    """Input and calls that the log lacks, and how much of the log's input is its own estimate, by cell."""

    tokens: dict[_At, int]
    calls: dict[_At, int]
    estimated: dict[_At, int]

    @staticmethod
    def of(cells: Sequence[Cell], apart: _Apart, unclaimed: Unclaimed) -> "_Lacking":
        tokens = {at: _sum(rest, INPUT) for at, rest in apart.items()}
        for at in tokens.keys() & unclaimed.lacking.keys():
            tokens[at] = min(tokens[at], unclaimed.lacking[at])
        calls = {at: _sum(rest, CALLS) for at, rest in apart.items()}
        return _Lacking(tokens, calls, {(cell.day, cell.model): _sum(cell.broken_off, INPUT) for cell in cells})

    def over(self, seen: Sequence[_Seen]) -> int | None:
        """How far off a key is from being all that lacks; None where it cannot be."""
        total = 0
        for cell, its_input, its_calls in seen:
            at = cell.day, cell.model
            over = its_input - self.tokens[at]
            if over > self.estimated[at] or over * 2 > its_input or its_calls > max(self.calls[at], 0):
                return None
            total += abs(over)
        return total

    def take(self, seen: Sequence[_Seen], unclaimed: Unclaimed) -> None:
        """A key's calls lack no more."""
        for cell, its_input, its_calls in seen:
            at = cell.day, cell.model
            self.tokens[at] -= its_input
            self.calls[at] -= its_calls
            if at in unclaimed.lacking:
                unclaimed.lacking[at] -= its_input


def _claims(cell: Cell, rest: dict[Bucket, int], pool: dict[Bucket, int]) -> Iterator[Difference]:
    """Calls that name no connection, as far as this one counted more of their kind than its own log tells."""
    for which in (INPUT, _OUTPUT, CALLS):
        wanted = max(_sum(rest, which), 0)
        # First what is of the very same tier and class.
        for limited in (True, False):
            for bucket in sorted(pool):
                most = min(wanted, pool[bucket]) if kind(bucket) == which else 0
                n = min(most, max(rest.get(bucket, 0), 0)) if limited else most
                if n > 0:
                    pool[bucket] -= n
                    rest[bucket] = rest.get(bucket, 0) - n
                    wanted -= n
                    yield _difference(cell, UNCLAIMED, bucket, n)


def _moves(cell: Cell, rest: dict[Bucket, int]) -> Iterator[Difference]:
    """Tokens that both sides have, in another tier or in another class of input, or in both at once."""
    pairs = [(lacks, has) for lacks in sorted(rest) for has in sorted(rest) if kind(lacks) == kind(has)]
    # First those that differ in one thing alone.
    for lacks, has in sorted(pairs, key=lambda pair: (pair[0][0] != pair[1][0]) + 2 * (pair[0][1] != pair[1][1])):
        n = min(-rest[lacks], rest[has])
        if n <= 0 or (kind(has) == _OUTPUT and lacks[1] != has[1]):
            continue
        rest[lacks] += n
        rest[has] -= n
        # As another class first, then in the other tier.
        between = (lacks[0], has[1])
        yield Difference(cell.day, CACHE, n * (cell.price(between) - cell.price(lacks)), cell.model, None, has[1])
        # A tier without a list price is paid by a contract of its own.
        is_apart = lacks[0] != has[0] and has not in cell.usd_per_token
        amount = n * (cell.price(has) - cell.price(between))
        yield Difference(cell.day, APART if is_apart else TIER, amount, cell.model, None, has[1])


def _remains(cell: Cell, rest: dict[Bucket, int], only_key: int | None) -> Iterator[Difference]:
    """What is left once keys, tiers and classes are told: broken-off and failed calls, the rest is unlogged.

    `only_key` is the one key that is left to have made the calls the log lacks, if it is one.
    """
    calls, counts_calls = _sum(rest, CALLS), any(kind(bucket) == CALLS for bucket in rest)
    estimated = {which: _sum(cell.broken_off, which) for which in (INPUT, _OUTPUT)}
    for bucket, tokens in sorted(rest.items()):
        which = kind(bucket)
        if which == CALLS or not tokens:
            continue
        if tokens < 0:
            # The log's own estimate of what was broken off may be too high, and by no more than all of it.
            within = max(tokens, -estimated[which])
            estimated[which] += within
            yield _difference(cell, CANCELLED, bucket, within)
            yield _difference(cell, UNEXPLAINED, bucket, tokens - within)
        elif cell.cancelled_requests and (which == _OUTPUT or (counts_calls and calls <= 0)):
            yield _difference(cell, CANCELLED, bucket, tokens)
        elif 0 < calls <= cell.error_requests:
            yield _difference(cell, FAILED, bucket, tokens)
        else:
            yield _difference(cell, UNLOGGED, bucket, tokens, only_key)


def _bands(cell: Cell) -> Iterator[Difference]:
    """What the two sides' costs have beyond the lowest band, where they do not agree on it."""
    if cell.counted_usd is not None:
        counted = cell.counted_usd - cell.usd(cell.counted_in_all)
        yield Difference(cell.day, BAND, counted - (cell.logged_usd - cell.usd(cell.logged)), cell.model)


def _difference(cell: Cell, cause: str, bucket: Bucket, tokens: int, key_no: int | None = None) -> Difference:
    return Difference(cell.day, cause, tokens * cell.price(bucket), cell.model, key_no, bucket[1])


def _less(counted: Tokens, logged: Tokens) -> dict[Bucket, int]:
    return {bucket: counted.get(bucket, 0) - logged.get(bucket, 0) for bucket in {*counted, *logged}}


def _sum(tokens: Mapping[Bucket, int], which: str) -> int:
    total = 0
    for bucket, n in tokens.items():
        if kind(bucket) == which:
            total += n
    return total
