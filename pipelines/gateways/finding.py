"""What `apiledger doctor` finds: something that is not as it should be, and the next step."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, and what to do. A `warning` harms nothing yet."""

    what: str
    next_step: str
    warning: bool = False
