"""A difference between log and bill is split into causes that add up to it exactly, each by its own evidence."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse import causes
from warehouse.causes import BillLine, Bucket, Cell, Difference

DAY = date(2026, 6, 1)
LATER = date(2026, 7, 1)
IN, CACHED, OUT = ("standard", "uncached_tokens"), ("standard", "cache_read_tokens"), ("standard", "text_out_tokens")
BATCH_IN, BATCH_OUT = ("batch", "uncached_tokens"), ("batch", "text_out_tokens")
USD = {
    IN: Decimal("0.0000025"),
    CACHED: Decimal("0.00000125"),
    OUT: Decimal("0.00001"),
    BATCH_IN: Decimal("0.00000125"),
    BATCH_OUT: Decimal("0.000005"),
}


def cell(
    day: date = DAY,
    logged: dict[Bucket, int] | None = None,
    counted: Mapping[Any, Mapping[Bucket, int]] | None = None,
    crossing: dict[Bucket, int] | None = None,
    cancelled: int = 0,
) -> Cell:
    """A cell of one model at the prices above; the log's cost is that of its tokens."""
    made = Cell(day, "gpt-4o", logged or {}, counted or {}, crossing or {}, cancelled, Decimal(0), None, USD)
    return Cell(day, "gpt-4o", made.logged, made.counted, made.crossing, cancelled, made.usd(made.logged), None, USD)


def amounts(found: list[Difference]) -> dict[str, Decimal]:
    """What each cause adds up to, those that cancel out left aside."""
    total: Counter[str] = Counter()
    for part in found:
        total[part.cause] += part.amount_usd  # type: ignore[assignment]  # Counter's stub knows integers alone
    return {cause: Decimal(amount) for cause, amount in total.items() if amount}


def test_sides_that_agree_have_no_difference() -> None:
    """The same tokens on both sides: nothing to explain."""
    tokens = {IN: 1_000, CACHED: 200, OUT: 300}
    assert causes.of_tokens([cell(logged=tokens, counted={7: tokens})], LATER) == []


def test_a_key_that_goes_past_the_gateway_is_named() -> None:
    """All that a stray key did is unlogged, under its number; the gateway's own key is not taken for it."""
    ours, stray = {IN: 1_000, OUT: 300}, {IN: 400, OUT: 90}
    cells = [cell(DAY + timedelta(days=n), ours, {7: ours} | ({8: stray} if n % 3 == 0 else {})) for n in range(7)]
    found = causes.of_tokens(cells, LATER)
    assert {(part.cause, part.key_no) for part in found} == {(causes.UNLOGGED, 8)}
    assert amounts(found) == {causes.UNLOGGED: 3 * (400 * USD[IN] + 90 * USD[OUT])}


def test_a_gateways_key_that_is_used_past_it_as_well_is_unlogged_without_a_name() -> None:
    """What one key did inside and outside cannot be told apart: the excess has no key."""
    found = causes.of_tokens([cell(logged={IN: 1_000, OUT: 300}, counted={7: {IN: 1_500, OUT: 400}})], LATER)
    assert {(part.cause, part.key_no) for part in found} == {(causes.UNLOGGED, None)}


def test_a_stream_that_was_broken_off_explains_output_alone() -> None:
    """More output where callers hung up is cancelled streams; without such calls it is unlogged."""
    logged, counted = {IN: 1_000, OUT: 300}, {7: {IN: 1_000, OUT: 350}}
    assert amounts(causes.of_tokens([cell(logged=logged, counted=counted, cancelled=2)], LATER)) == {
        causes.CANCELLED: 50 * USD[OUT]
    }
    assert set(amounts(causes.of_tokens([cell(logged=logged, counted=counted)], LATER))) == {causes.UNLOGGED}


def test_another_tier_and_another_class_are_told_apart() -> None:
    """Tokens both sides have, counted as batch, or as cached, cost what the two prices differ by."""
    batch = causes.of_tokens(
        [cell(logged={IN: 1_000, OUT: 300}, counted={7: {IN: 600, BATCH_IN: 400, OUT: 200, BATCH_OUT: 100}})], LATER
    )
    assert amounts(batch) == {causes.TIER: -(400 * Decimal("0.00000125") + 100 * Decimal("0.000005"))}
    cached = causes.of_tokens([cell(logged={IN: 1_000}, counted={7: {IN: 300, CACHED: 700}})], LATER)
    assert amounts(cached) == {causes.CACHE: -700 * Decimal("0.00000125")}


def test_calls_over_midnight_move_to_the_next_day_and_cost_nothing() -> None:
    """A provider that counts at the end puts them a day later: two parts that cancel out, and no stray key."""
    first = cell(logged={IN: 1_000, OUT: 300}, counted={7: {IN: 900, OUT: 280}}, crossing={IN: 100, OUT: 20})
    second = cell(DAY + timedelta(days=1), logged={IN: 500, OUT: 50}, counted={7: {IN: 600, OUT: 70}})
    found = causes.of_tokens([first, second], LATER)
    assert {part.cause for part in found} == {causes.BOUNDARY}
    assert sum(part.amount_usd for part in found) == 0
    assert sum(part.amount_usd for part in found if part.day == DAY) == -(100 * USD[IN] + 20 * USD[OUT])


def test_a_day_whose_log_is_not_complete_waits_for_late_rows() -> None:
    """From the newest logged day on, what is missing may still come."""
    found = causes.of_tokens([cell(logged={IN: 10}, counted={7: {IN: 40}})], DAY)
    assert set(amounts(found)) == {causes.LATE}


