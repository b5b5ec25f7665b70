"""Backups: one sealed file a home, opened by its own key alone, deleted when it is too old."""

import base64
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
import requests
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from pipelines import erasing
from pipelines.backups import backup, backup_health, backup_key, restore
from pipelines.backups.errors import BackupError
from pipelines.backups.place import Place
from pipelines.cli import cli
from tests.conftest import MASTER_KEY
from tests.pipelines.backed_up_world import ANNE, World, quiet, worlds
from tests.retention import byte_scan
from tests.retention.erased_world import NOW, erased
from warehouse import database
from warehouse.home import Home


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Calls of two accounts, and a backup."""
    yield from worlds(tmp_path_factory.mktemp("backed-up"))


@pytest.fixture
def world(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of its own."""
    return made.copied(tmp_path / "world").enter(monkeypatch)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A prefix in a bucket on loopback, and the settings that lead there."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}"),
        ("AWS_ACCESS_KEY_ID", "made-up"),
        ("AWS_SECRET_ACCESS_KEY", "made-up"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ):
        monkeypatch.setenv(name, value)
    # The stand-in keeps its buckets as long as its process lives.
    requests.post(f"http://127.0.0.1:{port}/moto-api/reset", timeout=5)
    placed = {"LocationConstraint": "eu-central-1"}
    boto3.client("s3").create_bucket(Bucket="kept", CreateBucketConfiguration=placed)
    yield "s3://kept/apiledger"
    server.stop()


@pytest.mark.clause("VA-7.1")
def test_a_backup_says_nothing_without_its_key(world: World, tmp_path: Path) -> None:
    """No name, no key, no page of a database in it; private to its owner; the master key is in it in no form."""
    full, target = world.home, world.target
    assert ANNE.found(full) != {}
    secrets = (
        base64.b64decode(MASTER_KEY),
        MASTER_KEY.encode(),
        backup_key.read(),
        b"SQLite format",
        b"DUCK",
        b"zq001",
    )
    for path in target.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [word for word in secrets if word in path.read_bytes()] == [], path.name
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert {path.name for path in target.iterdir()} == {
        world.made.name,
        f"apiledger-{world.made.home_id}.tombstones",
    }
    assert list(full.tmp.iterdir()) == []
    # Opened, the sealed values of the control store are as they were: the backup key opens none of them.
    opened = tmp_path / "opened"
    opened.mkdir()
    restore._unpacked(Place(str(target)), world.made.name, backup_key.read(), opened)
    assert byte_scan.found(opened, b"203\\.0\\.1\\.|zq001agent|" + MASTER_KEY.encode()) == {}


