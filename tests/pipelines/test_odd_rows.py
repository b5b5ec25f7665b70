"""One odd value in a provider's answer, wherever it stands: its row is held back and told, all others land.

Every provider with an HTTP API is held to this by being dropped in with its part of the sandbox.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from pipelines.bills import odd_row, report_reader
from pipelines.bills.biller import Biller, billers
from pipelines.bills.billing_api import BillingApi, Clock
from pipelines.bills.report_reader import Told
from pipelines.errors import ProviderError
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.misbehaviour import Query
from tests.pipelines.served_biller import NAMES, bill_of

# The newest days of the bill, as they are read on the day after.
NOW = datetime(2026, 6, 30, 12)  # noqa: DTZ001 (UTC at rest is naive)
SINCE = date(2026, 6, 29)
PARTS = [*NAMES, "anthropic_analytics"]
# Which day or key a row is of says the answer, not the row; without it no row is to be told apart.
_OF_THE_ANSWER = {"date", "day", "starting_at", "ending_at", "start_time", "end_time", "hash"}
_DAYS = ("day", "date", "starting_at", "start_time")
# What is no amount and no count in any dialect: with an exponent beyond measure, of thousands of digits, none at all.
NONE = (
    *("null", "{}", '{"value": 1}', "[]", "[1]", "true", "NaN", "-Infinity", "1e400", "-1e26", "1e999999999"),
    *("1e99999999999999999999", "9" * 5000, '"many"', '""', '"NaN"', '"1_0"', '"1e400"', '"\u0663"', '"\\ud800"'),
)
SOME = ('"0.1"', "-3", "1e-7", "1e-400", "0.5", "1.0", "12", '"-3"', '"a name"', '"canary-7d1f"')
LITERALS = st.one_of(
    st.sampled_from((*NONE, *SOME)),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(max_size=12).map(json.dumps),
)
# Where documentation lets a number be null, or left out.
NULLABLE = {"quantity", "list_amount", "requests", "cache_creation", "server_tool_use"}


def records(answer: Any) -> Iterator[dict[str, Any]]:
    """The innermost objects of an answer's lists: its rows, whichever provider's."""
    lists = [value for value in answer.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    for one in (one for listed in lists for one in listed):
        yield from records(one) if any(isinstance(value, list) for value in one.values()) else [one]
    if not lists and isinstance(answer.get("data"), dict):
        yield answer["data"]


def leaves(record: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every value of a row, with the object it stands in."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from leaves(value)
        elif name not in _OF_THE_ANSWER:
            yield record, name


@dataclass
class Mangled:
    """A provider of the sandbox in whose answers one value is another one, once: `literal` as it stands there."""

    biller: Biller
    api: AdminApi
    literal: str = ""
    path: str = ""
    row: int = 0
    leaf: int = 0
    of_day: bool = False
    paths: dict[str, int] = field(default_factory=dict)
    field_name: str | None = None
    was: Any = None

    def answer(self, path: str, api: AdminApi, query: Query) -> Any:
        """What the provider tells, with the other value in its first row of that path."""
        told = json.loads(msgspec.json.Encoder(decimal_format="number").encode(self.routes[path](api, query)))
        if self.of_day:
            return self.undated(path, told)
        rows = [row for row in records(told) if list(leaves(row))]
        self.paths[path] = max(self.paths.get(path, 0), len(rows))
        if path == self.path and rows and self.field_name is None:
            place = list(leaves(rows[self.row % len(rows)]))
            within, self.field_name = place[self.leaf % len(place)]
            self.was, within[self.field_name] = within[self.field_name], msgspec.Raw(self.literal.encode())
        return told

    def undated(self, path: str, told: dict[str, Any]) -> Any:
        """The answer with another day in one of its items, or in all of them where the row is below 0."""
        items = next((value for value in told.values() if isinstance(value, list)), [])
        names = [name for name in _DAYS if items and name in items[0]]
        if not names or path != self.path or (self.field_name and self.row >= 0):
            return told
        self.field_name = names[0]
        for place in [self.row % len(items)] if self.row >= 0 else range(len(items)):
            if self.literal == "no item":
                items[place] = None
            elif self.literal == "no day":
                del items[place][names[0]]
            else:
                items[place][names[0]] = msgspec.Raw(self.literal.encode())
        return told

    def __post_init__(self) -> None:
        self.routes = dict(self.api.routes)
        self.api.routes = {
            path: lambda api, query, path=path: self.answer(path, api, query)  # type: ignore[misc]  # mypy cannot infer a lambda's default
            for path in self.routes
        }

    def read(self, literal: str = "", path: str = "", row: int = 0, leaf: int = 0, *, of_day: bool = False) -> Told:
        """Read the newest days of every report."""
        self.literal, self.path, self.row, self.leaf, self.field_name = literal, path, row, leaf, None
        self.of_day = of_day
        clock = Clock(sleep=lambda _: None, jitter=lambda: 1.0)
        since = {report.name: SINCE for report in self.biller.reports}
        with BillingApi(self.biller.title, self.api.address, self.biller.headers(KEY), clock) as api:
            return report_reader.read(api, self.biller, since, self.known, NOW, lambda *_: None)

    # Nothing that is older is asked for again today.
    known: list[Any] = field(default_factory=list)


Held = Callable[..., None]
KEY = "sk-canary-odd-5f0e"


@pytest.fixture(scope="module")
def mangled() -> Iterator[dict[str, tuple[Mangled, Told]]]:
    """Each provider's API, and what it tells when all is well."""
    with ExitStack() as stack:
        made = {}
        for name in PARTS:
            biller = billers()[name.partition("_")[0]]
            part = importlib.import_module(f"pipelines.sandbox.{name}_api")
            api = stack.enter_context(part.serve(bill_of(biller.name), KEY))
            one = Mangled(biller, api)
            one.biller = _of_few_days(biller)
            made[name] = (one, one.read())
        yield made


