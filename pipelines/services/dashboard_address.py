"""Where the dashboard of a home is reached: as it was set, else where it runs, else where it would."""

import os
from urllib.parse import urlsplit

from warehouse.home import Home


def scheme() -> str:
    """How the dashboard answers on loopback: by TLS where it has a certificate of its own."""
    return "https" if os.environ.get("APILEDGER_TLS_CERT", "").strip() else "http"


def link(home: Home, path: str, ticket: str) -> str:
    """A link that carries a ticket behind the #, where no server and no log sees it."""
    # The services ask this module how the dashboard answers.
    from pipelines.services import service

    public = urlsplit(os.environ.get("APILEDGER_PUBLIC_URL", "").strip())
    where = f"https://{public.netloc}" if public.scheme == "https" and public.netloc else None
    if where is None:
        found = {one.name: one.address for one in service.running(home)}
        where = (found.get("dashboard") or f"{scheme()}://{service.HOST}:{service.DASHBOARD_PORT}").split("/_stcore")[0]
    return f"{where}/{path}#{ticket}"
