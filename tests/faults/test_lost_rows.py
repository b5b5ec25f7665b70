"""Rows that were landed and are gone: nothing less is ever published, and what is said leads back to all of them."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from pipelines.errors import PipelineError
from pipelines.materialization import landed
from pipelines.materialization.landed import RowsMissingError
from pipelines.passage import run_pass
from tests.faults.gateway_logs import GATEWAYS, Truth
from tests.faults.healed import assert_healed
from tests.faults.whole_pass import NOW
from tests.templates import Templates
from warehouse import database
from warehouse.errors import WarehouseError
from warehouse.home import Home

pytestmark = pytest.mark.usefixtures("master_key")


def _pass(home: Home) -> int | None:
    return run_pass(home, NOW, lambda *_: None).version


_FIRST = Truth()


def _dropped(home: Home) -> None:
    _FIRST.drop(home.make(GATEWAYS), 1)
    assert _pass(home) == 1


@pytest.fixture
def truth(templates: Templates, home: Home) -> Truth:
    """What the home's first version holds."""
    templates.once(home, _dropped)
    return Truth(dict(_FIRST.calls))


def _assert_refused(home: Home, truth: Truth, error: type[Exception]) -> None:
    """With and without new files: nothing is published, no file leaves the inbox; then back, and all is there."""
    for batch in (None, 2):
        if batch:
            truth.drop(home, batch)
        waiting = sorted(path.name for path in home.inbox.rglob("*.jsonl*"))
        with pytest.raises(error, match="run `apiledger restore`"):
            _pass(home)
        assert sorted(path.name for path in home.inbox.rglob("*.jsonl*")) == waiting
        assert database.current_version(home) == 1
    assert landed.restore(home) == []
    assert _pass(home) == 2
    assert_healed(home, truth)


@pytest.mark.soak
def test_a_build_that_was_removed_is_not_published_as_empty(home: Home, truth: Truth) -> None:
    """The receipts say what is missing."""
    home.build_file.unlink()
    _assert_refused(home, truth, RowsMissingError)


def test_a_build_that_was_truncated_is_put_back_from_the_version(home: Home, truth: Truth) -> None:
    """A third of the file is gone; what was landed into it before that was seen is named and lands again."""
    whole = home.build_file.read_bytes()
    home.build_file.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(WarehouseError, match=r"damaged.*run `apiledger restore`"):
        _pass(home)
    truth.drop(home, 2)
    kept = {path: path.read_bytes() for path in home.inbox.rglob("*.jsonl*")}
    with pytest.raises(WarehouseError, match=r"damaged.*run `apiledger restore`"):
        _pass(home)
    assert database.current_version(home) == 1
    missing = landed.restore(home)
    for path, content in kept.items():
        path.write_bytes(content)
    assert len(missing) in {0, 7, 8}
    assert _pass(home) == 2
    assert_healed(home, truth)


@pytest.mark.soak
def test_one_row_that_is_gone_is_noticed(home: Home, truth: Truth) -> None:
    """As a rotten write-ahead log loses it: without an error of the database."""
    with database.held(home.build_lock), database.build(home) as connection:
        connection.execute("DELETE FROM raw_litellm.calls WHERE request_id = 'wide-1-7'")
        with database.control(home) as control:
            (missing,) = landed.missing_loads(connection, control)
    assert (missing.gateway, missing.signed_rows - missing.stored_rows) == ("litellm", 1)
    _assert_refused(home, truth, RowsMissingError)


@pytest.mark.soak
def test_an_old_build_in_the_place_of_the_new_one_is_noticed(home: Home, truth: Truth, tmp_path: Path) -> None:
    """A backup put back by hand lacks the loads since; the version has them."""
    shutil.copyfile(home.build_file, tmp_path / "backup")
    truth.drop(home, 3)
    assert _pass(home) == 2
    shutil.copyfile(tmp_path / "backup", home.build_file)
    with pytest.raises(RowsMissingError, match=r"8 loads"):
        _pass(home)
    assert landed.restore(home) == []
    assert _pass(home) is None
    assert_healed(home, truth)


def test_loads_that_no_version_has_are_named_and_their_files_land_again(home: Home, truth: Truth) -> None:
    """Build and newest version are lost: what the one before lacks is named, and is taken from the logs once more."""
    truth.drop(home, 4)
    kept = {path: path.read_bytes() for path in home.inbox.rglob("*.jsonl*")}
    assert _pass(home) == 2
    home.build_file.unlink()
    (home.published / "current").unlink()
    (home.published / "current").symlink_to("warehouse-1.duckdb")
    missing = landed.restore(home)
    assert len(missing) == len(kept)
    assert {load.stored_rows for load in missing} == {0}
    for path, content in kept.items():
        path.write_bytes(content)
    assert _pass(home) == 3
    assert_healed(home, truth)


def test_the_doctor_says_it_and_the_command_line_restores(home: Home, truth: Truth) -> None:
    """What a person types: doctor, restore, run."""
    home.build_file.write_bytes(home.build_file.read_bytes()[:10_000])
    asked = CliRunner()
    said = asked.invoke(cli, ["doctor", "--home", str(home.root)])
    assert f"{home.build_file} cannot be read" in said.output
    with database.published(home) as connection:
        assert connection.execute("SELECT count(*) FROM model.requests").fetchone() == (len(truth.calls),)
    home.build_file.unlink()
    with database.held(home.build_lock), database.build(home):
        pass
    said = asked.invoke(cli, ["doctor", "--home", str(home.root)])
    assert "rows of 8 loads" in said.output
    assert "apiledger restore" in said.output
    assert asked.invoke(cli, ["restore", "--home", str(home.root)]).exit_code == 0
    assert "the build" not in asked.invoke(cli, ["doctor", "--home", str(home.root)]).output
    assert _pass(home) is None
    assert_healed(home, truth)


def test_nothing_to_restore_from_is_said(home: Home) -> None:
    """A home without a version."""
    with pytest.raises(PipelineError, match="nothing is published"):
        landed.restore(home)
