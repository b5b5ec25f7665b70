"""A folder or an S3 prefix by one road: what is read from and written to places outside the home.

Credentials, region and endpoint come from where AWS's own tools take them: the environment and its profiles. An address
that names a key is not taken.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs

from pipelines.bills.billing_api import is_loopback
from pipelines.errors import PipelineError
from warehouse import file_copy

ANONYMOUS = "APILEDGER_S3_ANONYMOUS"


def opened(address: str, *, writes: bool = False) -> tuple[fs.FileSystem, str]:
    """The file system and the root within it; a folder is made where `writes`.

    PipelineError where the address is neither a folder's path nor s3://bucket/prefix.
    """
    if "://" not in address:
        folder = Path(address).expanduser().absolute()
        if writes:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return fs.LocalFileSystem(), str(folder)
    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.hostname or parts.username or parts.query:
        raise PipelineError("an address outside has to be a folder or s3://bucket/prefix, without a key in it")
    return _s3(), f"{parts.netloc}{parts.path}".rstrip("/")


def _s3() -> fs.FileSystem:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    parts = urlsplit(endpoint)
    if endpoint and parts.scheme != "https" and not is_loopback(endpoint):
        raise PipelineError("AWS_ENDPOINT_URL has to be https://host (http on this machine alone)")
    return fs.S3FileSystem(
        anonymous=bool(os.environ.get(ANONYMOUS)),
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        endpoint_override=parts.netloc or None,
        scheme=parts.scheme or "https",
        connect_timeout=10,
        request_timeout=60,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
    )


def put(system: fs.FileSystem, path: str, body: bytes) -> None:
    """Write one file or object whole: a folder's reader never sees half of it."""
    if isinstance(system, fs.LocalFileSystem):
        target = Path(path)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(body)
            os.fsync(handle.fileno())
        part.replace(target)
        return
    with system.open_output_stream(path) as stream:
        stream.write(body)


@contextmanager
def writing(system: fs.FileSystem, path: str) -> Iterator[Any]:
    """A stream into one new file or object, of any size; whole once the block ends, and not there where it raises."""
    if isinstance(system, fs.LocalFileSystem):
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        part.replace(target)
        file_copy.synced(target.parent)
        return
    stream = system.open_output_stream(path)
    try:
        yield stream
    except BaseException:
        # An object is there once its stream is closed; there is no other way to give up its parts.
        stream.close()
        system.delete_file(path)
        raise
    stream.close()
