"""`python -m tests.pipelines.defined STEP...`: what Dagster does by the real definitions, in APILEDGER_HOME.

Each step prints one line of JSON; runs are stored in the home, as the services store them.
"""

import json
import sys
from typing import Any

import dagster as dg

from pipelines import definitions
from tests.pipelines.gateway_log import line, put
from warehouse import database


def _ticked(instance: dg.DagsterInstance, name: str) -> str:
    """What a sensor or schedule answers now: "run", or why not."""
    if isinstance(found := getattr(definitions, name), dg.SensorDefinition):
        with dg.build_sensor_context(instance=instance) as context:
            answer = found.evaluate_tick(context)
    else:
        with dg.build_schedule_context(instance=instance) as context:
            answer = found.evaluate_tick(context)
    return "run" if answer.run_requests else answer.skip_message or ""


def _run(instance: dg.DagsterInstance, name: str) -> dict[str, Any]:
    job = definitions.defs.resolve_job_def(name)
    done = job.execute_in_process(instance=instance, raise_on_error=False)
    return {
        "success": done.success,
        "unmet": sorted(each.check_name for each in done.get_asset_check_evaluations() if not each.passed),
        "checks": len(done.get_asset_check_evaluations()),
        "days": [
            each.metadata["days"].value
            for each in done.get_asset_check_evaluations()
            if each.check_name == "model_expectations"
        ],
        "version": database.current_version(definitions.HOME),
    }


def _begun(instance: dg.DagsterInstance, name: str) -> None:
    """A run of the job that another process has begun."""
    instance.create_run_for_job(definitions.defs.resolve_job_def(name), status=dg.DagsterRunStatus.STARTED)


def main() -> None:
    """Do the steps in order: `tick:inbox`, `run:a_pass`, `begun:a_pass`, `sql:UPDATE …`, `call:id@moment`."""
    folder = str(definitions.HOME.dagster)
    with dg.DagsterInstance.local_temp(folder, overrides={"telemetry": {"enabled": False}}) as instance:
        for asked in sys.argv[1:]:
            step, _, name = asked.partition(":")
            if step == "sql":
                home = definitions.HOME
                with database.held(home.build_lock), database.build(home) as build:
                    build.execute(name)
                continue
            if step == "begun":
                _begun(instance, name)
                continue
            if step == "call":
                number, _, moment = name.partition("@")
                put(definitions.HOME, f"{number}.jsonl", [line(request_id=number, ts=moment)])
                continue
            told = {"tick": _ticked, "run": _run}[step](instance, name)
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
