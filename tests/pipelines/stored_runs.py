"""Jobs of Dagster as they run in a home: in a process of their own, under the instance that the home stores."""

import os
import subprocess
import sys

from warehouse.home import PROJECT, Home

_RUN = """
import sys
import dagster as dg
from pipelines.definitions import defs
with dg.DagsterInstance.get() as instance:
    job = defs.resolve_job_def(sys.argv[1])
    done = job.execute_in_process(instance=instance, raise_on_error=False)
    assert instance.get_run_by_id(done.run_id).is_finished
sys.exit(0 if done.success else 7)
"""


def run_job(home: Home, job: str) -> bool:
    """Run a job once, whatever comes of it; whether it succeeded. What it prints is kept as a service's output is."""
    link, output = home.dagster / "dagster.yaml", home.dagster / "output"
    output.mkdir(mode=0o700, exist_ok=True)
    if not link.exists():
        link.symlink_to(PROJECT / "dagster.yaml")
    environment = os.environ | {
        "APILEDGER_HOME": str(home.root),
        "DAGSTER_HOME": str(home.dagster),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    with (output / "code.log").open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-c", _RUN, job], cwd=PROJECT, env=environment, stdout=log, stderr=log, check=False
        )
    assert done.returncode in {0, 7}, (output / "code.log").read_text(encoding="utf-8")[-2000:]
    return done.returncode == 0
