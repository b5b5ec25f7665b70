"""Logs that lie elsewhere -> inbox/<gateway>/: each place the owner switched on is visited before the inboxes are read.

A made-up home looks at what is made up in it and nowhere else: what lies on a person's machine is none of its business.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines import erasing
from pipelines.errors import GaveWayError, PipelineError, PlaceError
from pipelines.gateways.provider import Gateway, Place, gateways
from pipelines.gateways.visit import Visit
from warehouse import database
from warehouse.control.vault import Vault
from warehouse.home import Home

Progress = Callable[[str, int, int], None]


@dataclass
class Collected:
    """What a visit gave: things that had news, lines handed over, and why it was skipped (None: it was not)."""

    place: str
    things: int = 0
    lines: int = 0
    skipped: str | None = None


def setting(home: Home, place: Place) -> str:
    """What switches a place on and says where: the owner's word, of a made-up home its own folder; empty: it is off."""
    if home.is_sandbox:
        folder = made_up_folder(home, place.name)
        return str(folder) if folder.is_dir() else ""
    told = os.environ.get(place.setting, "").strip()
    return "" if told == "0" else told


def made_up_folder(home: Home, name: str) -> Path:
    """Where what is made up for a place lies; PipelineError for a real home, or where it is led out of the home."""
    folder = home.root / "agents" / name
    if not home.is_sandbox or not folder.resolve().is_relative_to(home.root.resolve()):
        raise PipelineError(f"{folder} is no folder of a sandbox; name an empty one in APILEDGER_SANDBOX_HOME")
    return folder


def switched_on(home: Home) -> list[tuple[Gateway, Place]]:
    """Every place that is switched on, with its source."""
    return [(gateway, place) for gateway in gateways().values() for place in gateway.places if setting(home, place)]


def collect(home: Home, gateway: Gateway, now: datetime, progress: Progress) -> list[Collected]:
    """Visit the places of a gateway; one that cannot be read is said and holds up none.

    BusyError where another pass reads the inboxes.
    """
    found = []
    for place in (place for place in gateway.places if setting(home, place)):
        collected = Collected(place.name)
        while not _visited(home, gateway, place, collected, now, progress):
            progress(erasing.GAVE_WAY, 1, 1)
            erasing.resume(home, now, progress)
        found.append(collected)
    return found


def _visited(
    home: Home, gateway: Gateway, place: Place, collected: Collected, now: datetime, progress: Progress
) -> bool:
    """Visit a place; False where it gave way to an erasure: what it has handed over stays."""
    with database.held(home.inbox_lock), _visit(home, gateway, place, now, progress) as visit:
        try:
            place.collect(visit)
        except PlaceError as error:
            collected.skipped = str(error)
        except GaveWayError:
            return False
        finally:
            collected.things += visit.things
            collected.lines += visit.lines
    return True


@contextmanager
def _visit(home: Home, gateway: Gateway, place: Place, now: datetime, progress: Progress) -> Iterator[Visit]:
    with database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, now)
        where = setting(home, place)
        yield Visit(home, control, vault, gateway.name, place.name, where, now, progress)


def _has_key(home: Home) -> bool:
    """Whether the home has sealed anything yet: looking makes no key."""
    if not home.control_file.exists():
        return False
    with database.control(home) as control:
        return control.execute("SELECT 1 FROM setting WHERE name = 'pepper'").fetchone() is not None


def has_news(home: Home, now: datetime) -> bool:
    """Whether a place that can be looked at cheaply has something new."""
    for gateway, place in switched_on(home):
        if place.has_news is None:
            continue
        if not _has_key(home):
            # Nothing was ever read here: the first pass makes the key and looks.
            return True
        with _visit(home, gateway, place, now, lambda *_: None) as visit:
            try:
                if place.has_news(visit):
                    return True
            except PlaceError:
                # The next pass says it.
                return True
    return False


def troubles(home: Home, now: datetime) -> list[tuple[Place, str]]:
    """The folders that are switched on and cannot be read, and why; a remote place says it at its visit."""
    found: list[tuple[Place, str]] = []
    if not _has_key(home):
        return found
    for gateway, place in switched_on(home):
        if place.has_news is not None:
            with _visit(home, gateway, place, now, lambda *_: None) as visit:
                try:
                    place.has_news(visit)
                except PlaceError as error:
                    found.append((place, str(error)))
    return found


def is_remote_on(home: Home) -> bool:
    """Whether a place is switched on that only a visit can tell of."""
    return any(place.has_news is None for _, place in switched_on(home))
