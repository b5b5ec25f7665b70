"""A code location of one job, for the tests of what stands around Dagster."""

import time

import dagster as dg


@dg.op(config_schema={"seconds": dg.Field(int, default_value=0)})
def wait(context: dg.OpExecutionContext) -> None:
    """Wait as long as the run's configuration says."""
    time.sleep(context.op_config["seconds"])


@dg.job(executor_def=dg.in_process_executor)
def tiny() -> None:
    """One op that waits."""
    wait()


defs = dg.Definitions(jobs=[tiny])
