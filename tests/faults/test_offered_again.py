"""Whoever was erased is offered again on every road there is, hundreds of times, also over a restore: nothing lands.

Roads: files of each gateway in each form, replays of the very file, LiteLLM's bucket and database, folders of sessions,
a provider's API with the same key, another and the environment's, a cloud's bill, payments, an older build, a backup.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines import erasing
from pipelines.backups import restore
from pipelines.bills.pull import pull
from pipelines.gateways import litellm_database
from pipelines.passage import PassReport
from pipelines.providers import claude_code, codex
from tests.faults import gone_world, offers
from tests.faults.gone_world import ADMIN_KEY, ANNE, CLOCK, CUSTOMER, LATER, OPENAI, ORGANISATION, THEN, Gone
from tests.faults.offers import INBOXES
from tests.pipelines import litellm_postgres, sessions
from tests.pipelines.backed_up_world import quiet
from tests.pipelines.bill_folder import as_csv, row
from tests.pipelines.gateway_log import put, take_in
from tests.pipelines.test_litellm_objects import Bucket, bucket, key, server  # noqa: F401  # fixtures, asked for by name
from warehouse import database
from warehouse.control import credential
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

# As many offers of each road, in so many passes.
MANY, FILES = 200, 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gone]:
    """Made once."""
    yield from gone_world.worlds(tmp_path_factory.mktemp("offered"))


@pytest.fixture
def gone(made: Gone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gone:
    """A copy of the home; the rest is one."""
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(made.home.root, tmp_path / "own", symlinks=True)
    made.api.key = f"Bearer {ADMIN_KEY}"
    return replace(made, home=Home(tmp_path / "own"))


def _inbox(gone: Gone, road: str, number: int) -> None:
    gateway, told = INBOXES[road]
    put(gone.home, f"offer-{number}.jsonl", [told(ANNE, number, number % 6)], gateway)


def _wide(gone: Gone, _: str, number: int) -> None:
    lines = [offers.gateway_line(ANNE, f"wide-{number}-{n}", n % 6, pad="x" * 2_000) for n in range(600)]
    put(gone.home, f"wide-{number}.jsonl", lines)


def _packed(gone: Gone, _: str, number: int) -> None:
    put(gone.home, f"packed-{number}.jsonl.gz", [offers.gateway_line(ANNE, f"packed-{number}"), "{"])


def _replayed(gone: Gone, _: str, number: int) -> None:
    """The very file that landed before, as it was or with an end that another one has."""
    (gone.home.inbox / "gateway_jsonl" / f"replay-{number}.jsonl").write_bytes(gone.calls + b"\n" * (number % 5))


def _under_another(gone: Gone, _: str, number: int) -> None:
    """By their key alone, in a log that names no account or another one."""
    account = ... if number % 2 else f"renamed-{number}"
    put(gone.home, f"keyed-{number}.jsonl", [offers.gateway_line(ANNE, f"keyed-{number}", account_id=account)])


def _paid(gone: Gone, _: str, number: int) -> None:
    """A payment of their customer, or one that names their account."""
    customer = CUSTOMER if number % 2 else f"cus_other{number}"
    named = {"account": ANNE.account}
    gone.payments.pay(customer, 100 + number, THEN - timedelta(hours=1), metadata=None if number % 2 else named)


def _clouds_bill(gone: Gone, _: str, number: int) -> None:
    """A file that bills their organisation, or another one for their projects."""
    project = sorted(set(gone.api.bill.usage["project"]))[number % 3]
    payer = ORGANISATION if number % 2 else f"payer-{number}"
    told = row(
        1 + number % 28,
        f"{number}.25",
        BillingAccountId=payer,
        SubAccountId=f"proj_{project}" if not number % 2 else "another",
        ProviderName="OpenAI",
        ServiceName="API",
    )
    folder = gone.home.inbox / "focus"
    folder.mkdir(exist_ok=True)
    (folder / f"bill-{number}.csv").write_bytes(as_csv([told]))


ROADS: dict[str, Callable[[Gone, str, int], None]] = {
    **dict.fromkeys(INBOXES, _inbox),
    "read in columns": _wide,
    "packed, with a line that is none": _packed,
    "the very file": _replayed,
    "by the key": _under_another,
    "payments": _paid,
    "a cloud's bill": _clouds_bill,
}


def _offers(report: PassReport) -> int:
    """How many files, refused days and payments a pass was offered."""
    files = sum(one.files + one.known_files for one in report.ingested)
    return files + sum(one.refused_days for one in report.pulled) + report.paid.read


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("road", ROADS)
def test_offered_on_a_road_nothing_lands(gone: Gone, road: str) -> None:
    """Hundreds of times, a few dozen a pass."""
    read = 0
    for number in range(1, MANY + 1):
        ROADS[road](gone, road, number)
        if number % FILES == 0:
            read += _offers(take_in(gone.home, LATER))
            gone.assert_none()
    assert read >= MANY
    print(f"{road}: offered {MANY} times, 0 landed")


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_offered_in_a_bucket_nothing_lands(gone: Gone, request: pytest.FixtureRequest) -> None:
    """As objects that LiteLLM's callback writes."""
    there: Bucket = request.getfixturevalue("bucket")
    for number in range(MANY):
        there.put(key(number), json.dumps(offers.payload(ANNE, f"object-{number}", number % 6)))
    (place,) = (one for one in take_in(gone.home, LATER).watched if one.place == "litellm_s3")
    assert place.things == MANY
    gone.assert_none()


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
@pytest.mark.skipif(litellm_postgres.program("initdb") is None, reason="no Postgres is installed")
def test_offered_in_litellms_database_nothing_lands(gone: Gone, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As rows of SpendLogs."""
    with litellm_postgres.running() as address:
        litellm_postgres.make_tables(address, shared)
        rows = [offers.spend_log(ANNE, f"row-{number}", number % 6) for number in range(MANY)]
        litellm_postgres.insert(address, [one | {"team_id": "", "model_group": ""} for one in rows])
        monkeypatch.setenv(litellm_database.SETTING, f"{address}?schema=public")
        (place,) = (one for one in take_in(gone.home, LATER).watched if one.place == "litellm_database")
    assert place.lines == MANY
    gone.assert_none()


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_sessions_bring_the_operators_own_alone(gone: Gone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No session names an account: what agents wrote is whose machine it is, and nothing of the erased comes by it."""
    folders = {claude_code.SETTING: tmp_path / "claude", codex.SETTING: tmp_path / "codex"}
    for setting, folder in folders.items():
        folder.mkdir()
        monkeypatch.setenv(setting, str(folder))
    for number in range(MANY):
        told = sessions.answered(number, number, cwd=f"/home/{ANNE.account}/{ANNE.word('project')}")
        sessions.append(folders[claude_code.SETTING] / f"-home/{number % 10}.jsonl", told)
    take_in(gone.home, LATER)
    found = gone.now()
    assert found.pop("raw_claude_code.calls") == MANY
    assert found == gone.rows
    with database.read_only(gone.home.build_file) as build:
        whose = "SELECT DISTINCT label FROM raw_claude_code.calls JOIN model.account USING (account_no)"
        assert build.execute(whose).fetchall() == [("own",)]


def _connected(gone: Gone, number: int, environment: pytest.MonkeyPatch) -> int | None:
    """The organisation connected once more: with the key of before, another, or the environment's."""
    sent = ADMIN_KEY if number % 3 else f"sk-admin-again-{secrets.token_hex(8)}"
    gone.api.key = f"Bearer {sent}"
    environment.delenv("OPENAI_ADMIN_KEY", raising=False)
    if number % 3 == 1:
        environment.setenv("OPENAI_ADMIN_KEY", sent)
        return None
    with database.control(gone.home) as control:
        vault = Vault(control, LATER)
        operator = members.operator(control, vault, LATER)
        return credential.add(
            control, vault, operator.account_no, "openai", f"again {number}", sent, LATER, apart=True
        ).connection_no


def _pulled(gone: Gone, number: int, environment: pytest.MonkeyPatch) -> int:
    """How many days a connection was refused; its key is taken away again."""
    connection_no = _connected(gone, number, environment)
    pulled = pull(gone.home, OPENAI, LATER, quiet, CLOCK, connection_no=connection_no)
    assert pulled.skipped is None
    if connection_no is not None:
        with database.control(gone.home) as control:
            operator = members.operator(control, Vault(control, LATER), LATER)
            credential.remove(control, operator.account_no, connection_no, LATER)
    environment.delenv("OPENAI_ADMIN_KEY", raising=False)
    return pulled.refused_days


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_connected_again_nothing_lands(gone: Gone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ninety days of a bill each time, all of them refused and counted."""
    for number in range(MANY):
        assert _pulled(gone, number, monkeypatch) > 60
        if number % FILES == 0:
            take_in(gone.home, LATER)
            gone.assert_none()
    take_in(gone.home, LATER)
    gone.assert_none()


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("back", ["an older build", "a backup"])
def test_restored_and_offered_nothing_lands(gone: Gone, monkeypatch: pytest.MonkeyPatch, back: str) -> None:
    """Put back again and again: gone before anything is served, and every road is still closed."""
    for again in range(MANY // 20):
        if back == "a backup":
            assert restore.restore(gone.home, str(gone.target), None, LATER, quiet).erased_again == 1
        else:
            gone.home.build_file.write_bytes(gone.older)
            erasing.resume(gone.home, LATER, quiet, restored=True)
        gone.assert_none()
        for number, road in enumerate(ROADS, again * len(ROADS)):
            ROADS[road](gone, road, number + 1)
        assert _pulled(gone, again, monkeypatch) > 60
        take_in(gone.home, LATER)
        gone.assert_none()
