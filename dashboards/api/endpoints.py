"""The routes of programs: `GET /api/...` with a token, each an answer of one published version, or a problem.

Nothing here is remembered between requests: who asks, what they may see and which version is newest is looked at each
time. At most a few are answered at once, so that programs leave people their pages.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dashboards.api import api_document, bearer, parameter, problem, representation, resources
from dashboards.api.bearer import Caller
from dashboards.api.problem import Problem
from dashboards.api.representation import MEDIA_TYPES
from dashboards.api.resource import Asking, Resource
from dashboards.figures import frame_figures, zone_figures
from dashboards.figures.frame_figures import Published
from dashboards.states import incident
from warehouse import database, withholding
from warehouse.errors import WarehouseError
from warehouse.home import Home

FOLDER = "/api/"
_METHODS = ("GET", "HEAD")
_AT_ONCE = CapacityLimiter(4)
_RETRY_AFTER_S = 30
# An answer may be asked for again and compared; who else asks never gets it.
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class Machine:
    """A route that programs ask: GET and HEAD alone, and whatever goes wrong is a problem in JSON."""

    answer: Callable[[Request], Response]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, in a thread of the few that are kept for it."""
        response = await to_thread.run_sync(partial(self._answered, Request(scope, receive)), limiter=_AT_ONCE)
        await response(scope, receive, send)

    def _answered(self, request: Request) -> Response:
        try:
            return _only_read(request) or self.answer(request)
        except Problem as found:
            return found.response()
        except WarehouseError:
            # Nothing is published yet, or somebody is being erased: either is over soon.
            return _later().response()
        except Exception as error:  # noqa: BLE001 - what nobody thought of is answered with its number alone
            said = f"something went wrong here: incident {incident(error)}"
            return Problem(500, said, "tell whoever runs this apiledger the number; its log has it").response()


def _only_read(request: Request) -> Response | None:
    if request.method in _METHODS:
        return None
    allowed = ", ".join(_METHODS)
    return Problem(405, "this is only read", f"use one of: {allowed}", headers={"Allow": allowed}).response()


def _later() -> Problem:
    again = {"Retry-After": str(_RETRY_AFTER_S)}
    return Problem(503, "no version can be read now", f"ask again in {_RETRY_AFTER_S} s", headers=again)


def answer(resource: Resource, request: Request) -> Response:
    """A resource's answer to a request: 200 with its rows, or 304 where who asks has them already."""
    caller = bearer.caller(request)
    said = parameter.read(resource.parameters, request.query_params.multi_items())
    form = representation.chosen(said["format"], request.headers.get("accept", ""))
    home, now = Home.own(), datetime.now(UTC)
    with database.published(home) as connection:
        published = frame_figures.published(connection)
        if published is None:
            raise _later()
        if said["version"] not in {None, published.version}:
            step = "ask from the first page again, without version"
            raise Problem(409, f"version {published.version} is out by now", step, "version")
        zones = zone_figures.in_use(connection, caller.viewer, None)
        asking = Asking(connection, caller.viewer, home, now.date(), zones.today(now), zones, said)
        tag = _tag(resource, caller, asking, published, form)
        if _has(request, tag):
            return Response(None, 304, {**_HEADERS, "ETag": tag})
        table = resource.answer(asking)
    # Whoever began to be erased meanwhile is in no answer.
    withholding.hold(home)
    rest = table if resource.cuts else table.slice(asking.offset, asking.limit + 1)
    following = _following(resource, request, asking, published) if rest.num_rows > asking.limit else None
    return _told(resource, form, rest.slice(0, asking.limit), following, published, tag)


def _told(
    resource: Resource, form: str, table: pa.Table, following: str | None, published: Published, tag: str
) -> Response:
    about: dict[str, Any] = {
        "version": published.version,
        "as_of": representation.value_of(published.as_of),
        "home": published.home,
        "next": following,
    }
    headers = {**_HEADERS, "ETag": tag, "Apiledger-Version": str(published.version)}
    if following is not None:
        headers["Link"] = f'<{following}>; rel="next"'
    if form != "json":
        headers["Content-Disposition"] = f'attachment; filename="{resource.name}.{form}"'
    kind = "text/csv; charset=utf-8; header=present" if form == "csv" else MEDIA_TYPES[form]
    response = Response(representation.written(form, table, about), 200, headers)
    response.headers["Content-Type"] = kind
    return response


def _tag(resource: Resource, caller: Caller, asking: Asking, published: Published, form: str) -> str:
    """What an answer is a function of, as one word: the same word is the same answer."""
    state = resource.state(asking.home, caller.viewer) if resource.state else ""
    parts = (api_document.VERSION, resource.path, form, published, caller.viewer, asking.zones)
    days = (asking.today, asking.utc_today)
    told = repr((*parts, days, sorted(asking.said.items()), state))
    return f'"{published.version}-{hashlib.sha256(told.encode()).hexdigest()[:24]}"'


def _has(request: Request, tag: str) -> bool:
    asked = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return tag in asked or "*" in asked


def _following(resource: Resource, request: Request, asking: Asking, published: Published) -> str:
    """The address of the next rows, of the same version."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"offset", "version"}]
    more = [("offset", str(asking.offset + asking.limit)), ("version", str(published.version))]
    return f"{resource.path}?{urlencode([*kept, *more])}"


def _document(_: Request) -> Response:
    """The document: open to all, since it tells of nobody and of nothing that is kept."""
    text = json.dumps(api_document.document(), ensure_ascii=False)
    return Response(text, headers={**problem.HEADERS, "Cache-Control": "no-cache"}, media_type=MEDIA_TYPES["json"])


def _missing(request: Request) -> Response:
    bearer.caller(request)
    raise Problem(404, "there is no such resource", f"{api_document.PATH} lists what there is")


ROUTES = [
    *(Route(one.path, Machine(partial(answer, one))) for one in resources.RESOURCES),
    Route(api_document.PATH, Machine(_document)),
    Route("/api/{path:path}", Machine(_missing)),
]
