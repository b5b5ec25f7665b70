"""Checks receipts of erasures with nothing but Python: `python verify_receipt.py FILE... [HOME]`, in any folder.

FILE is a receipt as its page gave it, or all of them (`apiledger erase receipts > receipts.jsonl`). In each file every
receipt has to follow from the one before it; one that was saved alone has to be found again in the file of all, where
that is given, too. With HOME, a folder, the databases that the newest receipt tells of must be those that lie there.
Then it says what the newest one counted, and what an erasure cannot reach. Ends with 1 where something does not fit.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path


def link(before: str, receipt: str) -> str:
    """The chain of a receipt after the chain of the one before it; empty before the first."""
    return hashlib.sha256(f"{before}\n{receipt}".encode()).hexdigest()


def text(fields: Mapping[str, object]) -> str:
    """A receipt as one line of JSON, always the same for the same fields."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def saved(receipt: str, chain: str, before: str | None = None) -> str:
    """A receipt as it is given to somebody to keep, with its chain; alone, with the chain of the one before it, too."""
    told = {"receipt": json.loads(receipt), "chain": chain}
    return json.dumps(told if before is None else {**told, "before": before})


def broken(receipts: Iterable[tuple[str, str]], before: str = "") -> list[int]:
    """The places, from 1, of receipts whose chain does not follow: they, or one before them, were changed."""
    wrong = []
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
    hashing = hashlib.sha256()
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            hashing.update(piece)
    return hashing.hexdigest()


def _read(path: Path) -> tuple[list[tuple[str, str]], str]:
    """The receipts of a file, each with its chain, and the chain before the first of them."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    before = str(lines[0].get("before", "")) if lines else ""
    return [(text(line["receipt"]), str(line["chain"])) for line in lines], before


def _wrong(files: list[Path], homes: list[Path]) -> tuple[list[str], list[tuple[str, str]]]:
    """What does not fit, and the receipts of the longest file."""
    said: list[str] = []
    every: list[list[tuple[str, str]]] = []
    for path in files:
        receipts, before = _read(path)
        every.append(receipts)
        said += [f"{path.name}: receipt {number} was changed, or one before it" for number in broken(receipts, before)]
    longest = max(every, key=len, default=[])
    if not longest:
        said.append("there is no receipt in it")
    for path, receipts in zip(files, every, strict=True):
        if any(receipt not in longest for receipt in receipts):
            said.append(f"{path.name}: its receipt is not among the others: it was changed or left out")
    for home in homes:
        names = changed_files(longest[-1][0], home) if longest else []
        said += [f"{name} is not the file the receipt tells of" for name in names]
    return said, longest


def main(arguments: list[str]) -> int:
    """Check what is given and say it; gives the exit code."""
    paths = [Path(argument) for argument in arguments]
    files = [path for path in paths if not path.is_dir()]
    if not files:
        sys.stdout.write(f"{__doc__}\n")
        return 2
    try:
        said, receipts = _wrong(files, [path for path in paths if path.is_dir()])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said, receipts = [f"no receipts can be read there: {type(error).__name__}"], []
    if said:
        sys.stdout.write("".join(f"{each}\n" for each in said))
        return 1
    newest = json.loads(receipts[-1][0])
    rows, searched, found = sum(newest["rows"].values()), newest["searched"], newest["found_in"]
    lines = [
        f"{len(receipts)} {'receipt follows' if len(receipts) == 1 else 'receipts follow from one another'}",
        f"erasure {newest['erasure_no']} ({newest['kind']}), begun {newest['begun_at']}, done {newest['done_at']}",
        f"{rows} rows gone, {searched['files']} files searched afterwards",
        *(f"found in {count} files of {place} afterwards" for place, count in found.items()),
        *(f"not opened: {count} files of {place}" for place, count in newest["unread"].items()),
        "beyond its reach:",
        *(f"  {place}" for place in newest["beyond_reach"]),
    ]
    sys.stdout.write("".join(f"{each}\n" for each in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
