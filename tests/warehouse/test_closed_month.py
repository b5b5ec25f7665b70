"""A closed month that is written anew: vouched for as a whole or not at all, and the later ones are chained to it."""

import json
import stat
from collections.abc import Iterator
from datetime import datetime
from sqlite3 import Connection

import pytest

from warehouse import closed_month, database
from warehouse.closed_month import Content
from warehouse.control import month_close
from warehouse.control.month_close import Close
from warehouse.home import Home

NOW = datetime(2026, 12, 10)  # noqa: DTZ001 (naive moments are UTC here)
MONTHS = ("2026-09", "2026-10", "2026-11")


def new(month: str) -> dict[str, Content]:
    """What October is to say."""
    return {"focus_1_2.parquet": Content(b"new", 1, "2.5")} if month == "2026-10" else {}


@pytest.fixture
def control(home: Home) -> Iterator[Connection]:
    """The store of a home with three closed months of two files each."""
    with database.control(home) as control:
        before: str | None = None
        for month in MONTHS:
            place = closed_month.folder(home, month)
            place.mkdir(mode=0o700, parents=True)
            files = [
                closed_month.put(place, "changes.csv", Content(b"a\r\n", 0)),
                closed_month.put(place, "focus_1_2.parquet", Content(b"old", 2, "5")),
            ]
            previous = {"month": "before", "manifest_sha256": before} if before else None
            before = closed_month.put_manifest(place, {"files": files, "billed_cost_usd": "5", "previous": previous})
            month_close.record(control, Close(month, NOW, before))
        yield control


def _manifests(home: Home, control: Connection) -> dict[str, dict[str, object] | None]:
    return {one.month: closed_month.manifest_of(home, one) for one in month_close.listed(control)}


def _bytes(home: Home) -> dict[str, bytes]:
    places = home.root / "closes"
    return {str(path.relative_to(places)): path.read_bytes() for path in places.rglob("*") if path.is_file()}


def _write(home: Home, control: Connection) -> None:
    with database.transaction(control):
        month_close.rehash(control, closed_month.written_anew(home, control, new, "erasure 7", NOW))


def test_a_month_and_what_is_chained_to_it_are_written_anew(home: Home, control: Connection) -> None:
    """The file, its hash, the month's sum and a note; the later month names the new manifest, the earlier one stays."""
    september = _bytes(home)["2026-09/manifest.json"]
    was = {one.month: one.manifest_sha256 for one in month_close.listed(control)}
    _write(home, control)
    closed_month.settle(home, control)
    found = _manifests(home, control)
    assert None not in found.values()
    (october, november) = (found["2026-10"] or {}, found["2026-11"] or {})
    assert october["billed_cost_usd"] == "2.5"
    note = {"on": "2026-12-10", "by": "erasure 7"}
    assert october["rewritten"] == [note | {"files": ["focus_1_2.parquet"], "was_sha256": was["2026-10"]}]
    assert november["rewritten"] == [note | {"files": [], "was_sha256": was["2026-11"]}]
    chained = {one.month: one.manifest_sha256 for one in month_close.listed(control)}
    assert november["previous"] == {"month": "before", "manifest_sha256": chained["2026-10"]}
    assert _bytes(home)["2026-10/focus_1_2.parquet"] == b"new"
    assert _bytes(home)["2026-10/changes.csv"] == b"a\r\n"
    assert _bytes(home)["2026-09/manifest.json"] == september
    assert [path.name for path in (home.root / "closes").iterdir() if path.name.startswith(".")] == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.root / "closes").rglob("*")} == {0o600, 0o700}


def test_what_is_broken_off_is_as_before_or_ended(home: Home, control: Connection) -> None:
    """Before the new hashes stand nothing has changed; after that it is put in place, from either half of the move."""
    before = _bytes(home)
    closed_month.written_anew(home, control, new, "erasure 7", NOW)
    assert closed_month.is_unsettled(home)
    closed_month.settle(home, control)
    assert _bytes(home) == before
    _write(home, control)
    place = closed_month.folder(home, "2026-10")
    place.rename(place.with_name(".2026-10.old"))
    closed_month.settle(home, control)
    assert None not in _manifests(home, control).values()
    assert _bytes(home)["2026-10/focus_1_2.parquet"] == b"new"
    assert not closed_month.is_unsettled(home)


def test_what_somebody_changed_is_never_vouched_for(home: Home, control: Connection) -> None:
    """A file that was not what was frozen, or a manifest: what is to go goes, and the change is found as before."""
    place = closed_month.folder(home, "2026-10")
    (place / "focus_1_2.parquet").write_bytes(b"changed")
    (place / "more").mkdir()
    (place / "more" / "note.txt").write_text("mine")
    _write(home, control)
    closed_month.settle(home, control)
    manifest = json.loads((place / "manifest.json").read_text())
    assert (place / "focus_1_2.parquet").read_bytes() == b"new"
    assert (place / "more" / "note.txt").read_text() == "mine"
    assert manifest["billed_cost_usd"] == "5"
    assert len({each["sha256"] for each in manifest["files"]} & {each["sha256"] for each in _files(home)}) == 2
    with (place / "manifest.json").open("a") as handle:
        handle.write(" ")
    (place / "focus_1_2.parquet").write_bytes(b"once more")
    hashes = month_close.listed(control)
    _write(home, control)
    assert (place / "focus_1_2.parquet").read_bytes() == b"new"
    assert month_close.listed(control) == hashes
    assert _manifests(home, control)["2026-10"] is None


def _files(home: Home) -> list[dict[str, str]]:
    """What the first month's manifest says of its files, which are the same as the others' were."""
    found: list[dict[str, str]] = json.loads((closed_month.folder(home, "2026-09") / "manifest.json").read_text())[
        "files"
    ]
    return found


def test_a_month_that_was_being_closed_leaves_nothing(home: Home, control: Connection) -> None:
    """What a killed close left is in no month, and may tell of somebody: it goes."""
    part = closed_month.working(home, "2026-12")
    part.mkdir()
    closed_month.put(part, "focus_1_2.csv", Content(b"acme", 1))
    closed_month.settle(home, control)
    assert not part.exists()
    assert {path.name for path in (home.root / "closes").iterdir()} == {*MONTHS}
