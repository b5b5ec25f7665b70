"""Five hundred accounts with a connection each, one of them revoked: a pass reads the others, each with its own key."""

import resource
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.bills.pull import pull_all
from tests.pipelines.billed_world import LATER, World, world
from warehouse import database
from warehouse.control import credential
from warehouse.control import member as members
from warehouse.control.vault import Vault

NOW = LATER.replace(tzinfo=None)
# Memory must not grow with their number.
MOST_MB = 1024


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[World]:
    """A week of one world, without keys in the environment."""
    assert master_key
    with world(tmp_path, monkeypatch, calls=100) as made:
        monkeypatch.delenv("OPENAI_ADMIN_KEY")
        monkeypatch.delenv("ANTHROPIC_ADMIN_KEY")
        yield made


def connected(made: World, number: int, now: datetime = NOW) -> list[str]:
    """As many accounts with a stored key each; their keys."""
    keys = [f"sk-admin-many-{each:05d}-{secrets.token_hex(8)}" for each in range(number)]
    with database.control(made.home) as control:
        vault = Vault(control, now)
        members.operator(control, vault, now)
        for each, key in enumerate(keys):
            assert members.sign_up(control, vault, f"p{each}@team.example", "no hash", now)
            found = members.find(control, vault, f"p{each}@team.example")
            assert found
            credential.add(control, vault, found[0].account_no, "openai", "main", key, now)
    return keys


@pytest.mark.soak
def test_one_revoked_key_of_five_hundred_stops_no_other(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bill lands under its own account; the revoked one is said; a second pass asks again and stores nothing."""
    keys = connected(billed, 500)
    taken = {f"Bearer {key}".encode() for key in keys[1:]}
    # The made-up provider has one key; here it has many.
    monkeypatch.setattr("pipelines.sandbox.admin_api.secrets.compare_digest", lambda sent, _: sent in taken)
    found = pull_all(billed.home, NOW, lambda *_: None)
    assert len([one for one in found if one.skipped]) == 1
    assert len({one.rows for one in found if not one.skipped}) == 1
    billed.take_in()
    ((accounts, amount),) = billed.query(
        "SELECT count(DISTINCT account), sum(cost_usd) FROM mart.spend_by_source WHERE source = 'bill'"
    )
    assert (accounts, amount) == (499, 499 * billed.billed("openai"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 < MOST_MB
    assert all(one.rows == 0 for one in pull_all(billed.home, NOW, lambda *_: None))
