"""`/healthz`: whether this apiledger is well, in one word and without a figure, for whoever restarts or replaces it.

Well is: a version is published and can be read, and passes go on: the last one that ended well is no older than they
are due.
"""

from datetime import datetime
from typing import NamedTuple

import duckdb
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.api import problem
from dashboards.api.endpoints import Machine
from dashboards.figures import frame_figures
from dashboards.figures.frame_figures import Published
from warehouse import database
from warehouse.control import pass_end
from warehouse.control.pass_end import PassEnd
from warehouse.errors import WarehouseError
from warehouse.home import Home


class Health(NamedTuple):
    """The version that can be read, None where none can; and how the last pass ended, None before the first."""

    published: Published | None
    last_pass: PassEnd | None

    def is_well(self, now: datetime) -> bool:
        """Whether figures can be read and passes go on; `now` is naive UTC.

        A home that never made a pass since it was published has as long as a pass may take to come.
        """
        if self.published is None:
            return False
        good = self.last_pass.good_at if self.last_pass else None
        return now - (good or self.published.as_of) <= pass_end.LATE_AFTER


def look(home: Home) -> Health:
    """How a home is, without changing it."""
    try:
        with database.published(home) as connection:
            published = frame_figures.published(connection)
    except (WarehouseError, duckdb.Error):
        published = None
    if not home.control_file.exists():
        return Health(published, None)
    with database.control(home) as control:
        return Health(published, pass_end.last(control))


def _health(_: Request) -> Response:
    try:
        is_well = look(Home.own()).is_well(session.now())
    except (WarehouseError, database.ControlError):
        is_well = False
    told = {"status": "ok" if is_well else "not ok"}
    return JSONResponse(told, 200 if is_well else 503, headers=problem.HEADERS)


ROUTES = [Route("/healthz", Machine(_health))]
