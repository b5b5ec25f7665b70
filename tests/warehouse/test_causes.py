"""A difference between log and bill is split into causes that add up to it exactly, each by its own evidence."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse import causes
from warehouse.bill_causes import BillLine, of_bill
from warehouse.causes import Bucket, Cell, Difference
from warehouse.token_causes import Unclaimed, of_tokens

DAY = date(2026, 6, 1)
LATER = date(2026, 7, 1)
IN, CACHED, OUT = ("standard", "uncached_tokens"), ("standard", "cache_read_tokens"), ("standard", "text_out_tokens")
N = ("standard", causes.CALLS)
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
    broken_off: dict[Bucket, int] | None = None,
    errors: int = 0,
) -> Cell:
    """A cell of one model at the prices above; the log's cost is that of its tokens."""
    told = Cell(
        day,
        "gpt-4o",
        logged or {},
        counted or {},
        crossing or {},
        broken_off or {},
        cancelled_requests=cancelled,
        error_requests=errors,
        usd_per_token=USD,
    )
    return replace(told, logged_usd=told.usd(told.logged))


def amounts(found: list[Difference]) -> dict[str, Decimal]:
    """What each cause adds up to, those that cancel out left aside."""
    total: Counter[str] = Counter()
    for part in found:
        total[part.cause] += part.amount_usd  # type: ignore[assignment]  # Counter's stub knows integers alone
    return {cause: Decimal(amount) for cause, amount in total.items() if amount}


def test_sides_that_agree_have_no_difference() -> None:
    """The same tokens on both sides: nothing to explain."""
    tokens = {IN: 1_000, CACHED: 200, OUT: 300}
    assert of_tokens([cell(logged=tokens, counted={7: tokens})], LATER) == []


def test_a_key_that_goes_past_the_gateway_is_named() -> None:
    """All that a stray key did is unlogged, under its number; the gateway's own key is not taken for it."""
    ours, stray = {IN: 1_000, OUT: 300}, {IN: 400, OUT: 90}
    cells = [cell(DAY + timedelta(days=n), ours, {7: ours} | ({8: stray} if n % 3 == 0 else {})) for n in range(7)]
    found = of_tokens(cells, LATER)
    assert {(part.cause, part.key_no) for part in found} == {(causes.UNLOGGED, 8)}
    assert amounts(found) == {causes.UNLOGGED: 3 * (400 * USD[IN] + 90 * USD[OUT])}


def test_a_gateways_key_that_is_used_past_it_as_well_is_named_where_it_is_the_only_one() -> None:
    """The one key of a cell made whatever the log lacks of it; of two nobody can say which."""
    logged = {IN: 1_000, OUT: 300}
    found = of_tokens([cell(logged=logged, counted={7: {IN: 1_500, OUT: 400}})], LATER)
    assert {(part.cause, part.key_no) for part in found} == {(causes.UNLOGGED, 7)}
    found = of_tokens([cell(logged=logged, counted={7: {IN: 800, OUT: 300}, 8: {IN: 700, OUT: 100}})], LATER)
    assert {(part.cause, part.key_no) for part in found} == {(causes.UNLOGGED, None)}


def test_a_stream_that_was_broken_off_explains_output_alone() -> None:
    """More output where callers hung up is cancelled streams; without such calls it is unlogged."""
    logged, counted = {IN: 1_000, OUT: 300}, {7: {IN: 1_000, OUT: 350}}
    assert amounts(of_tokens([cell(logged=logged, counted=counted, cancelled=2)], LATER)) == {
        causes.CANCELLED: 50 * USD[OUT]
    }
    assert set(amounts(of_tokens([cell(logged=logged, counted=counted)], LATER))) == {causes.UNLOGGED}


def test_another_tier_and_another_class_are_told_apart() -> None:
    """Tokens both sides have, counted as batch, or as cached, cost what the two prices differ by."""
    batch = of_tokens(
        [cell(logged={IN: 1_000, OUT: 300}, counted={7: {IN: 600, BATCH_IN: 400, OUT: 200, BATCH_OUT: 100}})], LATER
    )
    assert amounts(batch) == {causes.TIER: -(400 * Decimal("0.00000125") + 100 * Decimal("0.000005"))}
    cached = of_tokens([cell(logged={IN: 1_000}, counted={7: {IN: 300, CACHED: 700}})], LATER)
    assert amounts(cached) == {causes.CACHE: -700 * Decimal("0.00000125")}


