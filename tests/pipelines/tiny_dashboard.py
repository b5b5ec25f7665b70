"""A page that says its health, for the tests of what starts and stops the dashboard."""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def _health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


app = Starlette(routes=[Route("/_stcore/health", _health)])


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["APILEDGER_DASHBOARD_PORT"]), log_level="warning")
