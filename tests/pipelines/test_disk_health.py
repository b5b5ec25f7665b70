"""Whether a disk is encrypted is told by what the system says of it, and what it does not say is unknown."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.commands import disk_health
from pipelines.commands.disk_health import ENCRYPTED, PLAIN
from warehouse.home import Home

_MOUNTS = """22 1 253:{root} / / rw - ext4 /dev/mapper/root rw
30 22 0:44 / {point} rw shared:1 - {kind} {source} rw
"""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A disk with two partitions; on the second a LUKS volume with two logical volumes; a stripe of both partitions."""
    devices = tmp_path / "sys/devices"
    for name, uuid, below in (
        ("sda1", None, ()),
        ("sda2", None, ()),
        ("dm-0", "CRYPT-LUKS2-0c1f-luks", ("sda2",)),
        ("dm-1", "LVM-home", ("dm-0",)),
        ("dm-2", "LVM-stripe", ("dm-0", "sda1")),
        ("loop0", None, ()),
    ):
        (devices / name / "slaves").mkdir(parents=True)
        if uuid:
            (devices / name / "dm").mkdir()
            (devices / name / "dm/uuid").write_text(f"{uuid}\n", encoding="ascii")
        for each in below:
            (devices / name / "slaves" / each).symlink_to(devices / each)
        (tmp_path / "sys/class/block").mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/class/block" / name).symlink_to(devices / name)
    (devices / "loop0/loop").mkdir()
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    for number, name in enumerate(("sda1", "dm-0", "dm-1", "dm-2", "loop0")):
        (tmp_path / f"sys/dev/block/253:{number}").symlink_to(devices / name)
    (tmp_path / "dev/mapper").mkdir(parents=True)
    (tmp_path / "dev/dm-1").touch()
    (tmp_path / "dev/mapper/pool").symlink_to("../dm-1")
    (tmp_path / "proc/self").mkdir(parents=True)
    return tmp_path


def _told(system: Path, root: int = 0, kind: str = "btrfs", source: str = "/dev/mapper/pool") -> None:
    # A space of a mount point is written as octal.
    mounts = _MOUNTS.format(root=root, point=r"/my\040home", kind=kind, source=source)
    (system / "proc/self/mountinfo").write_text(mounts, encoding="utf-8")


@pytest.mark.clause("AL-5.2")
@pytest.mark.parametrize(
    ("number", "state"), [(0, PLAIN), (1, ENCRYPTED), (2, ENCRYPTED), (3, PLAIN), (4, "it lies in a file")]
)
def test_every_way_down_to_a_disk_leads_through_its_encryption(system: Path, number: int, state: str) -> None:
    """A partition, LUKS, a volume on LUKS, a volume half on LUKS, a file that is mounted."""
    _told(system, number)
    assert disk_health.of(Path("/srv/data"), system, "linux").startswith(state)


@pytest.mark.parametrize(
    ("kind", "source", "state"),
    [
        ("btrfs", "/dev/mapper/pool", ENCRYPTED),
        ("fuse.gocryptfs", "/cipher", ENCRYPTED),
        ("tmpfs", "tmpfs", ENCRYPTED),
        ("overlay", "overlay", "it lies on overlay, which tells of no disk"),
        ("nfs4", "server:/export", "it lies on nfs4, which tells of no disk"),
        ("btrfs", "/dev/mapper/gone", "it lies on btrfs, which tells of no disk"),
    ],
)
def test_a_mount_of_its_own_is_looked_at(system: Path, kind: str, source: str, state: str) -> None:
    """The one that the folder lies on, and not the disk of the system."""
    _told(system, 0, kind, source)
    assert disk_health.of(Path("/my home/data"), system, "linux") == state


def test_what_the_system_does_not_say_is_unknown(system: Path) -> None:
    """No mounts, another system: never taken for either."""
    assert disk_health.of(Path("/srv"), system, "linux") == "the system does not say (FileNotFoundError)"
    assert disk_health.of(Path("/srv"), system, "freebsd14") == "freebsd14 does not say"


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ("FileVault is On.", ENCRYPTED),
        ("FileVault is Off.", PLAIN),
        ("Error", "fdesetup does not say"),
        (None, "fdesetup does not answer (FileNotFoundError)"),
    ],
)
def test_a_mac_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None, state: str) -> None:
    """By fdesetup, as it answers; a program of that name stands in its place."""
    if says is not None:
        (tmp_path / "fdesetup").write_text(f"#!/bin/sh\necho '{says}'\n", encoding="ascii")
        (tmp_path / "fdesetup").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert disk_health.of(Path("/srv"), platform="darwin") == state


@pytest.mark.skipif(sys.platform != "linux", reason="is about what /proc and /sys of Linux say")
def test_doctor_warns_as_this_machine_says(home: Home) -> None:
    """Held against lsblk where that is there: a home on a disk of this machine is what its device is."""
    state = disk_health.of(home.root)
    told = [one.what for one in disk_health.findings(home)]
    assert [("not encrypted" in what, "not known" in what) for what in told] == (
        [] if state == ENCRYPTED else [(state == PLAIN, state != PLAIN)]
    )
    try:
        mounted = subprocess.run(
            ["findmnt", "-no", "SOURCE", "--target", str(home.root.parent)], capture_output=True, text=True, check=False
        ).stdout.strip()
        kinds = subprocess.run(["lsblk", "-sno", "TYPE", mounted], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        pytest.skip("neither findmnt nor lsblk is here")
    if mounted.startswith("/dev/") and kinds and "loop" not in kinds:
        assert (state == ENCRYPTED) is ("crypt" in kinds)