def test_what_only_the_log_knows_is_unexplained() -> None:
    """A call that the provider never counted has no cause of ours."""
    assert set(amounts(causes.of_tokens([cell(logged={IN: 10}, counted={7: {}})], LATER))) == {causes.UNEXPLAINED}


TOKENS = st.dictionaries(st.sampled_from(sorted(USD)), st.integers(0, 10_000), max_size=5)


@given(
    st.lists(
        st.tuples(TOKENS, st.dictionaries(st.integers(1, 4), TOKENS, max_size=3), TOKENS, st.integers(0, 2)),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_sides_say_the_parts_add_up_to_the_difference(
    days: list[tuple[dict[Bucket, int], dict[int, dict[Bucket, int]], dict[Bucket, int], int]],
) -> None:
    """Exactly, for any tokens on any keys and days."""
    cells = [
        cell(DAY + timedelta(days=n), logged, counted, crossing, cancelled)
        for n, (logged, counted, crossing, cancelled) in enumerate(days)
    ]
    found = causes.of_tokens(cells, LATER)
    apart = sum((each.expected_usd - each.logged_usd for each in cells), Decimal(0))
    assert sum((part.amount_usd for part in found), Decimal(0)) == apart


def days(amount: str, count: int = 5) -> dict[date, Decimal]:
    """The same amount on some days."""
    return {DAY + timedelta(days=n): Decimal(amount) for n in range(count)}


def lines(*parts: BillLine, count: int = 5) -> dict[date, list[BillLine]]:
    """The same lines on some days."""
    return {DAY + timedelta(days=n): list(parts) for n in range(count)}


@pytest.mark.parametrize(
    ("parts", "cause", "amount"),
    [
        ([BillLine(Decimal(90))], causes.PRICE, -10),
        ([BillLine(Decimal(100)), BillLine(Decimal(-3), None, "Credit")], causes.CREDIT, -3),
        ([BillLine(Decimal(100)), BillLine(Decimal(-3), is_tokens=False)], causes.CREDIT, -3),
        ([BillLine(Decimal(100)), BillLine(Decimal(19), None, "Tax")], causes.TAX, 19),
        ([BillLine(Decimal(100)), BillLine(Decimal(2), is_tokens=False)], causes.FEE, 2),
        ([BillLine(Decimal(95), Decimal(100))], causes.DISCOUNT, -5),
        ([BillLine(Decimal("99.997")), BillLine(Decimal("0.0030004"))], causes.ROUNDING, Decimal("0.0000004")),
        ([BillLine(Decimal("100.004"))], causes.UNEXPLAINED, Decimal("0.004")),
    ],
)
def test_each_line_of_a_bill_has_its_cause(parts: list[BillLine], cause: str, amount: Decimal) -> None:
    """Five days that were expected to cost 100 each."""
    found = causes.of_bill(days("100"), lines(*parts))
    assert amounts(found) == {cause: 5 * Decimal(amount)}


def test_a_bill_in_whole_cents_is_rounding_up_to_half_a_cent_a_line() -> None:
    """And not a tenth of a cent more."""
    within = causes.of_bill(days("100.004"), lines(BillLine(Decimal("100.00"))))
    beyond = causes.of_bill(days("100.0061"), lines(BillLine(Decimal("100.00"))))
    assert (set(amounts(within)), set(amounts(beyond))) == ({causes.ROUNDING}, {causes.UNEXPLAINED})


def test_a_price_is_told_from_three_days_on_and_only_where_most_agree() -> None:
    """Two days, or days that differ each by another share, prove no price."""
    assert set(amounts(causes.of_bill(days("100", 2), lines(BillLine(Decimal(90)), count=2)))) == {causes.UNEXPLAINED}
    apart = {DAY + timedelta(days=n): [BillLine(Decimal(90 + 3 * n))] for n in range(6)}
    assert causes.PRICE not in amounts(causes.of_bill(days("100", 6), apart))


def test_a_model_without_a_price_is_in_the_bill_alone() -> None:
    """Its cost is told as unpriced, not as unexplained."""
    assert set(amounts(causes.of_bill({}, lines(BillLine(Decimal(4))), unpriced=days("0")))) == {causes.UNPRICED}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.lists(
                st.builds(
                    BillLine,
                    st.integers(-(10**6), 10**6).map(lambda n: Decimal(n).scaleb(-4)),
                    st.none() | st.integers(0, 10**6).map(lambda n: Decimal(n).scaleb(-4)),
                    st.sampled_from(["Usage", "Credit", "Tax", "Purchase"]),
                    st.booleans(),
                ),
                max_size=4,
            ),
        ),
        max_size=6,
    )
)
def test_whatever_a_bill_says_the_parts_add_up_to_it(told: list[tuple[int, list[BillLine]]]) -> None:
    """Expected and parts are the bill, to twelve places."""
    expected = {DAY + timedelta(days=n): Decimal(amount).scaleb(-4) for n, (amount, _) in enumerate(told)}
    billed = {DAY + timedelta(days=n): parts for n, (_, parts) in enumerate(told)}
    found = causes.of_bill(expected, billed)
    for day, parts in billed.items():
        whole = expected[day] + sum((part.amount_usd for part in found if part.day == day), Decimal(0))
        assert whole == sum((line.amount_usd for line in parts), Decimal(0))
