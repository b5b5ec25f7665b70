"""The errors of the pipelines: one base, and a leaf where a caller acts differently."""


class PipelineError(Exception):
    """Something that runs by itself is wrong; the message names the thing and the next step, never a value."""


class AlreadyRunningError(PipelineError):
    """The services of this home run already: talk to them instead of starting others."""


class QueryError(PipelineError):
    """A question in SQL has no answer: the person changes the question."""


class ProviderError(PipelineError):
    """A provider's API gave no usable answer within its tries: the connection is skipped until the next pull."""


class KeyRefusedError(ProviderError):
    """A provider refused the key (401, 403): asking again is no use until the key is another one."""


class PathRefusedError(KeyRefusedError):
    """A provider knows the key and does not let it read this (403): what else it may read still lands."""


class UnknownRequestError(ProviderError):
    """A provider does not know such a request (400, 404): there may be another dialect that it knows."""


class PriceFetchError(PipelineError):
    """Published prices could not be fetched; what is known stays."""


class PlaceError(PipelineError):
    """A log that is watched where it lies cannot be read: it is skipped until the next pass, and the others go on."""


class GaveWayError(PipelineError):
    """Somebody waits to be erased: what was begun is let go with its locks, and taken up again after the erasure."""
