"""Rules put every pico-dollar into one place: whatever they say, cost centres add up to the spend."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warehouse.allocated_examples import TAGS, billed, consistent, rule, spent
from tests.warehouse.allocated_world import DAYS, NAMES, Billed, Spent, fill, warehouse
from warehouse.allocation import FILE, Rule, Rules, made
from warehouse.errors import WarehouseError

GRAIN = "day, account, project, team, key_label, provider, model, basis"


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """One warehouse for all examples; each puts its own rows in the place of the last."""
    with warehouse() as connection:
        yield connection


@pytest.mark.soak
@settings(max_examples=80, deadline=None)
@given(
    st.lists(spent, max_size=12),
    st.lists(billed, max_size=3, unique_by=lambda bill: bill.day),
    st.lists(rule, max_size=7),
)
def test_whatever_the_rules_the_sum_is_the_spend(
    connection: duckdb.DuckDBPyConnection, calls: list[Spent], bills: list[Billed], given_rules: list[dict[str, object]]
) -> None:
    """For any rules and any rows, negative ones too: by day, names and basis, cost and counts are the spend's own."""
    fill(connection, calls, bills, consistent(given_rules))
    sums = f"""SELECT {GRAIN}, sum(cost_usd), sum(requests), sum(unpriced_requests) FROM mart.%s
               GROUP BY ALL ORDER BY ALL"""
    assert (
        connection.execute(sums % "allocated_daily").fetchall() == connection.execute(sums % "spend_daily").fetchall()
    )


def _fits(one: Rule, call: Spent) -> bool:
    def named(what: str, place: int) -> str | None:
        return NAMES[what][place - 1] if place else None

    told = {"account": call.account, "project": call.project, "team": call.team, "key": call.key}
    return (
        all(getattr(one, what) in {None, named(what, place)} for what, place in told.items())
        and one.model in {None, call.model}
        and one.basis in {None, "log"}
        and set(one.tags) <= set(call.tags)
        and (one.since or date.min) <= call.day < (one.until or date.max)
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(spent.filter(lambda call: call.cost_usd is not None), max_size=12), st.lists(rule, max_size=7))
def test_each_call_goes_where_its_most_particular_rule_says(
    connection: duckdb.DuckDBPyConnection, calls: list[Spent], given_rules: list[dict[str, object]]
) -> None:
    """Held against the rules read one by one in Python: what goes somewhere directly goes there, to the pico-dollar."""
    rules = consistent(given_rules)
    fill(connection, calls, [], rules)
    expected: dict[str, Decimal] = {}
    for call in calls:
        fitting = sorted((one for one in rules if _fits(one, call)), key=lambda one: -one.rank)
        first = [one for one in fitting if one.rank == fitting[0].rank]
        if len(first) == 1 and first[0].cost_centre:
            centre = first[0].cost_centre
            expected[centre] = expected.get(centre, Decimal(0)) + (call.cost_usd or 0)
    query = "SELECT cost_centre, sum(cost_usd) FROM mart.allocated_daily WHERE split = 'direct' GROUP BY ALL"
    found = dict(connection.execute(query).fetchall())
    assert {who: cost for who, cost in found.items() if cost} == {who: cost for who, cost in expected.items() if cost}


def test_a_bill_is_shared_by_use_to_the_last_pico_dollar(connection: duckdb.DuckDBPyConnection) -> None:
    """What the bill is more than the calls is split 1 to 2 as the month's calls were, with nothing left over."""
    calls = [
        Spent(date(2026, 9, 1), 1, 1, 0, 0, "gpt-4o", (), 1, Decimal(1)),
        Spent(date(2026, 9, 2), 1, 2, 0, 0, "gpt-4o", (), 1, Decimal(2)),
    ]
    rules = [
        made({"name": "a", "project": "web", "cost_centre": "ops"}, "here"),
        made({"name": "b", "project": "api", "cost_centre": "shop"}, "here"),
        made({"name": "c", "basis": "bill", "by_use": "month"}, "here"),
    ]
    fill(connection, calls, [Billed(date(2026, 9, 30), Decimal("1.000000000001"))], rules)
    query = "SELECT cost_centre, cost_usd FROM mart.allocated_daily WHERE rule = 'c' AND day = '2026-09-30' ORDER BY 1"
    assert connection.execute(query).fetchall() == [
        ("ops", Decimal("0.333333333333")),
        ("shop", Decimal("0.666666666668")),
    ]


