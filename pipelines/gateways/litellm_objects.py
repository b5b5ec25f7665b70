"""s3://bucket/prefix -> inbox/litellm/: the objects that LiteLLM's `s3_v2` callback writes, one call each, as they lie.

A key is `<prefix>/<aliases>/<date>/time-….json`. Folders of the last days are listed at each visit; one that is older
and was read whole is remembered as a folder, in the place of its objects, and not listed again. Nothing is written or
deleted. Keys and endpoint are the usual ones of AWS, from the environment or its files.
"""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

from pipelines.errors import PlaceError
from pipelines.gateways.logfile import LONGEST_LINE
from pipelines.gateways.provider import Place
from pipelines.gateways.visit import Visit
from warehouse.control.watched import Watched

SETTING = "APILEDGER_LITELLM_S3"
# LiteLLM writes an object within minutes and files it under the day its call began.
LOOK_BACK = timedelta(days=2)

# Prefix, team and key above the day.
_DEEPEST = 3
_READERS = 8
_OBJECTS_AT_ONCE = 2_000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CODE = re.compile(r"AWS Error ([A-Z_]{2,40})")


def place(reduced: Callable[[bytes], bytes]) -> Place:
    """The place; `reduced` leaves nothing of a record but what is read."""
    return Place("litellm_s3", "LiteLLM's objects in S3", SETTING, lambda visit: _collect(visit, reduced))


def _collect(visit: Visit, reduced: Callable[[bytes], bytes]) -> None:
    bucket, prefix = _address(visit.setting)
    try:
        store = _store(bucket)
        for day, folder in sorted(_days(store, f"{bucket}/{prefix}".rstrip("/"), _DEEPEST)):
            if visit.lookup(f"{folder}/") in visit.known:
                visit.still_there([visit.lookup(f"{folder}/")])
            else:
                _read_day(visit, store, day, folder, reduced)
    except OSError as error:
        # Arrow's sentence may hold a key's id, so it goes no further.
        code = _CODE.search(str(error))
        raise PlaceError(f"S3 did not answer ({code[1] if code else type(error).__name__})") from None


def _address(setting: str) -> tuple[str, str]:
    parts = urlsplit(setting)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query:
        raise PlaceError(f"{SETTING} is s3://bucket/prefix; keys go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    return parts.netloc, parts.path.strip("/")


def _store(bucket: str) -> Any:
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    options: dict[str, Any] = {"connect_timeout": 10, "request_timeout": 60}
    if endpoint:
        parts = urlsplit(endpoint)
        options |= {"scheme": parts.scheme or "https", "endpoint_override": parts.netloc or parts.path}
    elif not region:
        region = fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(region=region or "us-east-1", **options)


def _listed(store: Any, folder: str, *, recursive: bool = False) -> list[Any]:
    from pyarrow import fs

    found: list[Any] = store.get_file_info(fs.FileSelector(folder, recursive=recursive))
    return found


def _days(store: Any, folder: str, depth: int) -> Iterator[tuple[date, str]]:
    """The folders of days below a prefix, with their days."""
    from pyarrow import fs

    for entry in _listed(store, folder):
        if entry.type != fs.FileType.Directory:
            continue
        if _DAY.fullmatch(entry.base_name):
            try:
                yield date.fromisoformat(entry.base_name), entry.path
            except ValueError:
                continue
        elif depth:
            yield from _days(store, entry.path, depth - 1)


def _read_day(visit: Visit, store: Any, day: date, folder: str, reduced: Callable[[bytes], bytes]) -> None:
    from pyarrow import fs

    objects = {
        visit.lookup(entry.path): entry
        for entry in _listed(store, folder, recursive=True)
        if entry.type == fs.FileType.File and entry.base_name.endswith(".json")
    }
    new = [lookup for lookup, entry in objects.items() if not _is_known(visit.known.get(lookup), entry.size)]

    def read(lookup: bytes) -> bytes:
        entry = objects[lookup]
        if entry.size > LONGEST_LINE:
            return b"[]"
        with store.open_input_stream(entry.path) as stream:
            return reduced(stream.read())

    with ThreadPoolExecutor(_READERS) as readers:
        for start in range(0, len(new), _OBJECTS_AT_ONCE):
            visit.progress(f"watching {visit.place}", start, len(new))
            some = new[start : start + _OBJECTS_AT_ONCE]
            lines = list(readers.map(read, some))
            visit.hand_over(lines, [Watched(lookup, size=objects[lookup].size) for lookup in some])
    if day < visit.now.date() - LOOK_BACK:
        visit.hand_over([], [Watched(visit.lookup(f"{folder}/"))], objects)
    else:
        visit.still_there(objects)


def _is_known(known: Watched | None, size: int) -> bool:
    return known is not None and known.size == size
