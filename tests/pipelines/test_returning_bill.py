"""An organisation whose account was erased is connected anew: what comes after lands, the days of before do not."""

import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines import erasing
from pipelines.bills.biller import billers
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull
from retention import erase, people
from tests.conftest import MASTER_KEY
from tests.pipelines.billed_world import KEYS, LATER, World, world
from warehouse import database
from warehouse.control import credential
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = LATER.replace(tzinfo=None)
# In the middle of the bill: it has days before, and days after.
ERASED = datetime(2026, 6, 27, 12)  # noqa: DTZ001 (naive moments are UTC here)
OPENAI = billers()["openai"]
ORGANISATION = (("openai-organization", "canary-org-41c07b"),)
_DAYS = "SELECT DISTINCT day FROM raw_openai.costs ORDER BY 1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A week's bill whose organisation each answer names, and no key in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        with world(tmp_path_factory.mktemp("returning"), environment, calls=60) as one:
            environment.delenv("OPENAI_ADMIN_KEY")
            environment.delenv("ANTHROPIC_ADMIN_KEY")
            one.apis["openai"].says = ORGANISATION
            yield one


@pytest.fixture(scope="module")
def left(made: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Somebody has connected the organisation, it was read, and they were erased."""
    one = _copied(made, tmp_path_factory.mktemp("left"))
    gone = _connected(one, "first@team.example", KEYS["openai"], ERASED - timedelta(hours=1))
    assert _pulled(one, gone, ERASED - timedelta(hours=1)).rows > 0
    assert _days(one)[0] < "2026-06-26"
    _erased(one, gone)
    assert _days(one) == []
    return one


@pytest.fixture
def billed(left: World, tmp_path: Path, master_key: str) -> World:
    """A copy of the home they left; the provider is one."""
    assert master_key
    return _copied(left, tmp_path)


def _copied(made: World, folder: Path) -> World:
    shutil.copytree(made.home.root, folder / "sandbox", symlinks=True)
    return World(Home(folder / "sandbox"), made.truth, made.apis, [])


def _connected(made: World, email: str, key: str, now: datetime) -> int:
    """An account with a stored key that the provider takes; its number."""
    made.apis["openai"].key = f"Bearer {key}"
    with database.control(made.home) as control:
        vault = Vault(control, now)
        members.operator(control, vault, now)
        if members.find(control, vault, email) is None:
            assert members.sign_up(control, vault, email, "no hash", now)
        found = members.find(control, vault, email)
        assert found
        number = found[0].account_no
        credential.add(control, vault, number, "openai", "main", key, now)
    return number


def _pulled(made: World, account_no: int, now: datetime) -> Pulled:
    with database.control(made.home) as control:
        (one,) = credential.of_account(control, account_no)
    return pull(made.home, OPENAI, now, lambda *_: None, connection_no=one.connection_no)


def _erased(made: World, account_no: int, now: datetime = ERASED) -> None:
    with database.control(made.home) as control:
        erase.begin(made.home, control, people.of_account(control, Vault(control, now), account_no), now)
    erasing.resume(made.home, now, lambda *_: None)


def _days(made: World) -> list[str]:
    with database.read_only(made.home.build_file) as build:
        return [day.isoformat() for (day,) in build.execute(_DAYS).fetchall()]


def _without(made: World, kind: str) -> None:
    """The provider tells nothing by which tombstones of a kind know it."""
    with database.control(made.home) as control:
        assert control.execute("DELETE FROM tombstone WHERE kind = ?", (kind,)).rowcount > 0


@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("known_by", ["billed", "organisation", pytest.param("credential", marks=pytest.mark.soak)])
def test_days_before_the_erasure_do_not_come_back(billed: World, known_by: str) -> None:
    """By the provider's ids of projects and keys, by the key itself, or by the organisation each answer names."""
    for kind in {"billed", "credential", "organisation"} - {known_by}:
        _without(billed, kind)
    key = KEYS["openai"] if known_by == "credential" else f"sk-admin-other-{secrets.token_hex(8)}"
    back = _connected(billed, "again@team.example", key, NOW)
    found = _pulled(billed, back, NOW)
    assert _days(billed) == ["2026-06-28", "2026-06-29", "2026-06-30"]
    assert found.refused_days > 40
    (said,) = found.notes
    assert f"{found.refused_days} days before 2026-06-28 were refused" in said
    with database.control(billed.home) as control:
        (one,) = credential.of_account(control, back)
    assert one.notes == (said,)
    # What was found once holds: the next day's pull is asked for less, and tells the same.
    _without(billed, known_by)
    assert _pulled(billed, back, NOW + timedelta(days=1)).notes == [said]
    assert _days(billed)[0] == "2026-06-28"
    assert ORGANISATION[0][1].encode() not in billed.home.control_file.read_bytes()


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_whoever_had_it_connected_before_keeps_their_bill(made: World, tmp_path: Path, master_key: str) -> None:
    """Two accounts read one organisation: the other's days stay, also those that are told anew, and with a new key."""
    assert master_key
    billed, before = _copied(made, tmp_path), ERASED - timedelta(hours=2)
    other = _connected(billed, "other@team.example", f"sk-admin-other-{secrets.token_hex(8)}", ERASED)
    assert _pulled(billed, other, before).rows > 0
    gone = _connected(billed, "first@team.example", KEYS["openai"], before)
    _pulled(billed, gone, before)
    _erased(billed, gone)
    days = _days(billed)
    _connected(billed, "other@team.example", f"sk-admin-third-{secrets.token_hex(8)}", NOW)
    found = _pulled(billed, other, NOW)
    assert (found.refused_days, found.notes) == (0, [])
    assert _days(billed) == [*days, "2026-06-27", "2026-06-28", "2026-06-29", "2026-06-30"]


@pytest.mark.clause("AL-4.2")
def test_the_operators_environment_brings_nothing_back(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The erased one's own key in the environment reads what comes after alone."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEYS["openai"])
    billed.apis["openai"].key = f"Bearer {KEYS['openai']}"
    assert pull(billed.home, OPENAI, NOW, lambda *_: None).refused_days > 40
    assert _days(billed)[0] == "2026-06-28"
