"""Where the dashboard is reached: plain HTTP on loopback, or HTTPS by a certificate of its own or a proxy in front.

APILEDGER_PUBLIC_URL, such as https://costs.team.example, names the latter. No link and no check ever takes a name from
a request.
"""

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

from warehouse.errors import WarehouseError

PORT = int(os.environ.get("APILEDGER_DASHBOARD_PORT", "8501"))
SETTING = "APILEDGER_PUBLIC_URL"
CERTIFICATE, KEY = "APILEDGER_TLS_CERT", "APILEDGER_TLS_KEY"
BIND = "APILEDGER_DASHBOARD_ADDRESS"
PUBLISHED = "APILEDGER_PUBLISHED_ON"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class AddressError(WarehouseError):
    """The dashboard would be reached in a way that it may not be."""


def certificate() -> tuple[str, str] | None:
    """The files of the certificate and its key; None without one. AddressError where something of it is missing."""
    files = [os.environ.get(name, "").strip() for name in (CERTIFICATE, KEY)]
    if not any(files):
        return None
    for name, file in zip((CERTIFICATE, KEY), files, strict=True):
        if not file or not Path(file).is_file():
            raise AddressError(f"{name} names no file: a certificate and its key go together, both in PEM")
    if public_url() is None:
        raise AddressError(f"with a certificate set {SETTING}, too: the https:// address that browsers ask for")
    return files[0], files[1]


def listens_on() -> str:
    """The address to listen on; AddressError for plain HTTP on any but loopback."""
    host = os.environ.get(BIND, "").strip() or "127.0.0.1"
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        raise AddressError(f"{BIND} is no IP address: write 127.0.0.1, or 0.0.0.0 for every interface") from None
    if not found.is_loopback and not found.is_unspecified:
        raise AddressError(f"{BIND} is not 127.0.0.1 and not 0.0.0.0, every interface: its sign of life is on loopback")
    if not found.is_loopback and certificate() is None and not is_published_on_loopback():
        raise AddressError(
            f"{BIND}={host} would serve plain HTTP to other machines: set {CERTIFICATE} and {KEY}, or leave it on "
            "127.0.0.1 behind a proxy that speaks TLS"
        )
    return host


def is_published_on_loopback() -> bool:
    """Whether this is a container whose port its host publishes on loopback alone, as APILEDGER_PUBLISHED_ON says.

    There plain HTTP comes from the host's loopback over a bridge within one kernel. Nobody else is led to it: a browser
    of another machine would ask for another name than loopback's, and no other name is served. AddressError for another
    address, and where a proxy is named: what is not on this loopback is not believed to speak for one.
    """
    said = os.environ.get(PUBLISHED, "").strip()
    if not said or certificate() is not None:
        return False
    try:
        is_loopback = ipaddress.ip_address(said).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise AddressError(f"{PUBLISHED} is not 127.0.0.1: publish the port there, or set {CERTIFICATE} and {KEY}")
    if public_url() is not None:
        raise AddressError(f"{SETTING} needs a certificate in a container: set {CERTIFICATE} and {KEY}")
    return True


def public_url() -> str | None:
    """The https address without a path; None on loopback, and for what is no https address."""
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
