"""The dashboard as an ASGI app on loopback: `python -m dashboards.app`, or uvicorn with `dashboards.app:app`.

Every option is set here and wins over any `.streamlit` folder, so that it serves the same from any working directory.
The gate and the routes for signing in are put together here; pages are not.
"""

import os
from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit.starlette import App
from streamlit.web import bootstrap

from dashboards import account, address, rights, sign_in, sign_up, states, theme
from dashboards.gate import Gate
from dashboards.session import SignedOutError
from warehouse.errors import WithheldError

HOSTS = address.hosts()
OPTIONS: dict[str, object] = {
    "server.address": "127.0.0.1",
    "server.port": address.PORT,
    "server.headless": True,
    "server.allowedHosts": HOSTS,
    "server.enableCORS": True,
    "server.corsAllowedOrigins": [public] if (public := address.public_url()) else [],
    "server.enableXsrfProtection": True,
    "server.xsrfCookieSameSite": "strict",
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
    "logger.enableRich": False,
    **theme.options(),
}

bootstrap.load_config_options(OPTIONS)
if not address.is_tls():
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


app = App(
    Path(__file__).parent / "pages" / "navigation.py",
    # Streamlit holds allowedHosts against the WebSocket alone; a rebound name must not get the pages' files either.
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=[host.strip("[]") for host in HOSTS]),
        Middleware(Gate),
    ],
    routes=[*sign_in.ROUTES, *sign_up.ROUTES, *account.ROUTES, *rights.ROUTES],
    on_script_error=_told,
)


if __name__ == "__main__":
    app.run(config=OPTIONS)
