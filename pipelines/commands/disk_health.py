"""Whether the disk that a home lies on is encrypted, for `apiledger doctor`; what the system does not tell is unknown.

What the ledger seals is sealed wherever it lies; figures, names of models and days rest as they are, for whoever takes
the disk out. Nothing is run on Linux: /proc and /sys say which device a folder lies on and what is below it.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pipelines.gateways.finding import Finding
from warehouse.home import Home

ENCRYPTED = "encrypted"
PLAIN = "plain"
# File systems that encrypt, and those that lie in memory.
_ENCRYPTS = frozenset({"ecryptfs", "fuse.gocryptfs", "fuse.cryfs", "fuse.encfs", "fuse.securefs"})
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_FDESETUP = ("fdesetup", "status")
_PATIENCE_S = 10
_ESCAPED = re.compile(r"\\(\d{3})")


def findings(home: Home) -> Iterator[Finding]:
    """A warning where the disk is not encrypted, or where that cannot be told."""
    state = of(home.root)
    step = (
        "encrypt it (LUKS, FileVault), or leave it where the disk or whoever runs the machine encrypts below the system"
    )
    if state == PLAIN:
        yield Finding(
            f"the disk of {home.root} is not encrypted: whoever takes it out reads figures", step, warning=True
        )
    elif state != ENCRYPTED:
        yield Finding(f"whether the disk of {home.root} is encrypted is not known: {state}", step, warning=True)


def of(path: Path, root: Path = Path("/"), platform: str = sys.platform) -> str:
    """ENCRYPTED, PLAIN, or in words why it is not known; `root` is where proc, sys and dev lie."""
    if platform == "darwin":
        return _of_mac()
    if platform != "linux":
        return f"{platform} does not say"
    try:
        return _of_linux(path.resolve(), root)
    except (OSError, ValueError) as error:
        return f"the system does not say ({type(error).__name__})"


def _of_mac() -> str:
    try:
        told = subprocess.run(_FDESETUP, capture_output=True, text=True, timeout=_PATIENCE_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"fdesetup does not answer ({type(error).__name__})"
    return ENCRYPTED if "FileVault is On" in told else PLAIN if "FileVault is Off" in told else "fdesetup does not say"


def _of_linux(path: Path, root: Path) -> str:
    number, kind, source = _mount(path, (root / "proc/self/mountinfo").read_text(encoding="utf-8"))
    if kind in _ENCRYPTS or kind in _IN_MEMORY:
        return ENCRYPTED
    device = root / "sys/dev/block" / number
    if not device.exists():
        # Such as btrfs, whose mounts have a number of their own: the device is named beside it.
        device = root / "sys/class/block" / (root / source.lstrip("/")).resolve().name
    if not source.startswith("/dev/") or not device.exists():
        return f"it lies on {kind}, which tells of no disk"
    return _of_device(device)


def _mount(path: Path, mounts: str) -> tuple[str, str, str]:
    """Device number, file system and source of the mount that a path lies on: the last of the longest."""
    found, longest = ("", "", ""), -1
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, (kind, source, *_) = left.split(), right.split()
        point = Path(_ESCAPED.sub(lambda told: chr(int(told[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = (fields[2], kind, source), len(point.parts)
    return found


def _of_device(device: Path) -> str:
    """Whether every way from a device down to a disk leads through dm-crypt."""
    uuid = device / "dm/uuid"
    if uuid.exists() and uuid.read_text(encoding="ascii").startswith("CRYPT-"):
        return ENCRYPTED
    if (device / "loop").exists():
        return "it lies in a file that is mounted as a disk"
    below = [_of_device(each) for each in sorted((device / "slaves").glob("*"))]
    unknown = [state for state in below if state not in {ENCRYPTED, PLAIN}]
    if unknown:
        return unknown[0]
    return ENCRYPTED if below and PLAIN not in below else PLAIN
