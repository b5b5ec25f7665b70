"""Any calls, bills and sets of rules that do not contradict each other, for tests that hold for all of them."""

from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from tests.warehouse.allocated_world import DAYS, MODELS, NAMES, Billed, Spent
from warehouse.allocation import Rule, Rules, made
from warehouse.errors import WarehouseError

CENTRES = ("ops", "shop", "x y")
TAGS = ("prod", "test")

amounts = st.integers(-(10**15), 10**18).map(lambda pico: Decimal(pico).scaleb(-12))
spent = st.builds(
    Spent,
    st.sampled_from(DAYS),
    *(st.integers(0, 2) for _ in NAMES),
    st.sampled_from(MODELS),
    st.sets(st.sampled_from(TAGS)).map(lambda tags: tuple(sorted(tags))),
    st.integers(1, 1000),
    st.none() | amounts,
)
billed = st.builds(Billed, st.sampled_from(DAYS), amounts)
shares = st.lists(st.integers(1, 10**12), min_size=1, max_size=3).map(
    lambda weights: dict(zip(CENTRES, _hundred(weights), strict=False))
)
where_to = st.one_of(
    st.fixed_dictionaries({"cost_centre": st.sampled_from(CENTRES)}),
    st.fixed_dictionaries({"by_use": st.sampled_from(("day", "month"))}),
    st.fixed_dictionaries({"shares": shares}),
)
condition = {
    **{name: st.none() | st.sampled_from(labels) for name, labels in NAMES.items()},
    "model": st.none() | st.sampled_from(MODELS),
    "basis": st.none() | st.sampled_from(("log", "bill")),
    "tags": st.sets(st.sampled_from(TAGS)).map(tuple),
    "from": st.none() | st.sampled_from((date(2026, 9, 2), date(2026, 10, 1))),
    "until": st.none() | st.sampled_from((date(2026, 10, 2), date(2026, 10, 30))),
}
rule = st.builds(lambda asked, where: asked | where, st.fixed_dictionaries(condition), where_to)


def _hundred(weights: list[int]) -> list[str]:
    """Percents with ten places in these proportions that add up to 100."""
    whole, units = sum(weights), 10**12
    cut = [units * weight // whole or 1 for weight in weights[1:]]
    return [f"{Decimal(each).scaleb(-10):f}" for each in (units - sum(cut), *cut)]


def consistent(given_rules: list[dict[str, object]]) -> list[Rule]:
    """As many of the rules as do not contradict those before them."""
    kept: list[Rule] = []
    for place, each in enumerate(given_rules):
        try:
            kept = list(Rules.of([*kept, made({"name": f"rule {place}"} | each, "here")]).rules)
        except WarehouseError:
            continue
    return kept


all_calls = st.lists(spent, max_size=12)
all_bills = st.lists(billed, max_size=3, unique_by=lambda bill: bill.day)
all_rules = st.lists(rule, max_size=7).map(consistent)
