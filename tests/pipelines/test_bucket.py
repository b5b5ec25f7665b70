"""Bills in a bucket are read in place, over S3's own protocol."""

import gzip
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from pipelines.errors import ProviderError
from tests.pipelines.bill_folder import Folder, as_csv, row
from warehouse.home import Home


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket `bills` on loopback, and the settings that lead there."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}"),
        ("AWS_ACCESS_KEY_ID", "made-up"),
        ("AWS_SECRET_ACCESS_KEY", "made-up"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("APILEDGER_FOCUS", "s3://bills/exports"),
    ):
        monkeypatch.setenv(name, value)
    # The stand-in keeps its buckets as long as its process lives.
    requests.post(f"http://127.0.0.1:{port}/moto-api/reset", timeout=5)
    client = boto3.client("s3")
    client.create_bucket(Bucket="bills", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    server.stop()


@pytest.fixture
def inbox(home: Home, master_key: str) -> Folder:
    """An empty home."""
    assert master_key
    return Folder(home)


def put(bucket: Any, name: str, content: bytes) -> None:
    """Write an object."""
    bucket.put_object(Bucket="bills", Key=name, Body=content)


def test_a_prefix_is_read_and_left_as_it_is(inbox: Folder, bucket: Any) -> None:
    """What lies below the prefix is the bill; other prefixes are not looked at, and a new object is read."""
    put(bucket, "exports/data/BILLING_PERIOD=2026-10/part-1.csv.gz", gzip.compress(as_csv([row(1, "1"), row(2, "2")])))
    put(bucket, "exports/data/BILLING_PERIOD=2026-10/part-2.csv", as_csv([row(2, "0.25")]))
    put(bucket, "exports/metadata/manifest.txt", b"{}")
    put(bucket, "exports-of-others/x.csv", as_csv([row(1, "1000")]))
    assert inbox.pull().notes == []
    assert inbox.days() == {"2026-10-01": Decimal(1), "2026-10-02": Decimal("2.25")}
    assert inbox.pull().days == 0
    put(bucket, "exports/data/BILLING_PERIOD=2026-10/part-2.csv", as_csv([row(2, "0.5"), row(3, "3")]))
    inbox.pull()
    assert inbox.billed() == Decimal("6.5")
    assert bucket.list_objects_v2(Bucket="bills")["KeyCount"] == 4


def test_a_bucket_that_cannot_be_listed_stores_nothing(
    inbox: Folder, monkeypatch: pytest.MonkeyPatch, bucket: Any
) -> None:
    """A bucket that is not there is an error that names it, and repeats no key."""
    assert bucket
    monkeypatch.setenv("APILEDGER_FOCUS", "s3://bills-of-nobody/exports")
    with pytest.raises(ProviderError, match="s3://bills-of-nobody/exports cannot be listed") as caught:
        inbox.pull()
    assert "made-up" not in str(caught.value)


def test_plain_http_to_elsewhere_is_refused(inbox: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bills and keys go over http to this machine alone."""
    monkeypatch.setenv("APILEDGER_FOCUS", "s3://bills/exports")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.example.test")
    with pytest.raises(ProviderError, match="https"):
        inbox.pull()
