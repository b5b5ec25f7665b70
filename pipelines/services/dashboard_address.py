"""Where the dashboard of a home is reached: as it was set, else where it runs, else where it would."""

import os
from urllib.parse import urlsplit

from pipelines.services import service
from pipelines.services.supervisor import dashboard_scheme
from warehouse.home import Home


def link(home: Home, path: str, ticket: str) -> str:
    """A link that carries a ticket behind the #, where no server and no log sees it."""
    public = urlsplit(os.environ.get("APILEDGER_PUBLIC_URL", "").strip())
    where = f"https://{public.netloc}" if public.scheme == "https" and public.netloc else None
    if where is None:
        found = {one.name: one.address for one in service.running(home)}
        where = (found.get("dashboard") or f"{dashboard_scheme()}://{service.HOST}:{service.DASHBOARD_PORT}").split(
            "/_stcore"
        )[0]
    return f"{where}/{path}#{ticket}"
