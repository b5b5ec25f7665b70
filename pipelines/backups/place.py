"""Where backups lie: a folder or an S3 prefix with one sealed file a backup, and a ledger of tombstones a home."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, cast

from pyarrow import fs

from pipelines import object_store
from pipelines.backups.errors import BackupError
from pipelines.backups.sealed_stream import SealedReader
from retention import tombstone_ledger
from retention.tombstone_ledger import Ledger

_FORM = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"apiledger-(?P<home>[0-9a-f]{8})-(?P<made>\d{8}T\d{6}Z)\.backup")


@dataclass(frozen=True)
class Backup:
    """A backup as it lies there: its name, the home it is of, when it was made (UTC), and its size."""

    name: str
    home_id: str
    made_at: datetime
    bytes: int


class Place:
    """A folder or an S3 prefix that holds backups."""

    def __init__(self, address: str, *, writes: bool = False) -> None:
        self.system, self.root = object_store.opened(address, writes=writes)
        self.address = address

    def path(self, name: str) -> str:
        """Where something of a name lies."""
        return f"{self.root}/{name}"

    def listed(self) -> list[Backup]:
        """The backups there are, oldest first; BackupError where the place cannot be looked at."""
        try:
            entries = self.system.get_file_info(fs.FileSelector(self.root, allow_not_found=True))
        except OSError as error:
            raise BackupError(
                f"{self.address} cannot be read ({type(error).__name__}): look at the address and its access"
            ) from None
        found = [(entry, _NAME.fullmatch(entry.base_name)) for entry in entries if entry.type == fs.FileType.File]
        backups = [
            Backup(entry.base_name, match["home"], datetime.strptime(match["made"], _FORM), entry.size)  # noqa: DTZ007 (naive moments are UTC here)
            for entry, match in found
            if match
        ]
        return sorted(backups, key=lambda each: (each.made_at, each.name))

    def chosen(self, name: str | None) -> Backup:
        """The backup of a name, else the newest; BackupError where there is none, or they are of several homes."""
        found = [each for each in self.listed() if name in {None, each.name}]
        if not found:
            raise BackupError(
                f"{self.address} has no {'backup' if name is None else name}: `apiledger backup list` shows what it has"
            )
        if len({each.home_id for each in found}) > 1:
            raise BackupError(
                f"{self.address} has backups of several homes: name one, as `apiledger backup list` shows it"
            )
        return found[-1]

    def opened(self, name: str, key: bytes) -> SealedReader:
        """The sealed stream of a name; BackupError where it is not there or does not open."""
        try:
            return SealedReader(cast("BinaryIO", self.system.open_input_stream(self.path(name))), key, name)
        except OSError as error:
            raise BackupError(f"{name} cannot be read ({type(error).__name__}): look at {self.address}") from None

    def ledger(self, home_id: str, key: bytes) -> Ledger | None:
        """The ledger of tombstones beside a home's backups; None where there is none."""
        name = ledger_name(home_id)
        if self.system.get_file_info(self.path(name)).type != fs.FileType.File:
            return None
        return tombstone_ledger.parsed(self.opened(name, key).read().decode())


def ledger_name(home_id: str) -> str:
    """What the ledger beside a home's backups is called."""
    return f"apiledger-{home_id}.tombstones"


def backup_name(home_id: str, made_at: datetime) -> str:
    """What a backup of a home made at a moment (UTC) is called."""
    return f"apiledger-{home_id}-{made_at.strftime(_FORM)}.backup"
