"""Copies of one file to several places: all of them, or none."""

from pathlib import Path

import pytest

from warehouse import file_copy
from warehouse.errors import WarehouseError

_SIZE = 20 * 1024 * 1024


@pytest.mark.parametrize("longer", [5, -400_000])
def test_copies_are_made_over_old_ones_and_beside_them(longer: int, tmp_path: Path) -> None:
    """Whole, with the source's time of change, nobody's to write; the old copy is no more, nor any part."""
    source, old = tmp_path / "source", tmp_path / "old"
    source.write_bytes(b"new" + bytes(_SIZE) + b"end")
    old.write_bytes(b"old" + bytes(_SIZE + longer))
    file_copy.copied_each(source, {tmp_path / "over": old, tmp_path / "beside": None})
    for name in ("over", "beside"):
        copy = tmp_path / name
        assert copy.read_bytes() == source.read_bytes()
        assert copy.stat().st_mtime_ns == source.stat().st_mtime_ns
        assert copy.stat().st_mode & 0o777 == 0o400
    assert {entry.name for entry in tmp_path.iterdir()} == {"source", "over", "beside"}


def test_where_one_cannot_be_made_none_is(tmp_path: Path) -> None:
    """What stood there stands, and no part is left."""
    source, good = tmp_path / "source", tmp_path / "good"
    source.write_bytes(b"new")
    good.write_bytes(b"what was there")
    with pytest.raises(WarehouseError, match="cannot be written"):
        file_copy.copied_each(source, {good: None, tmp_path / "no such folder" / "bad": None})
    assert good.read_bytes() == b"what was there"
    assert {entry.name for entry in tmp_path.iterdir()} == {"source", "good"}
