"""The dashboard as an ASGI app on loopback: `python -m dashboards.app`, or uvicorn with `dashboards.app:app`.

Every option is set here and wins over any `.streamlit` folder, so that it serves the same from any working directory.
The gate and the routes for signing in are put together here; pages are not.
"""

import os
import sys
from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route
from streamlit.starlette import App
from streamlit.web import bootstrap

from dashboards import states, theme
from dashboards.access import address, handed
from dashboards.access.address import AddressError
from dashboards.access.browser_policy import BrowserPolicy
from dashboards.access.session import SignedOutError
from dashboards.access.transport import Transport
from dashboards.api import endpoints, health, metrics
from dashboards.entry import budget_form, centre_form, claim_form, invoice_form, naming_form, price_form
from dashboards.gate import Gate
from dashboards.people import account, connections, credentials, questions, reset, sign_in, sign_up
from dashboards.rights import bundles, deletion, erased, privacy, rectification, rights_page, withdrawal
from warehouse.errors import WithheldError

HOSTS = address.hosts()
try:
    LISTENS_ON, CERTIFICATE = address.listens_on(), address.certificate()
except AddressError as error:
    sys.exit(f"apiledger: {error}")
OPTIONS: dict[str, object] = {
    "server.address": LISTENS_ON,
    "server.port": address.PORT,
    "server.sslCertFile": CERTIFICATE[0] if CERTIFICATE else None,
    "server.sslKeyFile": CERTIFICATE[1] if CERTIFICATE else None,
    "server.headless": True,
    "server.allowedHosts": HOSTS,
    "server.enableCORS": True,
    "server.corsAllowedOrigins": [public] if (public := address.public_url()) else [],
    "server.enableXsrfProtection": True,
    "server.xsrfCookieSameSite": "strict",
    "server.trustedUserHeaders": {handed.OWNER_HEADER: "member"},
    "server.maxUploadSize": 1,
    "server.maxMessageSize": 50,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "browser.gatherUsageStats": False,
    "browser.serverAddress": "127.0.0.1",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    # Streamlit's own export writes cells as they are, formulas too; the pages have their own.
    "client.disableDataExport": True,
    "runner.magicEnabled": False,
    # Each open tab looks for a new version every few seconds; to go through all that lives after each look kept a
    # core busy with fifty of them. Python collects by itself when there is something to collect.
    "runner.postScriptGC": False,
    "logger.enableRich": False,
    **theme.options(),
}

bootstrap.load_config_options(OPTIONS)
if CERTIFICATE or not address.is_tls():
    # No proxy stands in front: a header that names another address than the caller's own is nobody's word.
    os.environ["FORWARDED_ALLOW_IPS"] = ""


def _told(error: Exception) -> bool:
    """Streamlit's hook for what a page did not catch: the person sees an incident's number and nothing else."""
    if isinstance(error, SignedOutError):
        states.signed_out()
    elif isinstance(error, WithheldError):
        states.withheld()
    else:
        states.wrong(error)
    return True


def _overview(request: Request) -> RedirectResponse:
    """Streamlit serves the first page at / alone; its name leads there, too, with what the address asks."""
    return RedirectResponse(f"/?{request.url.query}" if request.url.query else "/", 307)


ROUTES = [
    Route("/overview", _overview),
    *sign_in.ROUTES,
    *sign_up.ROUTES,
    *account.ROUTES,
    *deletion.ROUTES,
    *erased.ROUTES,
    *rights_page.ROUTES,
    *bundles.ROUTES,
    *withdrawal.ROUTES,
    *rectification.ROUTES,
    *questions.ROUTES,
    *budget_form.ROUTES,
    *invoice_form.ROUTES,
    *connections.ROUTES,
    *naming_form.ROUTES,
    *price_form.ROUTES,
    *claim_form.ROUTES,
    *centre_form.ROUTES,
    *reset.ROUTES,
    *credentials.ROUTES,
    *privacy.ROUTES,
    *health.ROUTES,
    *metrics.ROUTES,
    *endpoints.ROUTES,
]
app = App(
    Path(__file__).parent / "pages" / "navigation.py",
    # Streamlit holds allowedHosts against the WebSocket alone; a rebound name must not get the pages' files either.
    middleware=[
        Middleware(Transport),
        Middleware(BrowserPolicy),
        Middleware(TrustedHostMiddleware, allowed_hosts=[host.strip("[]") for host in HOSTS]),
        Middleware(Gate),
    ],
    routes=ROUTES,
    on_script_error=_told,
)


if __name__ == "__main__":
    app.run(config=OPTIONS)
