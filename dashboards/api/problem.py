"""What a program is told that gets no figures: a problem in JSON (RFC 9457) with the parameter and the next step."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - it is answered, with a name that RFC 9457 gave it
    """Why there are no figures: the status, what is wrong and what to do; `parameter` names the query's own."""

    status: int
    detail: str
    next_step: str
    parameter: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        """The members of the JSON object."""
        told: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "next_step": self.next_step,
        }
        return told | ({} if self.parameter is None else {"parameter": self.parameter})

    def response(self) -> Response:
        """The answer; nothing on the way keeps it."""
        text = json.dumps(self.body(), ensure_ascii=False)
        return Response(text, self.status, {**HEADERS, **self.headers}, MEDIA_TYPE)


def schema() -> dict[str, object]:
    """The JSON Schema of a problem, for the document."""
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "RFC 9457: what is wrong, and what to do.",
        "required": ["type", "title", "status", "detail", "next_step"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "next_step": text,
            "parameter": {"type": "string", "description": "The parameter of the query that is meant."},
        },
        "additionalProperties": False,
    }
