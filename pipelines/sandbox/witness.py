"""GroundTruth -> what each of the company's sources tells of it: the gateway's log, spans, sessions."""

from datetime import datetime
from pathlib import Path

from pipelines.sandbox.company import AGENTS, GATEWAY
from pipelines.sandbox.gateway import write_logs
from pipelines.sandbox.ground_truth import GroundTruth
from pipelines.sandbox.sessions import write_sessions
from pipelines.sandbox.spans import SOURCE, write_spans
from warehouse.home import Home

SOURCES = (GATEWAY, SOURCE, *AGENTS)


def tell(truth: GroundTruth, home: Home, until: datetime | None = None) -> list[Path]:
    """Write what the sources tell of the calls before `until`; the inbox's files. PipelineError as `write_logs`."""
    files = [*write_logs(truth, home, until), *write_spans(truth, home, until)]
    write_sessions(truth, home, until)
    return files
