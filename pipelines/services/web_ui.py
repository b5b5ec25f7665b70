"""Dagster's web UI behind a check of Host, Origin and method: a page of another site can neither start nor read runs.

Dagster's open-source UI has no login, answers to any Host and runs a mutation sent by GET, so any web page the operator
opens could start runs on 127.0.0.1 (https://github.com/dagster-io/dagster/issues/2219). Whoever may reach the port may
still use it: it listens on the loopback only, and a script without a browser's headers keeps working.
"""

import os
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import click
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from dagster import DagsterInstance

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# Names a person's own reverse proxy answers to, such as "ledger.example.org ledger.example.org:8443".
EXTRA_HOSTS_ENV = "APILEDGER_WEB_UI_HOSTS"
_METHODS = frozenset({"GET", "HEAD", "POST"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_DOWNLOADS = ("/download_debug/", "/logs/", "/notebook", "/dagit/notebook")
# X-Frame-Options is for browsers that send no Sec-Fetch-Dest: no page may lay the UI under another page's buttons.
_PAGE_HEADERS = {
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def allowed_hosts(port: int, extra: Iterable[str] = ()) -> frozenset[str]:
    """Return the Host values the UI answers to: the loopback names with `port`, and `extra` as they stand."""
    names = {f"{name}:{port}" for name in LOOPBACK_NAMES}
    # A browser leaves the port out where it is HTTP's own.
    return frozenset({*names, *(LOOPBACK_NAMES if port == 80 else ()), *(host.lower() for host in extra)})


class Guard:
    """An ASGI app that hands on to `app` what comes from our own pages or from no browser, and refuses the rest."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], extra: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = hosts
        # Only a person's own proxy speaks TLS; nothing on the loopback does.
        self._origins = frozenset(f"http://{host}" for host in hosts) | {f"https://{host.lower()}" for host in extra}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection: 403 with the reason, or Dagster's own answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        reason = self.refusal(scope)
        if reason is None:
            await self._app(scope, receive, _with_page_headers(send))
        elif scope["type"] == "websocket":
            # Closing before accepting is how ASGI says 403 to a handshake.
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, send)

    def refusal(self, scope: Scope) -> str | None:
        """Why the connection is refused, in words without any value of it; None where it may pass."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return f"this Host is not served here; a proxy's name belongs into {EXTRA_HOSTS_ENV}"
        if any(origin.lower() not in self._origins for origin in origins):
            return "the Origin is another page's"
        if not origins and _from_browser(headers) and not _own_load(scope, headers):
            return "another site's page asked for this"
        return None if scope["type"] == "websocket" else _method_refusal(scope, headers)


def _from_browser(headers: Headers) -> bool:
    return any(name.startswith("sec-fetch-") for name in headers)


def _own_load(scope: Scope, headers: Headers) -> bool:
    """Whether a browser's request without Origin is our page's own GET, or a person going to a page."""
    if scope["type"] != "http" or scope["method"] not in _SAFE_METHODS:
        return False
    site = headers.get("sec-fetch-site")
    to_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return site in {"same-origin", "none"} or (to_page and not scope["path"].startswith(_DOWNLOADS))


def _method_refusal(scope: Scope, headers: Headers) -> str | None:
    method = scope["method"]
    if method not in _METHODS:
        return "only GET, HEAD and POST are served"
    if method in _SAFE_METHODS:
        # Dagster carries out a mutation that comes in the address; the interactive page takes its query from there too.
        at_graphql = scope["path"].rstrip("/").endswith("/graphql")
        return "a GraphQL query in an address is not served: POST it" if at_graphql and scope["query_string"] else None
    # A form can send text/plain; Dagster itself looks for the word anywhere in the header.
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return None if content_type == "application/json" else "a POST has to be application/json"


def _with_page_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_PAGE_HEADERS)
        await send(message)

    return send_with_headers


def end_abandoned_runs(instance: "DagsterInstance", before: datetime) -> int:
    """Mark the runs made before a moment (UTC) that are still under way as failed, so that none blocks; how many."""
    from dagster import DagsterRunStatus, RunsFilter

    status = DagsterRunStatus
    under_way = [status.QUEUED, status.NOT_STARTED, status.STARTING, status.STARTED, status.CANCELING]
    runs = instance.get_runs(RunsFilter(statuses=under_way, created_before=before))
    for run in runs:
        instance.report_run_failed(run, "The services were stopped while this run was under way; the next one resumes.")
    return len(runs)


@click.command()
@click.option("--workspace", required=True, help="The workspace.yaml that names the code server.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True)
@click.option(
    "--end-runs-before", help="A moment (ISO 8601, UTC) before which nothing ran: runs a stop or a crash broke off end."
)
def main(workspace: str, host: str, port: int, end_runs_before: str | None) -> None:
    """Serve Dagster's web UI behind the guard."""
    import uvicorn
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    extra = os.environ.get(EXTRA_HOSTS_ENV, "").split()
    with DagsterInstance.get() as instance:
        if end_runs_before:
            end_abandoned_runs(instance, datetime.fromisoformat(end_runs_before))
        with WorkspaceProcessContext(instance, WorkspaceFileTarget([workspace]), version=__version__) as context:
            app = Guard(create_app_from_workspace_process_context(context), allowed_hosts(port, extra), extra)
            uvicorn.run(app, host=host, port=port, log_level="warning", proxy_headers=False, server_header=False)


if __name__ == "__main__":
    main()
