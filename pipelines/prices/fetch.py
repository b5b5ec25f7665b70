"""genai-prices' published data, fetched when it is asked for: https alone, no redirect, a bound on its size, no key."""

import os
import urllib.request
from urllib.parse import urlsplit

import requests

from pipelines.bills.billing_api import is_loopback
from pipelines.errors import PriceFetchError

MOST_BYTES = 64_000_000
CONNECT_S, READ_S = 10.0, 30.0


def published_at() -> str:
    """Where the data is: APILEDGER_PRICES_URL, else where genai-prices itself looks."""
    from genai_prices.update_prices import DEFAULT_UPDATE_URL

    return os.environ.get("APILEDGER_PRICES_URL") or DEFAULT_UPDATE_URL


def fetch(address: str) -> bytes:
    """Give what lies at an address; PriceFetchError where it is no https address or gives no whole answer."""
    parts = urlsplit(address)
    local = is_loopback(address)
    if not (parts.scheme == "https" or (parts.scheme == "http" and local)) or parts.username or not parts.hostname:
        raise PriceFetchError("prices are fetched from https://host/path alone (http on this machine)")
    with requests.Session() as session:
        # A .netrc would send somebody's password along.
        session.trust_env = False
        if not local:
            session.proxies.update(urllib.request.getproxies())
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
        try:
            with session.get(address, timeout=(CONNECT_S, READ_S), allow_redirects=False, stream=True) as answer:
                if answer.status_code != 200:
                    raise PriceFetchError(
                        f"{parts.hostname} answered {answer.status_code}: look at its address; nothing was kept"
                    )
                body = bytearray()
                for chunk in answer.iter_content(65_536):
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise PriceFetchError(
                            f"{parts.hostname} sends more than {MOST_BYTES:,} bytes: nothing was kept"
                        )
        except requests.RequestException as error:
            raise PriceFetchError(
                f"{parts.hostname} gave no whole answer ({type(error).__name__}): try again; nothing was kept"
            ) from error
    return bytes(body)
