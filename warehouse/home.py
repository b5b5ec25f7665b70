"""The home: one folder that holds everything at rest, private from the first byte (0700, files 0600)."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Home:
    """Where things rest. `root` is absolute; nothing below it depends on the working directory."""

    root: Path

    @staticmethod
    def own() -> "Home":
        """The home of real rows: APILEDGER_HOME, else `data/` beside pyproject.toml."""
        return Home(Path(os.environ.get("APILEDGER_HOME", PROJECT / "data")).absolute())

    @staticmethod
    def sandbox() -> "Home":
        """The home of made-up rows: APILEDGER_SANDBOX_HOME, else `sandbox/` beside pyproject.toml."""
        return Home(Path(os.environ.get("APILEDGER_SANDBOX_HOME", PROJECT / "sandbox")).absolute())

    @property
    def people_file(self) -> Path:
        """`warehouse.duckdb`: the file people open, a copy of its own."""
        return self.root / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The folder of versions that pages and sensors read."""
        return self.root / "published"

    @property
    def build_file(self) -> Path:
        """The DuckDB file that runs write, one at a time."""
        return self.root / "build" / "warehouse.duckdb"

    @property
    def build_lock(self) -> Path:
        """The file whose flock says who writes."""
        return self.root / "build" / "lock"

    @property
    def inbox_lock(self) -> Path:
        """The file whose flock says who reads the inboxes."""
        return self.root / "build" / "inbox-lock"

    @property
    def control_file(self) -> Path:
        """`control.sqlite`: what is personal, sealed or stateful."""
        return self.root / "control.sqlite"

    @property
    def inbox(self) -> Path:
        """The folder of gateway log files waiting to be read, one folder a gateway."""
        return self.root / "inbox"

    @property
    def tmp(self) -> Path:
        """Working files; emptied at the start of every pass."""
        return self.root / "tmp"

    @property
    def dlt(self) -> Path:
        """The working folders of dlt; emptied around every load."""
        return self.root / "dlt"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME of this home."""
        return self.root / "dagster"

    @property
    def exports(self) -> Path:
        """What people take with them, waiting to be fetched; it goes after a few days."""
        return self.root / "exports"

    @property
    def is_sandbox(self) -> bool:
        """Whether the rows here are made up; the mark is written once, when the home is made."""
        return (self.root / "SANDBOX").exists()

    def make(self, gateways: tuple[str, ...] = (), *, sandbox: bool = False) -> "Home":
        """Make the folders, 0700, and mark a new sandbox home; safe to run again. Returns itself."""
        new = not self.root.exists()
        folders = (self.root, self.published, self.build_file.parent, self.inbox, self.tmp, self.dlt, self.dagster)
        for folder in (*folders, *(self.inbox / gateway for gateway in gateways)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if new:
            self.root.chmod(0o700)
            if sandbox:
                (self.root / "SANDBOX").touch(mode=0o600)
        return self