def test_calls_over_midnight_move_to_the_next_day_and_cost_nothing() -> None:
    """A provider that counts at the end puts them a day later: two parts that cancel out, and no stray key."""
    first = cell(logged={IN: 1_000, OUT: 300}, counted={7: {IN: 900, OUT: 280}}, crossing={IN: 100, OUT: 20})
    second = cell(DAY + timedelta(days=1), logged={IN: 500, OUT: 50}, counted={7: {IN: 600, OUT: 70}})
    found = of_tokens([first, second], LATER)
    assert {part.cause for part in found} == {causes.BOUNDARY}
    assert sum(part.amount_usd for part in found) == 0
    assert sum(part.amount_usd for part in found if part.day == DAY) == -(100 * USD[IN] + 20 * USD[OUT])


def test_a_day_whose_log_is_not_complete_waits_for_late_rows() -> None:
    """From the newest logged day on, what is missing may still come."""
    found = of_tokens([cell(logged={IN: 10}, counted={7: {IN: 40}})], DAY)
    assert set(amounts(found)) == {causes.LATE}


def test_what_only_the_log_knows_is_unexplained() -> None:
    """A call that the provider never counted has no cause of ours."""
    assert set(amounts(of_tokens([cell(logged={IN: 10}, counted={7: {}})], LATER))) == {causes.UNEXPLAINED}


def test_the_logs_estimate_of_a_broken_off_stream_hides_no_stray_key() -> None:
    """Where the log guessed too much input, the stray key is still told, and what the guess was off by is cancelled."""
    ours, stray = {IN: 1_000, OUT: 300, N: 9}, {IN: 400, OUT: 90, N: 4}
    logged = {IN: 1_040, OUT: 280, N: 9}
    told = cell(logged=logged, counted={7: ours, 8: stray}, cancelled=1, broken_off={IN: 50, OUT: 5})
    found = of_tokens([told], LATER)
    assert {part.key_no for part in found if part.cause == causes.UNLOGGED} == {8}
    assert amounts(found) == {
        causes.UNLOGGED: 400 * USD[IN] + 90 * USD[OUT],
        causes.CANCELLED: 20 * USD[OUT] - 40 * USD[IN],
    }


def test_more_input_with_no_call_missing_is_of_the_streams_that_were_broken_off() -> None:
    """Both sides count as many calls, so none went past the gateway."""
    told = cell(logged={IN: 900, N: 3}, counted={7: {IN: 1_000, N: 3}}, cancelled=1, broken_off={IN: 5, N: 1})
    assert set(amounts(of_tokens([told], LATER))) == {causes.CANCELLED}


def test_calls_that_failed_and_were_counted_all_the_same_are_told() -> None:
    """No more calls than failed at the gateway; one more and it is something else."""
    told = cell(logged={IN: 900, N: 3}, counted={7: {IN: 1_000, N: 4}}, errors=1)
    assert set(amounts(of_tokens([told], LATER))) == {causes.FAILED}
    assert set(amounts(of_tokens([replace(told, error_requests=0)], LATER))) == {causes.UNLOGGED}


def test_tokens_of_a_tier_that_has_no_list_price_are_billed_apart() -> None:
    """Priority Tier is paid by a commitment: the log's price of it is not in this bill."""
    found = of_tokens([cell(logged={IN: 1_000}, counted={7: {("priority", IN[1]): 1_000}})], LATER)
    assert amounts(found) == {causes.APART: -1_000 * USD[IN]}


def test_calls_that_name_none_of_two_connections_are_unclaimed_not_unlogged() -> None:
    """The two keys of the gateway are no stray keys; the third is one, whichever bill it is on."""
    one, other, stray = {IN: 1_000, OUT: 300}, {IN: 700, OUT: 80}, {IN: 100, OUT: 20}
    pool = {IN: 1_700, OUT: 380}
    shared = Unclaimed({(DAY, "gpt-4o"): dict(pool)}, {(DAY, "gpt-4o"): 100})
    first = of_tokens([cell(counted={7: one, 9: stray})], LATER, shared)
    second = of_tokens([cell(counted={8: other})], LATER, shared)
    assert {part.key_no for part in first if part.cause == causes.UNLOGGED} == {9}
    assert amounts(first)[causes.UNCLAIMED] == 1_000 * USD[IN] + 300 * USD[OUT]
    assert amounts(second) == {causes.UNCLAIMED: 700 * USD[IN] + 80 * USD[OUT]}


