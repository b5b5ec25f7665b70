"""What leaves as FOCUS or Parquet adds up to the marts, and is whole where it has a manifest."""

import csv
import hashlib
import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from pipelines import object_store
from pipelines.cli import cli
from pipelines.commands import export as export_command
from pipelines.errors import PipelineError
from pipelines.exports import export
from warehouse import database
from warehouse.home import Home

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


def rows(folder: Path) -> list[dict[str, str]]:
    """Every row of a FOCUS export in CSV."""
    found = []
    for path in sorted(folder.rglob("focus.csv")):
        with path.open(newline="", encoding="utf-8") as handle:
            found += list(csv.DictReader(handle))
    return found


def manifest(folder: Path) -> Any:
    """What an export says of itself."""
    return json.loads((folder / export.MANIFEST).read_text())


@pytest.fixture(scope="module")
def exported(sandbox_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's spend as FOCUS 1.2 in CSV."""
    folder = tmp_path_factory.mktemp("focus")
    export.focus(sandbox_home, str(folder), NOW)
    return folder


def test_the_export_adds_up_to_spend(exported: Path, sandbox_home: Home) -> None:
    """To the pico-dollar: row by row nothing is rounded."""
    with database.published(sandbox_home) as connection:
        ((spent, unpriced),) = connection.execute(
            "SELECT sum(cost_usd), sum(unpriced_requests) FROM mart.spend_daily"
        ).fetchall()
    assert sum((Decimal(row["BilledCost"]) for row in rows(exported)), Decimal(0)) == spent
    said = manifest(exported)
    assert Decimal(said["billed_cost_usd"]) == spent
    assert (said["rows"], said["unpriced_requests_left_out"]) == (len(rows(exported)), unpriced)


def test_what_the_validator_misses_holds(exported: Path) -> None:
    """No period without length, tags are flat JSON objects, moments say UTC, nothing is empty text in place of NULL."""
    for row in rows(exported):
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["BillingPeriodEnd"]
        assert row["ChargePeriodStart"].endswith("T00:00:00Z")
        tags = json.loads(row["Tags"])
        assert isinstance(tags, dict)
        assert all(isinstance(value, str) for value in tags.values())
        assert bool(row["ConsumedQuantity"]) == bool(row["ConsumedUnit"]) == (row["ChargeCategory"] == "Usage")


def test_every_file_is_the_one_the_manifest_names(exported: Path) -> None:
    """Hash, size and rows; a file is for its owner alone."""
    for file in manifest(exported)["files"]:
        path = exported / file["path"]
        assert (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == (file["bytes"], file["sha256"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(("version", "name"), [("1.2", "ProviderName"), ("1.4", "ServiceProviderName")])
def test_each_version_has_its_own_columns(sandbox_home: Home, tmp_path: Path, version: str, name: str) -> None:
    """1.4 renamed the provider's column; Parquet keeps money exact and moments in UTC."""
    export.focus(sandbox_home, str(tmp_path), NOW, version, "parquet")
    schema = pq.read_schema(next(tmp_path.rglob("focus.parquet")))
    assert name in schema.names
    assert str(schema.field("BilledCost").type) == "decimal128(38, 12)"
    assert str(schema.field("ChargePeriodStart").type) == "timestamp[us, tz=UTC]"


def test_a_second_export_replaces_the_first_and_leaves_strangers_alone(sandbox_home: Home, tmp_path: Path) -> None:
    """A month that is gone, or another form's file, goes; a file that somebody put there stays."""
    export.focus(sandbox_home, str(tmp_path), NOW, form="parquet")
    gone = tmp_path / "billing_period=1999-01" / "focus.csv"
    gone.parent.mkdir()
    gone.write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    export.focus(sandbox_home, str(tmp_path), NOW)
    assert not gone.exists()
    assert not list(tmp_path.rglob("focus.parquet"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_export_that_breaks_off_has_no_manifest(
    sandbox_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails in the middle leaves files, and nothing that calls them whole."""
    export.focus(sandbox_home, str(tmp_path), NOW)
    written = object_store.put
    calls: Iterator[int] = iter(range(100))

    def failing(system: Any, path: str, body: bytes) -> None:
        if next(calls) == 1:
            raise OSError("no space left")
        written(system, path, body)

    monkeypatch.setattr(object_store, "put", failing)
    with pytest.raises(export.ExportError, match="cannot be written"):
        export.focus(sandbox_home, str(tmp_path), NOW)
    assert not (tmp_path / export.MANIFEST).exists()


def test_every_mart_leaves_as_parquet(sandbox_home: Home, tmp_path: Path) -> None:
    """One file a mart, with the rows it has."""
    made = export.marts(sandbox_home, str(tmp_path), NOW)
    assert made.rows == sum(pq.read_metadata(path).num_rows for path in tmp_path.glob("*.parquet"))
    assert (tmp_path / "spend_daily.parquet").exists()


def test_no_key_of_a_restricted_account_leaves_in_anothers_bill(sandbox_home: Home) -> None:
    """Who pays for its calls is exported; the rows of its keys are not."""
    kept = "SELECT count(*) FROM mart.reconciliation_by_key WHERE key_account {} 'tandem'"
    with database.published(sandbox_home) as connection:
        ((others,),) = connection.execute(kept.format("IS DISTINCT FROM")).fetchall()
        ((its,),) = connection.execute(kept.format("=")).fetchall()
        table = connection.execute("FROM mart.reconciliation_by_key").to_arrow_table()
    assert its > 0
    left = export._without(table, ("tandem",))
    assert left.num_rows == others
    assert "tandem" not in left["key_account"].to_pylist()
    assert "own" in left["account"].to_pylist()


def test_an_s3_prefix_gets_the_same_bytes_as_a_folder(
    sandbox_home: Home, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of S3's own protocol on loopback holds what the folder holds, by the same manifest."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        system, _ = object_store.opened("s3://bucket/focus")
        requests.put(f"http://127.0.0.1:{port}/bucket", timeout=10)
        for _ in range(2):
            export.focus(sandbox_home, "s3://bucket/focus", NOW)
        for file in manifest(exported)["files"]:
            with system.open_input_stream(f"bucket/focus/{file['path']}") as stream:
                assert stream.read() == (exported / file["path"]).read_bytes()
    finally:
        server.stop()


@pytest.mark.parametrize("address", ["ftp://host/x", "s3://", "s3://key:secret@bucket/x", "https://bucket/x"])
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str) -> None:
    """An address may hold a key."""
    with pytest.raises(PipelineError) as refused:
        object_store.opened(address)
    assert "secret" not in str(refused.value)


def test_the_command_line_offers_what_there_is() -> None:
    """It names versions and formats by itself, since the module that knows them is slow to import."""
    assert tuple(export.FOCUS_VERSIONS) == export_command.FOCUS_VERSIONS
    assert export_command.FORMATS == export.FORMATS


def test_the_command_line_writes_and_says_what(sandbox_home: Home, tmp_path: Path) -> None:
    """`apiledger export focus FOLDER`."""
    done = CliRunner().invoke(cli, ["export", "focus", str(tmp_path), "--home", str(sandbox_home.root)])
    assert done.exit_code == 0, done.output
    assert "rows in" in done.output
    assert (tmp_path / export.MANIFEST).exists()