def test_a_backup_is_listed_and_proved(world: World, tmp_path: Path) -> None:
    """By the command line: what it is of and adds up to; a drill opens it as a home and leaves nothing behind."""
    full, target = world.home, str(tmp_path / "another")
    runner, home = CliRunner(), ["--home", str(full.root)]
    assert str(world.keys / "backup-key") in runner.invoke(cli, ["backup", "key"]).output
    done = runner.invoke(cli, ["backup", "make", target, *home], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    listed = runner.invoke(cli, ["backup", "list", target], catch_exceptions=False).output
    with database.published(full) as connection:
        ((cost,),) = connection.execute("SELECT sum(cost_usd) FROM mart.spend_daily").fetchall()
    assert f"version 1, {cost} USD" in listed
    proved = runner.invoke(cli, ["backup", "verify", target, "--drill", *home], catch_exceptions=False)
    assert f"adds up to {cost} USD as it did" in proved.output
    assert list(full.tmp.iterdir()) == []


@pytest.mark.parametrize("where", [0.0, 0.4, 0.9999])
def test_a_changed_byte_is_found(world: World, where: float) -> None:
    """Anywhere in it; the message names the backup and says what to do."""
    target = world.target
    path = target / world.made.name
    body = bytearray(path.read_bytes())
    body[int(len(body) * where)] ^= 1
    path.write_bytes(body)
    with pytest.raises(BackupError, match=r"apiledger-.*\.backup.*take another copy"):
        restore.verify(str(target), None)


@pytest.mark.parametrize("kept", ["chunk", "half", "header", "nothing"])
def test_a_file_that_was_cut_is_found(world: World, kept: str) -> None:
    """Also where it ends just after a whole chunk, or has nothing at all."""
    target = world.target
    path = target / world.made.name
    size = {"chunk": 67 + (1 << 20) + 16, "half": path.stat().st_size // 2, "header": 40, "nothing": 0}[kept]
    assert size < path.stat().st_size
    os.truncate(path, size)
    with pytest.raises(BackupError, match="cut off"):
        restore.verify(str(target), None)


def test_another_key_opens_nothing(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told apart from a damaged file; no key, half a key and the master key are refused by name."""
    target = str(world.target)
    for key, said in (
        (base64.b64encode(b"x" * 32).decode(), "another backup key"),
        ("eHg=", "not 32 bytes"),
        (MASTER_KEY, "is the master key"),
    ):
        monkeypatch.setenv(backup_key.SETTING, key)
        with pytest.raises(BackupError, match=said):
            restore.verify(target, None)
    monkeypatch.delenv(backup_key.SETTING)
    monkeypatch.setenv(backup_key.FILE_SETTING, str(tmp_path / "nowhere"))
    with pytest.raises(BackupError, match="no backup key at"):
        restore.verify(target, None)


def test_keys_and_backups_lie_apart(world: World) -> None:
    """Not in the home, not in a folder that holds a key: whoever takes the folder takes both."""
    with pytest.raises(BackupError, match="is in the home"):
        backup.make(world.home, str(world.home.root / "backups"), NOW, quiet)
    with pytest.raises(BackupError, match="kept apart"):
        backup.make(world.home, str(world.keys), NOW, quiet)
    with pytest.raises(BackupError, match="nothing to back up yet"):
        backup.make(Home(world.keys.parent / "new"), str(world.target), NOW, quiet)


@pytest.mark.clause("VA-6.1")
def test_old_backups_go(world: World) -> None:
    """After the days of the clause, the owner's own days included; another home's stay where they are."""
    full, target, first = world.home, world.target, world.made.name
    foreign = target / f"apiledger-00000000-{NOW - timedelta(days=90):%Y%m%dT%H%M%SZ}.backup"
    foreign.write_bytes(b"somebody else's")
    second = backup.make(full, str(target), NOW + timedelta(days=29), quiet)
    assert second.expired == []
    third = backup.make(full, str(target), NOW + timedelta(days=30), quiet)
    assert [each.name for each in third.expired] == [first]
    (full.root / "policy.toml").write_text("[kept_days]\nS-backups = 1\n")
    assert [each.name for each in backup.expire(full, NOW + timedelta(days=30))] == [second.backup.name]
    assert {path.name for path in target.glob("*.backup")} == {third.backup.name, foreign.name}


def test_a_bucket_holds_backups_as_a_folder_does(world: World, bucket: str) -> None:
    """Over S3's own protocol, in parts: made, listed, proved, deleted; one that is broken off leaves nothing."""
    for days in (0, 31):
        made = backup.make(world.home, bucket, NOW + timedelta(days=days), quiet)
    assert [each.made_at for each in made.expired] == [NOW]
    place = Place(bucket)
    assert [each.name for each in place.listed()] == [made.backup.name]
    _, told, files = restore.verify(bucket, None)
    assert (told["version"], files) == (1, made.files)

    def tell(_what: str, done: int, _total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup.make(world.home, bucket, NOW + timedelta(days=32), tell)
    assert [each.name for each in place.listed()] == [made.backup.name]


def test_a_folder_that_cannot_be_written_is_said(world: World, tmp_path: Path) -> None:
    """Nothing is left there, and the next step is named; the home goes on."""
    target = tmp_path / "full"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for the copies of the home, and not for a backup of all of them.
    resource.setrlimit(resource.RLIMIT_FSIZE, (world.home.build_file.stat().st_size + 4096, hard))
    try:
        with pytest.raises(BackupError, match="cannot be written"):
            backup.make(world.home, str(target), NOW, quiet)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(target.iterdir()) == []
    assert list(world.home.tmp.iterdir()) == []


def test_doctor_says_what_is_wrong_with_backups(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is old, and a ledger that does not know of everybody who was erased; `erase resume` mends that."""

    def said(days: int) -> list[str]:
        return [each.what for each in backup_health.findings(world.home, NOW + timedelta(days=days))]

    assert said(8) == []
    assert said(9) == ["the newest backup is 9 days old"]
    monkeypatch.setenv(backup_key.FILE_SETTING, str(world.keys / "gone"))
    erased(world.home, "account", ANNE.account)
    assert said(0) == ["the ledger of tombstones beside the backups does not know of everybody who was erased"]
    monkeypatch.delenv(backup_key.FILE_SETTING)
    erasing.resume(world.home, NOW, quiet)
    assert said(0) == []
    shutil.rmtree(world.keys / "tombstones")
    assert "are in no ledger on this machine" in said(0)[0]
