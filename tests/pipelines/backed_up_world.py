"""A home with the calls of two accounts and a backup of it, made once for a whole file of tests."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.backups import backup
from pipelines.backups.place import Backup
from tests.conftest import MASTER_KEY
from tests.retention.erased_world import NOW, Canary, lived
from warehouse import database
from warehouse.control import member as members
from warehouse.control import token
from warehouse.control.vault import Vault
from warehouse.home import Home

ANNE, BELA = Canary(1), Canary(2)


def quiet(*_: object) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True)
class World:
    """A home, a folder with its backup, and the folder of both keys."""

    home: Home
    target: Path
    keys: Path
    made: Backup

    def copied(self, folder: Path) -> "World":
        """The same once more, for a test to break."""
        for part in (self.home.root, self.target, self.keys):
            shutil.copytree(part, folder / part.name, symlinks=True)
        home = Home(folder / self.home.root.name)
        with database.control(home) as control:
            moved = str(folder / self.target.name).encode()
            control.execute("UPDATE setting SET value = ? WHERE name = 'backup_target'", (moved,))
        return World(home, folder / self.target.name, folder / self.keys.name, self.made)

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> "World":
        """Take its keys for the program's."""
        monkeypatch.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        monkeypatch.setenv("APILEDGER_KEY_FILE", str(self.keys / "key"))
        monkeypatch.setenv("APILEDGER_HOME", str(self.home.root))
        return self


def worlds(folder: Path) -> Iterator[World]:
    """Make it; for a fixture of a module."""
    with pytest.MonkeyPatch.context() as environment:
        keys, target = folder / "keys", folder / "elsewhere"
        keys.mkdir()
        home = Home(folder / "own").make()
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        environment.setenv("APILEDGER_KEY_FILE", str(keys / "key"))
        lived(home, [ANNE, BELA])
        with database.control(home) as control:
            vault = Vault(control, NOW)
            token.make(control, vault, members.operator(control, vault, NOW), "board", NOW, None)
        (home.root / "policy.toml").write_text("[kept_days]\nR-client = 29\n")
        made = backup.make(home, str(target), NOW, quiet).backup
        yield World(home, target, keys, made)