def _of_few_days(biller: Biller) -> Biller:
    return replace(biller, late_days=biller.lookback_days, lookback_days=min(biller.lookback_days, 3))


def _held_to_it(one: Mangled, well: Told, literal: str, path: int, row: int, leaf: int) -> None:
    paths = sorted(name for name, rows in one.paths.items() if rows)
    told = one.read(literal, paths[path % len(paths)], row, leaf)
    assert told.days.keys() == well.days.keys()
    tables = {report.name: report.table for report in one.biller.reports}
    odd = {key for key in told.days if told.days[key] != well.days[key]}
    assert set(told.held_back) <= {key for key in told.days if well.days[key]}
    for key, rows in told.days.items():
        assert odd_row.parted(tables[report_reader.report_name(key[0])], rows) == (rows, [])
        if key not in odd and key not in told.held_back:
            continue
        # Of one row, which may be told as two, or as the sum of its keys; the others are as they were.
        if one.biller.name != "openrouter":
            assert sum(was not in rows for was in well.days[key]) <= 2
    # No more than one day of a report lacks a row.
    assert len({day for _, day in odd | set(told.held_back)}) <= 1
    said = f"{told.held_back} {told.notes}"
    assert "canary" not in said
    assert all(re.fullmatch(r"[a-zA-Z ,]{9,80}", one.reason) for odd in told.held_back.values() for one in odd)
    is_number = not isinstance(one.was, (str, bool, type(None))) or re.fullmatch(r"-?[0-9.]+", str(one.was))
    if literal in NONE and is_number and not (literal == "null" and one.field_name in NULLABLE):
        # Held back, or of a field that nobody reads: never taken for 0.
        assert told.held_back or not odd


def _odd(examples: int) -> Callable[[Held], Held]:
    """Hold every provider to it for so many values, drawn the same way each time."""

    def held(test: Held) -> Held:
        drawn = given(literal=LITERALS, path=st.integers(0, 12), row=st.integers(0, 50), leaf=st.integers(0, 20))
        bounded = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
        )
        worst = example(literal="1e999999999", path=0, row=0, leaf=0)
        marked: Held = pytest.mark.parametrize("name", PARTS)(worst(bounded(drawn(test))))
        return marked

    return held


@_odd(2)
def test_one_odd_value_holds_back_its_row_alone(
    name: str, mangled: dict[str, tuple[Mangled, Told]], literal: str, path: int, row: int, leaf: int
) -> None:
    """Whatever one value is: no report is refused, no other row is lost, nothing of it is said."""
    _held_to_it(*mangled[name], literal, path, row, leaf)


@pytest.mark.soak
@_odd(150)
def test_many_odd_values_hold_back_their_rows_alone(
    name: str, mangled: dict[str, tuple[Mangled, Told]], literal: str, path: int, row: int, leaf: int
) -> None:
    """The same for hundreds of values in every place."""
    _held_to_it(*mangled[name], literal, path, row, leaf)


DATED = {
    "openai": ("/organization/costs", False),
    "anthropic": ("/cost_report", False),
    "anthropic_analytics": ("/analytics/cost", True),
    "openrouter": ("/activity", True),
    "vercel": ("/report", True),
}


@pytest.mark.parametrize(
    "literal",
    [
        '"canary-8"',
        "no item",
        *(pytest.param(one, marks=pytest.mark.soak) for one in ("no day", "null", "17", "true", '"2026-13-45"', "[]")),
    ],
)
@pytest.mark.parametrize("name", DATED)
def test_a_row_whose_day_cannot_be_read_is_held_back_of_the_days_it_may_be_of(
    name: str, literal: str, mangled: dict[str, tuple[Mangled, Told]]
) -> None:
    """All others land. A row may be of any day of its answer; a bucket is the one day that no other bucket is."""
    one, well = mangled[name]
    path, is_row = DATED[name]
    told = one.read(literal, path, 1, of_day=True)
    assert one.field_name is not None
    assert told.days.keys() == well.days.keys()
    lacking = [day for report, day in told.held_back if report == "costs"]
    days = [day for report, day in well.days if report == "costs"]
    # OpenRouter is asked for each day by itself.
    assert len(lacking) == (len(days) if is_row and name != "openrouter" else 1)
    counted = sum(odd.counts for day in lacking for odd in told.held_back["costs", day])
    missing = sum(len(well.days["costs", day]) - len(told.days["costs", day]) for day in days)
    # Of what is no bucket nobody knows how many rows it had.
    assert counted == (1 if literal == "no item" else max(missing, 1))
    for key, rows in told.days.items():
        assert key[0] != "costs" or all(row in well.days[key] for row in rows)
    assert "canary" not in f"{told.held_back} {told.notes}"


@pytest.mark.parametrize("name", ["openai", "vercel"])
def test_an_answer_none_of_whose_rows_says_its_day_is_an_error(
    name: str, mangled: dict[str, tuple[Mangled, Told]]
) -> None:
    """That is no odd row, but another form than documented: nothing is stored, and it is said."""
    one, _ = mangled[name]
    with pytest.raises(ProviderError, match=r"none of its (rows|buckets) is .*; nothing was stored"):
        one.read('"canary-9"', DATED[name][0], -1, of_day=True)
