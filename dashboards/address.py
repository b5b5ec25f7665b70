"""Where the dashboard is reached: plain HTTP on loopback, or the HTTPS address of the proxy in front of it.

APILEDGER_PUBLIC_URL, such as https://costs.team.example, names the latter. No link and no check ever takes a name from
a request.
"""

import os
from urllib.parse import urlsplit

PORT = int(os.environ.get("APILEDGER_DASHBOARD_PORT", "8501"))
SETTING = "APILEDGER_PUBLIC_URL"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def public_url() -> str | None:
    """The proxy's address without a path; None on loopback, and for what is no https address."""
    parts = urlsplit(os.environ.get(SETTING, "").strip())
    return f"https://{parts.netloc}" if parts.scheme == "https" and parts.netloc and "@" not in parts.netloc else None


def is_tls() -> bool:
    """Whether browsers come by TLS."""
    return public_url() is not None


def hosts() -> list[str]:
    """The names that a request may ask for, without ports."""
    public = public_url()
    return [*_LOOPBACK, *([urlsplit(public).hostname or ""] if public else [])]


def is_ours(origin: str | None, host: str | None) -> bool:
    """Whether a request that changes something comes from a page of ours; one that does not say so does not."""
    if not origin or not host:
        return False
    public = public_url()
    if public is not None and origin == public:
        return True
    name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    return public is None and name in _LOOPBACK and origin == f"http://{host}"


def link(path: str, ticket: str) -> str:
    """A link that carries a ticket where no server and no log sees it: behind the #."""
    return f"{public_url() or f'http://127.0.0.1:{PORT}'}/{path}#{ticket}"
