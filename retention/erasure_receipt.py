"""The receipt of an erasure: counts, hashes of what is there since, what cannot be reached; no personal value.

Each is chained to the one before. This file needs nothing but Python: `apiledger erase receipts > receipts.jsonl`, then
`python retention/erasure_receipt.py receipts.jsonl [home]` says whether a receipt was changed, left out or put in, and,
with the home, whether the databases are still those that the newest receipt tells of.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

BEYOND_REACH = (
    "the gateway's own database and the copies it keeps of its logs",
    "the providers' records",
    "mails that were sent",
    "files that were downloaded or exported out of the home",
    "snapshots of the disk, and copies of the home that other programs made",
    "sealed backups, until they are too old: whoever comes back from one is erased before anything is served",
    "blocks that a process holds in memory since before the erasure",
)


def link(before: str, receipt: str) -> str:
    """The chain of a receipt after the chain of the one before it; empty before the first."""
    return hashlib.sha256(f"{before}\n{receipt}".encode()).hexdigest()


def text(fields: Mapping[str, object]) -> str:
    """A receipt as one line of JSON, always the same for the same fields."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def broken(receipts: Iterable[tuple[str, str]]) -> list[int]:
    """The places, from 1, of receipts whose chain does not follow: they, or one before them, were changed."""
    wrong, before = [], ""
    for number, (receipt, chain) in enumerate(receipts, 1):
        if link(before, receipt) != chain:
            wrong.append(number)
        before = chain
    return wrong


def changed_files(receipt: str, home: Path) -> list[str]:
    """Databases that a receipt tells of and that are there with other bytes; a later version is a file of its own."""
    said = json.loads(receipt)["files"]
    return [
        name
        for name, sha256 in said.items()
        if name.startswith("published/") and (home / name).exists() and _sha256(home / name) != sha256
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Check a file of receipts, one JSON object a line; gives the exit code."""
    lines = [json.loads(line) for line in Path(arguments[0]).read_text(encoding="utf-8").splitlines() if line]
    receipts = [(text(line["receipt"]), line["chain"]) for line in lines]
    said = [f"receipt {number} was changed, or one before it" for number in broken(receipts)]
    if len(arguments) > 1 and receipts:
        said += [
            f"{name} is not the file the receipt tells of"
            for name in changed_files(receipts[-1][0], Path(arguments[1]))
        ]
    sys.stdout.write("".join(f"{each}\n" for each in said or [f"{len(receipts)} receipts follow from one another"]))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