TOKENS = st.dictionaries(st.sampled_from([*sorted(USD), N, ("priority", IN[1])]), st.integers(0, 10_000), max_size=5)


@given(
    st.lists(
        st.tuples(
            TOKENS,
            st.dictionaries(st.integers(1, 4), TOKENS, max_size=3),
            TOKENS,
            TOKENS,
            st.integers(0, 2),
            st.integers(0, 2),
            TOKENS,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_sides_say_the_parts_add_up_to_the_difference(
    days: list[tuple[Any, ...]],
) -> None:
    """Exactly on each day, for any tokens on any keys, whatever calls are claimed by nobody."""
    cells = [
        cell(DAY + timedelta(days=n), logged, counted, crossing, cancelled, broken_off, errors)
        for n, (logged, counted, crossing, broken_off, cancelled, errors, _) in enumerate(days)
    ]
    pools = {(DAY + timedelta(days=n), "gpt-4o"): dict(told[-1]) for n, told in enumerate(days) if told[-1]}
    found = of_tokens(cells, DAY + timedelta(days=4), Unclaimed(pools, dict.fromkeys(pools, 2_000)))
    for each in cells:
        parts = sum((part.amount_usd for part in found if part.day == each.day), Decimal(0))
        assert parts == each.expected_usd - each.logged_usd
    assert all(n >= 0 for pool in pools.values() for n in pool.values())


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
        ([BillLine(Decimal(100)), BillLine(Decimal(-7))], causes.CREDIT, -7),
        ([BillLine(Decimal(100)), BillLine(Decimal(19), None, "Tax")], causes.TAX, 19),
        ([BillLine(Decimal(100)), BillLine(Decimal(2), is_tokens=False)], causes.FEE, 2),
        ([BillLine(Decimal(95), Decimal(100))], causes.DISCOUNT, -5),
        ([BillLine(Decimal("99.997")), BillLine(Decimal("0.0030004"))], causes.ROUNDING, Decimal("0.0000004")),
        ([BillLine(Decimal("100.004"))], causes.UNEXPLAINED, Decimal("0.004")),
    ],
)
def test_each_line_of_a_bill_has_its_cause(parts: list[BillLine], cause: str, amount: Decimal) -> None:
    """Five days that were expected to cost 100 each."""
    found = of_bill(days("100"), lines(*parts))
    assert amounts(found) == {cause: 5 * Decimal(amount)}


def test_a_bill_in_whole_cents_is_rounding_up_to_half_a_cent_a_line() -> None:
    """And not a tenth of a cent more."""
    within = of_bill(days("100.004"), lines(BillLine(Decimal("100.00"))))
    beyond = of_bill(days("100.0061"), lines(BillLine(Decimal("100.00"))))
    assert (set(amounts(within)), set(amounts(beyond))) == ({causes.ROUNDING}, {causes.UNEXPLAINED})


def test_a_price_is_told_from_three_days_on_and_only_where_most_agree() -> None:
    """Two days, or days that differ each by another share, prove no price."""
    assert set(amounts(of_bill(days("100", 2), lines(BillLine(Decimal(90)), count=2)))) == {causes.UNEXPLAINED}
    apart = {DAY + timedelta(days=n): [BillLine(Decimal(90 + 3 * n))] for n in range(6)}
    assert causes.PRICE not in amounts(of_bill(days("100", 6), apart))


def test_a_model_without_a_price_is_in_the_bill_alone() -> None:
    """Its cost is told as unpriced, not as unexplained."""
    assert set(amounts(of_bill({}, lines(BillLine(Decimal(4))), unpriced=days("0")))) == {causes.UNPRICED}


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
    found = of_bill(expected, billed)
    for day, parts in billed.items():
        whole = expected[day] + sum((part.amount_usd for part in found if part.day == day), Decimal(0))
        assert whole == sum((line.amount_usd for line in parts), Decimal(0))
