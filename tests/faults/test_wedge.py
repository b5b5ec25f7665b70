"""dlt's wedge: a package that says it is completed and was not put away makes every later run of dlt fail for good."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dlt
import duckdb
import pytest
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.passage import run_pass
from tests.faults.gateway_logs import GATEWAYS, Truth
from tests.faults.healed import assert_healed
from tests.faults.whole_pass import NOW
from warehouse.home import Home

# A pipeline of the same name, folder and destination as ours, left to itself: killed before its last rename, the one
# that puts the completed package away.
_WEDGED = """
import os, signal, sys
import dlt, duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

def step(event, arguments):
    # The package goes from load/normalized to load/loaded once it says it is completed.
    if event == "os.rename" and "loaded" in os.fsdecode(arguments[1]) and "normalized" in os.fsdecode(arguments[0]):
        if os.path.exists(os.path.join(os.fsdecode(arguments[0]), "package_completed.json")):
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(step)
connection = duckdb.connect(sys.argv[2])
pipeline = dlt.pipeline(pipeline_name="gateway_jsonl", pipelines_dir=sys.argv[1],
    destination=dlt.destinations.duckdb(DuckDbCredentials(connection)), dataset_name="raw_wedged")
pipeline.run([{"n": 1}], table_name="calls")
"""


def _wedge(folder: Path, database: Path) -> None:
    environment = {**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    child = subprocess.run([sys.executable, "-c", _WEDGED, folder, database], env=environment, check=False)
    assert child.returncode == -9, "no package was completed"


def _run_dlt(folder: Path, database: Path) -> None:
    with duckdb.connect(str(database)) as connection:
        pipeline = dlt.pipeline(
            pipeline_name="gateway_jsonl",
            pipelines_dir=str(folder),
            destination=dlt.destinations.duckdb(DuckDbCredentials(connection)),
            dataset_name="raw_wedged",
        )
        pipeline.run([{"n": 2}], table_name="calls")


@pytest.mark.usefixtures("master_key")
def test_a_wedged_package_of_dlt_does_not_stop_the_next_pass(home: Home, tmp_path: Path) -> None:
    """The wedge is real: dlt by itself is stuck on the folder that our pass goes on from."""
    folder = tmp_path / "wedged"
    _wedge(folder, tmp_path / "wedged.duckdb")
    shutil.copytree(folder, tmp_path / "tried")
    for _ in range(2):
        with pytest.raises(PipelineStepFailed, match=r"(?i)already.?completed"):
            _run_dlt(tmp_path / "tried", tmp_path / "wedged.duckdb")
    shutil.copytree(folder, home.make(GATEWAYS).dlt / "gateway_jsonl")
    truth = Truth()
    truth.drop(home, 1)
    run_pass(home, NOW, lambda *_: None)
    assert_healed(home, truth)
