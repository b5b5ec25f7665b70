"""allocation.toml: dated rules that put spend into cost centres, read and checked as a whole.

The rule that says most wins: key, then more tags before fewer, project, team, basis, model, provider, account, in this
order. Two rules that ask for the same on the same day are an error. Rules that ask for different tags may meet in one
call; it stays unallocated under both names until a rule with both tags says whose it is.
"""

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from warehouse import labels, money
from warehouse.allocation_tables import PARTS, UNALLOCATED
from warehouse.errors import WarehouseError

FILE = "allocation.toml"
# The most particular first; tags are counted between key and project.
CONDITIONS = ("key", "project", "team", "basis", "model", "provider", "account")
_MOST_TAGS = 15
_WHOLE = Decimal(100)
_MODEL = re.compile(labels.MODEL)


def _literal(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('write a share in quotes, such as "33.3": a bare number passes through floating point')  # noqa: TRY004 pydantic turns only ValueError into its report
    return value


Percent = Annotated[Decimal, BeforeValidator(_literal), Field(gt=0, le=100, decimal_places=10, allow_inf_nan=False)]


class Rule(BaseModel):
    """One rule: which spend, on which UTC days, goes where. A condition left out fits everything.

    `until` is the first day it no longer holds. Exactly one of `cost_centre`, `shares` (percent, adding up to 100) and
    `by_use` (shared as the directly allocated cost of that day or month) says where to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str
    key: str | None = None
    tags: tuple[str, ...] = Field(default=(), max_length=_MOST_TAGS)
    project: str | None = None
    team: str | None = None
    basis: str | None = None
    model: str | None = None
    provider: str | None = None
    account: str | None = None
    since: date | None = Field(default=None, alias="from")
    until: date | None = None
    cost_centre: str | None = None
    shares: dict[str, Percent] = Field(default_factory=dict)
    by_use: Literal["day", "month"] | None = None

    @field_validator("name", "key", "project", "team", "basis", "provider", "account", "cost_centre")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if value is not None and not labels.is_label(value):
            raise ValueError("this is no label: at most 64 letters, digits, blanks and ./:-")
        return value

    @field_validator("model")
    @classmethod
    def _of_a_model(cls, value: str | None) -> str | None:
        if value is not None and (not _MODEL.fullmatch(value) or labels.is_telling(value)):
            raise ValueError("this is no name of a model")
        return value

    @field_validator("tags")
    @classmethod
    def _sorted(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(labels.is_label(tag) for tag in value):
            raise ValueError("a tag here is no label: at most 64 letters, digits, blanks and ./:-")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _holds_together(self) -> "Rule":
        if sum(map(bool, (self.cost_centre, self.shares, self.by_use))) != 1:
            raise ValueError("say where to once: cost_centre, shares or by_use")
        if self.since and self.until and self.until <= self.since:
            raise ValueError("until is the first day it no longer holds: give one after from, or leave it out")
        centres = [self.cost_centre] if self.cost_centre else list(self.shares)
        if UNALLOCATED in centres:
            raise ValueError(f"{UNALLOCATED} is what no rule claims: name a cost centre")
        if not all(centre == self.cost_centre or labels.is_label(centre) for centre in centres):
            raise ValueError("a cost centre here is no label: at most 64 letters, digits, blanks and ./:-")
        if self.shares:
            with localcontext(money.CONTEXT):
                whole = sum(self.shares.values(), Decimal(0))
            if whole != _WHOLE:
                raise ValueError(f"the shares add up to {whole}, not to 100")
        return self

    @property
    def rank(self) -> int:
        """How particular it is, as one number: the condition named first outweighs all that follow it."""
        asked = [getattr(self, condition) is not None for condition in CONDITIONS]
        rank = 16 * asked[0] + len(self.tags)
        for each in asked[1:]:
            rank = 2 * rank + each
        return rank

    @property
    def split(self) -> str | None:
        """How it splits what it takes: day, month, fixed; None where one cost centre takes all."""
        return self.by_use or ("fixed" if self.shares else None)

    def row(self) -> tuple[object, ...]:
        """The rule as a row of model.allocation_rule."""
        asked = (self.account, self.project, self.team, self.key, self.provider, self.model, self.basis)
        return (self.name, self.rank, *asked, list(self.tags), self.since, self.until, self.cost_centre, self.split)

    def share_rows(self) -> list[tuple[str, str, int]]:
        """Its fixed shares as rows of model.allocation_share."""
        return [(self.name, centre, int(percent * PARTS / _WHOLE)) for centre, percent in sorted(self.shares.items())]

    @property
    def told_asked(self) -> str:
        """What it asks for, in one line."""
        asked = [(what, getattr(self, what)) for what in CONDITIONS] + [("tag", tag) for tag in self.tags]
        return ", ".join(f"{what} {value}" for what, value in asked if value) or "everything else"

    @property
    def told_where(self) -> str:
        """Where it puts what it takes, in one line."""
        if self.by_use:
            return f"shared by use of the {self.by_use}"
        return self.cost_centre or ", ".join(f"{who} {share:f} %" for who, share in self.shares.items())

    @property
    def told_when(self) -> str:
        """From when until when it holds; nothing where it always does."""
        return "".join(f", {word} {day}" for word, day in (("from", self.since), ("until", self.until)) if day)

    def toml(self) -> str:
        """The rule as it stands in the file."""
        said: list[tuple[str, object]] = [("name", self.name)]
        said += [(each, getattr(self, each)) for each in ("key", "project", "team", "basis", "model", "provider")]
        said += [("account", self.account), ("cost_centre", self.cost_centre), ("by_use", self.by_use)]
        lines = ["[[rule]]", *(f'{name} = "{value}"' for name, value in said if value)]
        lines += [f"{name} = {value}" for name, value in (("from", self.since), ("until", self.until)) if value]
        if self.tags:
            lines.append("tags = [" + ", ".join(f'"{tag}"' for tag in self.tags) + "]")
        if self.shares:
            lines.append(
                "shares = { " + ", ".join(f'"{who}" = "{share:f}"' for who, share in self.shares.items()) + " }"
            )
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Rules:
    """All rules of a home, none of which contradicts another."""

    rules: tuple[Rule, ...] = ()

    @staticmethod
    def read(root: Path) -> "Rules":
        """The rules of a home; none where there is no file. WarehouseError names the file, the rule and the fix."""
        path = root / FILE
        if not path.exists():
            return Rules()
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WarehouseError(f"{FILE} is no TOML: {error}; mend that line") from error
        given = raw.get("rule", [])
        if set(raw) - {"rule"} or not isinstance(given, list):
            raise WarehouseError(f"{FILE} is a list of [[rule]] tables and nothing else")
        return Rules.of([made(each, f"{FILE}: [[rule]] number {place}") for place, each in enumerate(given, 1)])

    @staticmethod
    def of(rules: Sequence[Rule]) -> "Rules":
        """These rules together; WarehouseError names the two that contradict each other."""
        for one, other in combinations(rules, 2):
            if one.name == other.name:
                raise WarehouseError(f"{FILE}: two rules are called {one.name!r}; a name stands for one rule")
            if _meet(one, other):
                raise WarehouseError(
                    f"{FILE}: {one.name!r} and {other.name!r} ask for the same spend on the same days; "
                    "end one with `until`, or let one ask for more"
                )
        return Rules(tuple(rules))

    @property
    def tags(self) -> list[str]:
        """Every tag that a rule asks for."""
        return sorted({tag for rule in self.rules for tag in rule.tags})

    @property
    def cost_centres(self) -> list[str]:
        """Every cost centre that a rule names."""
        named = {rule.cost_centre for rule in self.rules if rule.cost_centre}
        return sorted(named.union(*(rule.shares for rule in self.rules)))

    def write(self, root: Path) -> None:
        """Put the rules in the place of those of the home: a whole file or the one before, for its owner alone."""
        working = root / f".{FILE}.part"
        working.unlink(missing_ok=True)
        descriptor = os.open(working, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write("\n".join(rule.toml() for rule in self.rules))
            handle.flush()
            os.fsync(handle.fileno())
        working.replace(root / FILE)


def made(given: object, where: str) -> Rule:
    """A rule from a table of the file or from options; WarehouseError says what is wrong with which field."""
    try:
        return Rule.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(_told(fault["loc"], fault["msg"]) for fault in error.errors(include_input=False))
        name: Any = given.get("name") if isinstance(given, dict) else None
        called = f" ({name})" if isinstance(name, str) and labels.is_label(name) else ""
        raise WarehouseError(f"{where}{called}: {faults}") from None


def _told(where: tuple[int | str, ...], what: str) -> str:
    field = str(where[0]) if where else ""
    return f"{field}: {what}" if field else what.removeprefix("Value error, ")


def _meet(one: Rule, other: Rule) -> bool:
    """Whether two rules ask for the very same on a common day; what asks for more is no contradiction."""
    if one.tags != other.tags or any(getattr(one, each) != getattr(other, each) for each in CONDITIONS):
        return False
    starts = max(one.since or date.min, other.since or date.min)
    return starts < min(one.until or date.max, other.until or date.max)
