"""The receipt of an erasure: counts, hashes of what is there since, what cannot be reached; no personal value.

Each is chained to the one before; `retention/verify_receipt.py` checks them with nothing but Python.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from retention import verify_receipt
from retention.self_scan import Scan
from warehouse import database
from warehouse.control.erasure import Erasure
from warehouse.home import Home

BEYOND_REACH = (
    "the gateway's own database and the copies it keeps of its logs",
    "the providers' records",
    "mails that were sent",
    "files that were downloaded or exported out of the home, closed months among them, until an export replaces them",
    "snapshots of the disk, and copies of the home that other programs made",
    "sealed backups, until they are too old: whoever comes back from one is erased before anything is served",
    "blocks that a process holds in memory since before the erasure",
)


def written(
    home: Home,
    erasure: Erasure,
    scan: Scan,
    *,
    removed: list[Path],
    words: int,
    beside: Mapping[str, object],
    now: datetime,
) -> str:
    """The receipt of an erasure after this search; `words` of what was to be searched for are words of others.

    `removed` are files in which it found something and which went; `beside` is what stands with it, such as holds.
    """
    return verify_receipt.text(
        {
            "erasure_no": erasure.erasure_no,
            "kind": erasure.kind,
            "begun_at": database.stamp(erasure.begun_at),
            "done_at": database.stamp(now),
            "rows": erasure.rows,
            "version": database.current_version(home),
            "files": {name: told for name, told in scan.hashes.items() if name.endswith(".duckdb")},
            "searched": {
                "files": scan.files,
                "bytes": scan.bytes,
                "for": scan.needles,
                "words_of_others": words,
            },
            "found_in": _places(home, [path for path in scan.found if path not in removed]),
            "unread": _places(home, scan.unread),
            "removed_files": len(removed),
            **beside,
            "beyond_reach": list(BEYOND_REACH),
        }
    )


def _places(home: Home, paths: list[Path]) -> dict[str, int]:
    """How many files of each folder: a file's own name may say something of somebody."""
    places = [str(path.relative_to(home.root).parent) for path in paths]
    return {place: places.count(place) for place in sorted(set(places))}
