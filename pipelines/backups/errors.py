"""What is wrong with a backup: nothing of a home has been touched where one of these is raised."""

from pipelines.errors import PipelineError


class BackupError(PipelineError):
    """A backup cannot be made, read or put back; the message names it and the next step."""
