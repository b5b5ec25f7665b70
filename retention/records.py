"""[records] of the owner's policy.toml -> which law asks for which class of financial records, and for how long.

Which laws an owner is under depends on where they are and what they are; this program does not know it and claims none.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retention import policy
from retention.errors import PolicyError
from retention.policy import Policy

_PROMISE = "VA-4.7"


class Record(BaseModel):
    """A class of financial records, by its clause, and what the owner states: a law, what it asks, for how many years.

    `law` is None where the owner states none: then none is claimed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    clause: str
    title: str
    law: str | None = Field(default=None, min_length=1, max_length=200)
    asks: str | None = Field(default=None, min_length=1, max_length=400)
    years: int | None = Field(default=None, ge=1, le=100)

    def stated(self) -> str:
        """What is stated, as a sentence."""
        if self.law is None:
            return "No law is claimed: it is the owner's to state."
        asks = "" if self.asks is None else f": {self.asks}"
        return f"{self.law}{asks}{'' if self.years is None else f', {self.years} years'}"


def load(own: Path, held: Policy) -> list[Record]:
    """Every class of financial records with what the owner states of it; PolicyError names what it cannot state."""
    said = policy.toml_of(own.read_text(encoding="utf-8"), str(own)).get("records", {}) if own.exists() else {}
    classes = {c.id: c.title for c in held.clauses if _PROMISE in c.promises and c.kind == "K"}
    if not isinstance(said, dict) or not all(isinstance(stated, dict) for stated in said.values()):
        raise PolicyError(f'{own}: write [records.K-bills], and under it law = "..."')
    if unknown := said.keys() - classes.keys():
        raise PolicyError(f"{own}: [records.{min(unknown)}] is no class of records; there are {', '.join(classes)}")
    found = []
    for clause, title in classes.items():
        stated = said.get(clause, {})
        try:
            found.append(Record.model_validate({**stated, "clause": clause, "title": title}))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise PolicyError(f"{own}: [records.{clause}]: {where}: {first['msg']}") from None
        if stated and found[-1].law is None:
            raise PolicyError(f"{own}: [records.{clause}]: name the law, too")
    return found