def test_nobody_to_share_with_stays_in_sight(connection: duckdb.DuckDBPyConnection) -> None:
    """A split by use on a day that no rule gave to anybody is unallocated, under the name of its rule."""
    fill(
        connection,
        [Spent(DAYS[0], 1, 0, 0, 0, "gpt-4o", (), 3, Decimal(5))],
        [],
        [made({"name": "all", "by_use": "day"}, "here")],
    )
    query = "SELECT cost_centre, rule, cost_usd, requests FROM mart.allocated_daily"
    assert connection.execute(query).fetchall() == [("unallocated", "all", Decimal(5), 3)]


def test_a_call_with_two_rules_tags_is_claimed_by_neither(connection: duckdb.DuckDBPyConnection) -> None:
    """Equal rules that meet in one call leave it unallocated with both names; a rule with both tags settles it."""
    rules = [
        made({"name": "p", "tags": ["prod"], "cost_centre": "shop"}, "here"),
        made({"name": "t", "tags": ["test"], "cost_centre": "ops"}, "here"),
    ]
    calls = [Spent(DAYS[0], 1, 1, 0, 0, "gpt-4o", TAGS, 3, Decimal(5))]
    query = "SELECT cost_centre, rule, cost_usd, requests FROM mart.allocated_daily"
    fill(connection, calls, [], rules)
    assert connection.execute(query).fetchall() == [("unallocated", "p | t", Decimal(5), 3)]
    fill(connection, calls, [], [*rules, made({"name": "both", "tags": list(TAGS), "cost_centre": "x y"}, "here")])
    assert connection.execute(query).fetchall() == [("x y", "both", Decimal(5), 3)]


def test_the_past_keeps_its_cost_centre(connection: duckdb.DuckDBPyConnection) -> None:
    """A project that moves is the old cost centre's until the day of the move, and not a day longer."""
    rules = [
        made({"name": "old", "project": "web", "until": date(2026, 10, 1), "cost_centre": "ops"}, "here"),
        made({"name": "new", "project": "web", "from": date(2026, 10, 1), "cost_centre": "shop"}, "here"),
    ]
    fill(connection, [Spent(day, 1, 1, 0, 0, "gpt-4o", (), 1, Decimal(1)) for day in DAYS], [], Rules.of(rules).rules)
    query = "SELECT day, cost_centre FROM mart.allocated_daily ORDER BY day"
    assert connection.execute(query).fetchall() == [(day, "ops" if day.month == 9 else "shop") for day in DAYS]


def test_two_rules_for_the_same_are_an_error_that_names_both() -> None:
    """The same conditions on a common day contradict each other, even where both say the same cost centre."""
    one = made({"name": "first", "project": "web", "until": date(2026, 10, 2), "cost_centre": "ops"}, "here")
    other = made({"name": "second", "project": "web", "from": date(2026, 10, 1), "cost_centre": "ops"}, "here")
    with pytest.raises(WarehouseError, match="'first' and 'second'"):
        Rules.of([one, other])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[[rule]\n", "no TOML"),
        ("[prices]\n", r"list of \[\[rule\]\]"),
        ('[[rule]]\nname = "a"\n', "say where to once"),
        ('[[rule]]\nname = "a"\ncost_centre = "b"\nby_use = "day"\n', "say where to once"),
        ('[[rule]]\nname = "a"\ncost_centre = "unallocated"\n', "no rule claims"),
        ('[[rule]]\nname = "a"\nshares = { b = "60", c = "39.9999999999" }\n', "not to 100"),
        ('[[rule]]\nname = "a"\nshares = { b = 100 }\n', "in quotes"),
        ('[[rule]]\nname = "a"\nproject = "me@team.example"\ncost_centre = "b"\n', "no label"),
        ('[[rule]]\nname = "a"\nuntil = 2026-01-01\nfrom = 2026-01-01\ncost_centre = "b"\n', "first day it no longer"),
        ('[[rule]]\nname = "a"\nprojects = "web"\ncost_centre = "b"\n', "projects"),
        ('[[rule]]\nname = "a"\ncost_centre = "b"\n[[rule]]\nname = "a"\nkey = "k"\ncost_centre = "b"\n', "called 'a'"),
    ],
)
def test_what_is_no_rule_is_said(tmp_path: Path, content: str, said: str) -> None:
    """Each mistake names the file and the fix, and no value that may be personal."""
    (tmp_path / FILE).write_text(content)
    with pytest.raises(WarehouseError, match=said) as caught:
        Rules.read(tmp_path)
    assert "me@team" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(rule, max_size=6))
def test_what_is_written_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, given_rules: list[dict[str, object]]
) -> None:
    """Any set of rules survives its file, which only its owner may read."""
    root = tmp_path_factory.mktemp("home")
    rules = Rules(tuple(consistent(given_rules)))
    rules.write(root)
    assert Rules.read(root) == rules
    assert (root / FILE).stat().st_mode & 0o777 == 0o600
