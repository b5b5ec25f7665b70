"""What a query of a program may say, declared once: the reading of it and its place in the OpenAPI document.

A page's address falls back to what makes sense; a program is told instead, before it counts on something else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from dashboards.api.problem import Problem
from warehouse.control.token import PREFIX

Kind = Literal["day", "one_of", "some_of", "names", "text", "count"]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNT = re.compile(r"[0-9]{1,9}")
# What is no name of ours may be anything, a token too: it is not repeated.
_NAME = re.compile(r"[a-z_]{1,30}")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query: `choices` of one_of and some_of, `least` and `most` of a count, a text or names."""

    name: str
    kind: Kind
    meaning: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    usual: object = None

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        schemas: dict[Kind, dict[str, Any]] = {
            "day": {"type": "string", "format": "date"},
            "one_of": {"type": "string", "enum": list(self.choices)},
            "some_of": {"type": "array", "items": {"type": "string", "enum": list(self.choices)}},
            "names": {"type": "array", "items": {"type": "string"}, "maxItems": self.most},
            "text": {"type": "string", "maxLength": self.most},
            "count": {"type": "integer", "minimum": self.least, "maximum": self.most},
        }
        told = schemas[self.kind]
        usual = list(self.usual) if isinstance(self.usual, tuple) else self.usual
        return told if usual is None else {**told, "default": usual}

    def document(self) -> dict[str, Any]:
        """Its OpenAPI parameter object."""
        told = {"name": self.name, "in": "query", "description": self.meaning, "schema": self.schema()}
        # Names may hold commas, choices do not.
        return told | ({"style": "form", "explode": self.kind == "names"} if self.kind in {"names", "some_of"} else {})

    def read(self, values: Sequence[str]) -> Any:
        """What was said, None where nothing was; a Problem where that is none of what may be."""
        if not values:
            return None
        if self.kind == "names":
            if len(values) > self.most:
                raise self.wrong(f"has more than {self.most} values", "ask for fewer names at once")
            return tuple(dict.fromkeys(values))
        if self.kind == "some_of":
            named = [one for value in values for one in value.split(",") if value]
            if not {*named} <= {*self.choices}:
                raise self.wrong("holds something unknown", f"take any of: {', '.join(self.choices)}")
            return tuple(dict.fromkeys(named))
        if len(values) > 1:
            raise self.wrong("is there more than once", "say it once")
        return self._one(values[0])

    def _one(self, value: str) -> Any:
        if self.kind == "day":
            try:
                return date.fromisoformat(value if _DAY.fullmatch(value) else "")
            except ValueError:
                raise self.wrong("is no day", "write it as YYYY-MM-DD, such as 2026-11-01") from None
        if self.kind == "one_of" and value not in self.choices:
            raise self.wrong("is something unknown", f"take one of: {', '.join(self.choices)}")
        if self.kind == "text" and len(value) > self.most:
            raise self.wrong("is too long", f"search for at most {self.most} characters")
        if self.kind == "count":
            if not _COUNT.fullmatch(value) or not self.least <= int(value) <= self.most:
                raise self.wrong("is no such number", f"take a whole number from {self.least} to {self.most}")
            return int(value)
        return value

    def wrong(self, what: str, next_step: str, status: int = 400) -> Problem:
        """The problem with this parameter."""
        return Problem(status, f"{self.name} {what}", next_step, self.name)


def read(parameters: Sequence[Parameter], query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Every parameter's value, its usual one where it is not said; a Problem for what is unknown or cannot be."""
    known: Mapping[str, Parameter] = {one.name: one for one in parameters}
    said: dict[str, list[str]] = {}
    for name, value in query:
        if name not in known:
            shown = name if _NAME.fullmatch(name) and not name.startswith(PREFIX) else "that name"
            raise Problem(400, f"there is no parameter {shown}", f"take any of: {', '.join(known)}", shown)
        said.setdefault(name, []).append(value)
    found = {name: one.read(said.get(name, ())) for name, one in known.items()}
    return {name: known[name].usual if value is None else value for name, value in found.items()}
