"""The one HTTP session that speaks to providers' billing APIs: it follows no redirect, gives up in time, says no key.

A key goes to the one address it is meant for: a redirect is an error, plain http is for loopback alone,
and no error repeats what a provider answered, since providers echo keys. Amounts stay decimal from the literal on.
"""

import ipaddress
import json
import os
import random
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3

from pipelines.bills.json_number import exact, whole
from pipelines.errors import KeyRefusedError, PathRefusedError, ProviderError, UnknownRequestError

MOST_TRIES = 6
LONGEST_PAUSE_S = 60.0
CONNECT_S, READ_S, ANSWER_S = 10.0, 30.0, 60.0
MOST_BYTES = 64_000_000

Parameters = Sequence[tuple[str, str]]


class _PassingError(Exception):
    """An answer that may be another one in a moment; `pause_s` is what the provider asked for."""

    def __init__(self, what: str, pause_s: float | None = None) -> None:
        super().__init__(what)
        self.pause_s = pause_s


@dataclass(frozen=True)
class Clock:
    """Time as the session sees it: how it waits, what it measures with, how it draws a pause's share."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


class BillingApi:
    """One provider's API at one address with one key; ProviderError where it gives no usable answer.

    `dialect` is which of a provider's APIs this key reads, where there are several; `notes` are sentences for people
    about what its reports do not cover, by topic. `organisation` is what the last answer's `organisation_header` said.
    """

    def __init__(
        self,
        title: str,
        address: str,
        headers: Mapping[str, str],
        clock: Clock | None = None,
        most_tries: int | None = None,
        organisation_header: str = "",
    ) -> None:
        self._title = title
        self._most_tries = most_tries or MOST_TRIES
        self._address = _checked(title, address)
        self._clock = clock or Clock()
        self.dialect: str | None = None
        self.notes: dict[str, str] = {}
        self.organisation: str | None = None
        self._organisation_header = organisation_header
        if not all(value.isascii() and value.isprintable() and value == value.strip() for value in headers.values()):
            raise ProviderError(f"{title}: the key has characters that no key has; set it again")
        self._session = requests.Session()
        # A .netrc could put another key in place of ours; proxies and the CA file are taken by hand.
        self._session.trust_env = False
        if not is_loopback(self._address):
            self._session.proxies.update(urllib.request.getproxies())
            self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
        self._session.headers.update({"Accept": "application/json", "User-Agent": "apiledger", **headers})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, path: str, parameters: Parameters, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Give one answer's JSON object, numbers with a point as Decimal; tries a few times."""
        tried = 0
        while True:
            tried += 1
            try:
                return self._once(path, parameters, headers or {})
            except _PassingError as error:
                if tried >= self._most_tries:
                    raise ProviderError(f"{self._title} {path}: {error}, {tried} times; asked again later") from None
                longest = min(LONGEST_PAUSE_S, 2.0**tried)
                drawn = longest * (0.5 + self._clock.jitter() / 2)
                self._clock.sleep(drawn if error.pause_s is None else min(error.pause_s, LONGEST_PAUSE_S) + drawn / 10)

    def may_read(self, path: str, parameters: Parameters = ()) -> bool:
        """Whether a path answers this key; no answer at all counts as no."""
        try:
            self.get(path, parameters)
        except ProviderError:
            return False
        return True

    def buckets(
        self,
        path: str,
        parameters: Parameters,
        most: int,
        *,
        most_pages: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Any]:
        """Give every bucket of a paged report, oldest page first; ProviderError where the pages do not end.

        `most` is how many buckets the asked window can have: a page token that comes twice, or more pages or buckets
        than that, is a loop. `most_pages` says how many pages where it is not one a bucket.
        """
        seen: set[str] = set()
        given, page = 0, None
        while True:
            asked = [*parameters, *([("page", page)] if page is not None else [])]
            answer = self.get(path, asked, headers)
            data, more, following = answer.get("data"), answer.get("has_more"), answer.get("next_page")
            if not isinstance(data, list):
                raise ProviderError(f"{self._title} {path}: an answer without its list of buckets; nothing was stored")
            given += len(data)
            if given > most:
                raise ProviderError(f"{self._title} {path}: more buckets than days were asked; nothing was stored")
            yield from data
            if not more:
                return
            if (
                not isinstance(following, str)
                or not following
                or following in seen
                or len(seen) >= (most_pages or most)
            ):
                raise ProviderError(f"{self._title} {path}: its pages do not end; nothing was stored")
            seen.add(following)
            page = following

    def _once(self, path: str, parameters: Parameters, headers: Mapping[str, str]) -> dict[str, Any]:
        deadline = self._clock.monotonic() + ANSWER_S
        try:
            with self._session.get(
                f"{self._address}{path}",
                params=list(parameters),
                headers=dict(headers),
                timeout=(CONNECT_S, READ_S),
                allow_redirects=False,
                stream=True,
            ) as response:
                self._judge(path, response)
                body = self._body(path, response, deadline)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
            raise _PassingError("no whole answer in time") from None
        except requests.RequestException as error:
            raise ProviderError(f"{self._title} {path}: {type(error).__name__}; look at its address") from None
        try:
            answer = json.loads(body, parse_float=exact, parse_int=whole, parse_constant=exact)
        except (ValueError, RecursionError):
            raise _PassingError("an answer that is no whole JSON") from None
        if not isinstance(answer, dict):
            raise _PassingError("an answer that is no JSON object")
        return answer

    def _judge(self, path: str, response: requests.Response) -> None:
        status = response.status_code
        if status == 200:
            if self._organisation_header:
                self.organisation = response.headers.get(self._organisation_header) or self.organisation
            return
        if status == 401:
            raise KeyRefusedError(f"{self._title} {path}: the key was refused (401); set another one")
        if status == 403:
            raise PathRefusedError(f"{self._title} {path}: the key may not read this (403); let it, or set another one")
        if 300 <= status < 400:
            raise ProviderError(f"{self._title} {path}: a redirect ({status}) is not followed; look at its address")
        if status in {408, 409, 425, 429} or status >= 500:
            raise _PassingError(f"status {status}", _asked_pause(response.headers.get("Retry-After")))
        unknown = UnknownRequestError if status in {400, 404} else ProviderError
        raise unknown(f"{self._title} {path}: status {status}; look at its changelog")

    def _body(self, path: str, response: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        for chunk in _arriving(response):
            body += chunk
            if len(body) > MOST_BYTES:
                raise ProviderError(f"{self._title} {path}: an answer of more than {MOST_BYTES:,} bytes")
            if self._clock.monotonic() > deadline:
                raise _PassingError("an answer that came too slowly")
        return bytes(body)


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """The body's bytes as they come: who waits for a full chunk waits for hours where a byte comes now and then."""
    try:
        while chunk := response.raw.read1(65_536, decode_content=True):
            yield chunk
    except urllib3.exceptions.HTTPError:
        raise _PassingError("no whole answer in time") from None


def _asked_pause(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header; a date, or what is no number, counts as none."""
    text = (retry_after or "").strip()
    return min(float(text), LONGEST_PAUSE_S) if text.isascii() and text.isdigit() and len(text) < 9 else None


def is_loopback(address: str) -> bool:
    """Whether an address leads to this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked(title: str, address: str) -> str:
    parts = urlsplit(address)
    is_plain_here = parts.scheme == "http" and is_loopback(address)
    if not (parts.scheme == "https" or is_plain_here) or not parts.hostname or parts.username or parts.query:
        raise ProviderError(f"{title}: its address has to be https://host/path (http on this machine alone)")
    return address.rstrip("/")
