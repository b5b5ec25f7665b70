"""Claims of upstreams resolved: one connection a day at most, by the most particular claim of whoever pays."""

import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse import database
from warehouse.control import claim, upstream_claim
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime(2026, 11, 21)  # noqa: DTZ001 (naive moments are UTC here)
DAY = date(2026, 10, 1)
OPERATOR, ADA = 11, 12
# Two of the operator's at one provider, one at another, and one of Ada's.
CONNECTIONS = {1: ("openai", OPERATOR), 2: ("openai", OPERATOR), 3: ("anthropic", OPERATOR), 4: ("openai", ADA)}
UPSTREAM = "openai@api.openai.com"
PATTERNS = ("*", UPSTREAM, "openai@*", "*@*.com", "openai*api*com", "anthropic@*", "open", "*a")


@pytest.fixture
def control(home: Home, master_key: str) -> Iterator[sqlite3.Connection]:
    """A store with these connections, and an upstream of each of two accounts of a log."""
    assert master_key
    with database.control(home) as store:
        for number, (provider, owner) in CONNECTIONS.items():
            store.execute(
                """INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at)
                   VALUES (?, ?, ?, ?, ?, ?)""",
                (number, provider, provider, owner, owner == OPERATOR, database.stamp(NOW)),
            )
        yield store


def upstreams(control: sqlite3.Connection) -> dict[str, int]:
    """The number of each account's upstream."""
    with database.transaction(control):
        ids = OutsideIds(control, Vault(control, NOW), NOW)
        accounts = ids.accounts("litellm", ["acme", "beta"])
        named = ids.numbers("upstream", "litellm", [(number, UPSTREAM, None) for number in accounts.values()])
    return {name: named[number, UPSTREAM] for name, number in accounts.items()}


def test_a_claim_follows_whoever_pays_for_the_calls(control: sqlite3.Connection) -> None:
    """Of an account that Ada claimed and has a connection for, hers alone counts; the other's are the operator's."""
    acme, beta = upstreams(control).values()
    vault = Vault(control, NOW)
    for number in CONNECTIONS:
        upstream_claim.put(control, vault, "openai@*", number, NOW)
    assert upstream_claim.follow(control, NOW) == 2
    paid = {row[0]: row[3] for row in upstream_claim.rows(control) if row[2] == "openai"}
    assert paid == {acme: 2, beta: 2}
    control.execute("INSERT INTO account VALUES (?, 0, '')", (ADA,))
    claim.put(control, "beta", ADA, NOW)
    paid = {row[0]: row[3] for row in upstream_claim.rows(control) if row[2] == "openai"}
    assert paid == {acme: 2, beta: 4}
    assert {row[0] for row in upstream_claim.rows(control) if row[2] == "anthropic"} == {acme, beta}
    listed = {one.connection_no: (one.fits, one.counts) for one in upstream_claim.listed(control, vault)}
    assert listed == {1: (2, 1), 2: (2, 1), 3: (2, 2), 4: (2, 1)}
    # Anthropic's models are not called there.
    listed = {
        one.connection_no: (one.fits, one.counts)
        for one in upstream_claim.listed(control, vault, {acme: {"openai"}, beta: {"openai"}})
    }
    assert listed[3] == (2, 0)


CLAIMS = st.lists(
    st.tuples(
        st.sampled_from(PATTERNS[1:]),
        st.sampled_from([1, 2]),
        st.sampled_from([None, "litellm", "otel"]),
        st.one_of(st.none(), st.integers(0, 9)),
        st.one_of(st.none(), st.integers(0, 9)),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CLAIMS)
def test_of_every_day_the_most_particular_claim_that_holds_pays(
    control: sqlite3.Connection, claims: list[tuple[str, int, str | None, int | None, int | None]]
) -> None:
    """Most letters of its own, then a named gateway, then the later day, then the newer; asked day by day."""
    control.execute("DELETE FROM upstream_claim")
    (number, *_) = upstreams(control).values()
    vault, made = Vault(control, NOW), []
    for pattern, connection, gateway, first, last in claims:
        if first is not None and last is not None and first > last:
            continue
        days = [None if n is None else DAY + timedelta(days=n) for n in (first, last)]
        begins, ends = days[0] or upstream_claim.ALWAYS, days[1] or upstream_claim.FOREVER
        made.append((pattern, connection, gateway, begins, ends))
        upstream_claim.put(control, vault, pattern, connection, NOW, gateway=gateway, first_day=begins, last_day=ends)
    upstream_claim.follow(control, NOW)
    told = [row for row in upstream_claim.rows(control) if row[0] == number]
    fitting = {UPSTREAM, "openai@*", "*@*.com", "openai*api*com"}
    for day in (upstream_claim.ALWAYS, *(DAY + timedelta(days=n) for n in range(-1, 11)), upstream_claim.FOREVER):
        holding = [
            (len(each[0].replace("*", "")), each[2] is not None, each[3], place, each[1])
            for place, each in enumerate(made)
            if each[0] in fitting and each[2] in {None, "litellm"} and each[3] <= day <= each[4]
        ]
        expected = [max(holding)[-1]] if holding else []
        assert [row[3] for row in told if row[4] <= day <= row[5]] == expected, (day, made)
