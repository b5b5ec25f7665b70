"""The errors of the pipelines: one base, and a leaf where a caller acts differently."""


class PipelineError(Exception):
    """Something that runs by itself is wrong; the message names the thing and the next step, never a value."""


class AlreadyRunningError(PipelineError):
    """The services of this home run already: talk to them instead of starting others."""


class QueryError(PipelineError):
    """A question in SQL has no answer: the person changes the question."""
