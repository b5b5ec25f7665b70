"""TLS: by a certificate of its own or a proxy; plain HTTP on loopback alone."""

import asyncio
import http.client
import json
import ssl
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from dashboards.access import address
from dashboards.access.address import AddressError
from dashboards.access.transport import Transport
from pipelines.services.supervisor import answers
from tests.dashboards import certificate, people_site
from tests.dashboards.people_site import EMAIL, PASSWORD, Site, token
from warehouse.home import Home

PUBLIC = "https://costs.team.example"


def _over_tls(port: int, trusted: Path, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """One request over TLS, the certificate checked against its name."""
    context = ssl.create_default_context(cafile=str(trusted))
    with closing(http.client.HTTPSConnection("localhost", port, context=context, timeout=20)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()


@pytest.mark.clause("AL-5.1")
def test_a_certificate_of_its_own_serves_by_tls(
    home: Home, master_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cookie is `__Host-` and Secure, HSTS is said, TLS 1.1 is refused, and the supervisor finds a sign of life."""
    assert home.root.exists()
    assert master_key
    cert, key = certificate.made(tmp_path)
    with people_site.served(Transport(people_site.app()), cert, key) as port:
        monkeypatch.setenv("APILEDGER_PUBLIC_URL", f"https://localhost:{port}")
        status, headers, text = _over_tls(port, cert, "GET", "/sign-in")
        assert status == 200
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert headers["set-cookie"].startswith("__Host-sid=")
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= {
            p.strip() for p in headers["set-cookie"].split(";")
        }
        assert token(text)
        assert answers(f"https://127.0.0.1:{port}/sign-in")
        old = ssl.create_default_context(cafile=str(cert))
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            closing(http.client.HTTPSConnection("localhost", port, context=old, timeout=20)) as connection,
            pytest.raises(ssl.SSLError),
        ):
            connection.request("GET", "/sign-in")
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as plain:
            plain.request("GET", "/sign-in")
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                plain.getresponse()


@pytest.mark.clause("AL-5.1")
def test_behind_a_proxy_only_what_came_by_tls_is_answered(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy says how it came; what did not come by TLS is sent there, and no form of it is taken."""
    assert home.root.exists()
    assert master_key
    monkeypatch.setenv("APILEDGER_PUBLIC_URL", PUBLIC)
    # The dashboard says so where no proxy is named, and whoever has imported it here had none.
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    with people_site.served(Transport(people_site.app())) as port:
        site = Site(port, home)
        by_tls = {"X_Forwarded_Proto": "https"}
        status, headers, _ = site.ask("GET", "/sign-in", **by_tls)
        assert status == 200
        assert "strict-transport-security" in headers
        status, headers, _ = site.ask("GET", "/sign-in?to=/spend")
        assert (status, headers["location"]) == (308, f"{PUBLIC}/sign-in?to=/spend")
        assert "set-cookie" not in headers
        assert site.post("/sign-in", {"email": EMAIL, "password": PASSWORD}, Origin=PUBLIC)[0] == 403
        assert site.ask("GET", "/_stcore/health")[0] != 308
        assert site.ask("GET", "/healthz")[2] == '{"status":"not ok"}'
        # A token is for TLS alone.
        assert site.ask("GET", "/api/spend")[0] == site.ask("GET", "/metrics")[0] == 308


def _asked(server: str, scheme: str, kind: str = "http") -> list[dict[str, Any]]:
    """What the outermost layer answers to a request that came to an address of this machine."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": kind,
        "scheme": scheme,
        "server": (server, 8501),
        "path": "/sign-in",
        "method": "GET",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(Transport(PlainTextResponse("figures"))(scope, receive, send))
    return sent


@pytest.mark.parametrize("server", ["192.0.2.7", "10.0.0.5", "2001:db8::1", "", "0.0.0.0"])  # noqa: S104 - refused
def test_plain_http_from_another_machine_is_refused(server: str) -> None:
    """However the server was started: what did not come to loopback and not by TLS gets nothing, no socket either."""
    assert _asked(server, "http")[0]["status"] == 403
    assert _asked(server, "ws", "websocket") == [{"type": "websocket.close", "code": 1008}]
    for loopback in ("127.0.0.1", "::1"):
        assert _asked(loopback, "http")[0]["status"] == 200


def test_a_container_says_where_its_port_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP on its bridge only where the host publishes the port on loopback and no https name is served."""
    monkeypatch.setenv("APILEDGER_DASHBOARD_ADDRESS", "0.0.0.0")  # noqa: S104 - a container's
    monkeypatch.setenv("APILEDGER_PUBLISHED_ON", "127.0.0.1")
    assert address.listens_on() == "0.0.0.0"  # noqa: S104 - a container's
    assert address.hosts() == ["localhost", "127.0.0.1", "[::1]"], "a browser of another machine asks for another name"
    assert _asked("172.18.0.2", "http")[0]["status"] == 200
    for said in ("0.0.0.0", "192.0.2.7", "yes"):  # noqa: S104 - refused
        monkeypatch.setenv("APILEDGER_PUBLISHED_ON", said)
        with pytest.raises(AddressError, match="publish the port there"):
            address.listens_on()
    monkeypatch.setenv("APILEDGER_PUBLISHED_ON", "127.0.0.1")
    monkeypatch.setenv("APILEDGER_PUBLIC_URL", PUBLIC)
    with pytest.raises(AddressError, match="needs a certificate"):
        address.listens_on()
    cert, key = certificate.made(tmp_path)
    monkeypatch.setenv("APILEDGER_TLS_CERT", str(cert))
    monkeypatch.setenv("APILEDGER_TLS_KEY", str(key))
    assert address.listens_on() == "0.0.0.0"  # noqa: S104 - by TLS
    assert _asked("172.18.0.2", "http")[0]["status"] == 308


def test_it_does_not_listen_where_it_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every interface without a certificate, a certificate without its key or address: each is said."""
    assert address.listens_on() == "127.0.0.1"
    monkeypatch.setenv("APILEDGER_DASHBOARD_ADDRESS", "0.0.0.0")  # noqa: S104 - refused
    with pytest.raises(AddressError, match="plain HTTP to other machines"):
        address.listens_on()
    cert, key = certificate.made(tmp_path)
    monkeypatch.setenv("APILEDGER_TLS_CERT", str(cert))
    with pytest.raises(AddressError, match="APILEDGER_TLS_KEY"):
        address.listens_on()
    monkeypatch.setenv("APILEDGER_TLS_KEY", str(key))
    with pytest.raises(AddressError, match="APILEDGER_PUBLIC_URL"):
        address.listens_on()
    monkeypatch.setenv("APILEDGER_PUBLIC_URL", PUBLIC)
    assert address.listens_on() == "0.0.0.0"  # noqa: S104 - by TLS
    monkeypatch.setenv("APILEDGER_DASHBOARD_ADDRESS", json.dumps("everywhere"))
    with pytest.raises(AddressError, match="no IP address"):
        address.listens_on()
    monkeypatch.setenv("APILEDGER_DASHBOARD_ADDRESS", "192.0.2.7")
    with pytest.raises(AddressError, match="every interface"):
        address.listens_on()
