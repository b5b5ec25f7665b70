"""A folder of this machine or an S3 prefix -> the bill files in it, folder by folder, the newest folder last."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pyarrow import fs

from pipelines import object_store
from pipelines.bills.bill_file import BillFile
from pipelines.errors import PipelineError, ProviderError

_Found = tuple[str, int, str, BillFile]


def folders(place: str) -> list[list[BillFile]]:
    """The bill files of a folder or `s3://bucket/prefix` and all below it; ProviderError where it cannot be listed."""
    found = _in_bucket(place) if "://" in place else _on_disk(Path(place))
    by_folder: dict[str, list[tuple[int, str, BillFile]]] = defaultdict(list)
    for folder, changed_ns, path, file in found:
        by_folder[folder].append((changed_ns, path, file))
    oldest_first = sorted(by_folder.values(), key=lambda files: max(changed_ns for changed_ns, _, _ in files))
    return [[file for _, _, file in sorted(files, key=lambda one: one[1])] for files in oldest_first]


def _on_disk(place: Path) -> Iterable[_Found]:
    if not place.is_absolute() or not place.is_dir():
        raise ProviderError(f"{place} is no folder: a setting names a whole path, or s3://bucket/prefix")
    for path in sorted(place.rglob("*")):
        shown = path.relative_to(place).parts
        if not path.is_file() or any(part.startswith(".") for part in shown):
            continue
        status = path.stat()
        file = BillFile(path.name, status.st_size, f"{path} {status.st_mtime_ns}", lambda path=path: path.open("rb"))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        if file.is_readable:
            yield str(path.parent), status.st_mtime_ns, str(path), file


def _in_bucket(place: str) -> Iterable[_Found]:
    try:
        store, root = object_store.opened(place)
        listed = store.get_file_info(fs.FileSelector(root, recursive=True))
    except PipelineError as error:
        raise ProviderError(str(error)) from None
    except OSError:
        raise ProviderError(f"{place} cannot be listed: look at its name, its region and the rights to it") from None
    for entry in sorted(listed, key=lambda entry: str(entry.path)):
        changed_ns = entry.mtime_ns or 0
        file = BillFile(
            entry.base_name,
            entry.size or 0,
            f"{entry.path} {changed_ns}",
            lambda path=entry.path: store.open_input_file(path),  # type: ignore[misc]  # mypy cannot infer a lambda's default
        )
        if entry.is_file and file.is_readable:
            yield str(entry.path).rpartition("/")[0], changed_ns, str(entry.path), file
