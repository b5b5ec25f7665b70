"""The errors of retention: one base, and a leaf where a caller acts differently."""


class RetentionError(Exception):
    """Something about what must go is wrong; the message names the clause or the place and the next step."""


class PolicyError(RetentionError):
    """The policy contradicts itself or says what nothing can do; the message names the clause."""


class ClockError(RetentionError):
    """The clock is ahead of everything that is known: nothing is deleted until it is confirmed."""
