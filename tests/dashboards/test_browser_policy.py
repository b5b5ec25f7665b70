"""What the whole dashboard's answers tell a browser: whose scripts run, who may frame and read them, what is kept."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import streamlit
from streamlit.web.server.server import MEDIA_ENDPOINT

from dashboards.access.browser_policy import BrowserPolicy
from dashboards.access.transport import Transport
from tests.dashboards.people_site import Site, now, token
from warehouse import database
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.vault import Vault
from warehouse.home import Home

_STATIC = Path(streamlit.__file__).parent / "static"
SCRIPT = f"/static/js/{next((_STATIC / 'static' / 'js').glob('index.*.js')).name}"
PATHS = ("/", "/spend", "/sign-in", "/privacy", "/account", "/_stcore/health", "/_stcore/host-config", SCRIPT)
GONE = (
    "/no-such-page",
    f"{MEDIA_ENDPOINT}/0123abcd.csv",
    "/_stcore/upload_file/a/b",
    "/component/x/y.html",
    "/app/static/x",
)


@pytest.fixture
def site(home: Home, master_key: str, whole_dashboard: int) -> Site:
    """The whole dashboard, with a browser that its operator signed in with."""
    assert master_key
    with database.control(home) as control:
        member = members.operator(control, Vault(control, now()), now())
        signed_in = sessions.begin(control, member.member_no, sessions.BY_LINK, now())
    return Site(whole_dashboard, home, f"sid={signed_in}")


@pytest.mark.attack("T16")
@pytest.mark.clause("AL-6.1")
def test_every_answer_says_what_a_browser_may_do_with_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No script but ours, no frame, no guessing of types, no reading by others, nothing kept, no cookie but ours."""
    answers = {path: site.ask("GET", path, Accept="text/html", Origin="http://evil.example") for path in PATHS + GONE}
    assert {answers[path][0] for path in PATHS} == {200, 303}
    for path, (_, headers, _) in answers.items():
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path
        assert "access-control-allow-credentials" not in headers, path
        assert headers.get("access-control-allow-origin") is None, path
        assert "set-cookie" not in headers, path
        policy = headers.get("content-security-policy", "")
        if path == SCRIPT:
            assert "immutable" in headers["cache-control"]
            continue
        assert headers["cache-control"] == "no-store", path
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "base-uri 'none'" in policy, path
        if headers.get("content-type", "").startswith("text/html"):
            (scripts,) = re.findall(r"script-src ([^;]*)", policy)
            assert "unsafe" not in scripts, path
            assert "http" not in policy, path
        else:
            assert policy.endswith("sandbox"), path
    monkeypatch.setattr(BrowserPolicy, "__call__", lambda it, *sent: it._app(*sent))
    _, headers, _ = site.ask("GET", "/_stcore/health")
    assert headers["set-cookie"].startswith("_streamlit_xsrf=")
    assert "content-security-policy" not in headers


def test_no_file_is_taken(site: Site) -> None:
    """Nothing here takes a file, and nobody sends one, with or without what Streamlit would ask for."""
    for cookie in (site.cookie, f"{site.cookie}; _streamlit_xsrf=a", ""):
        assert site.ask("PUT", "/_stcore/upload_file/a/b", "x", Cookie=cookie, X_Xsrftoken="b")[0] == 403


def test_where_a_session_ended_the_browser_is_emptied(site: Site) -> None:
    """The page that an ended session leads to clears what its pages kept; a page that is merely opened does not."""
    hidden = token(site.ask("GET", "/account")[2])
    status, headers, _ = site.post("/sign-out", {"form": hidden})
    assert (status, headers["location"]) == (303, "/sign-in?said=out")
    assert site.ask("GET", headers["location"])[1]["clear-site-data"] == '"cache", "storage"'
    assert "clear-site-data" not in site.ask("GET", "/sign-in")[1]


def _over_tls(path: str, host: str, method: str = "GET") -> dict[str, str]:
    """The headers of the whole dashboard's answer to a request that came by TLS."""
    from dashboards import app

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    parts = iter([{"type": "http.request", "body": b""}])

    async def receive() -> Any:
        for part in parts:
            return part
        return await asyncio.Event().wait()

    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "https",
        "server": ("127.0.0.1", 443),
        "client": ("127.0.0.1", 1),
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "method": method,
        "query_string": b"",
        "headers": [(b"host", host.encode())],
    }
    asyncio.run(app.app(scope, receive, send))
    return {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}


def test_over_tls_every_answer_asks_for_tls(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year of it, on pages, refusals, errors and what is not there; without our layer, on none."""
    monkeypatch.setenv("APILEDGER_PUBLIC_URL", "https://127.0.0.1")
    assert site.port
    asked = [(path, "127.0.0.1", "GET") for path in ("/sign-in", "/privacy", "/", "/no-such-page", "/_stcore/health")]
    asked += [
        ("/sign-in", "evil.example", "GET"),
        ("/sign-in", "127.0.0.1", "POST"),
        (f"{MEDIA_ENDPOINT}/x", "127.0.0.1", "GET"),
    ]
    for one in asked:
        assert _over_tls(*one)["strict-transport-security"] == "max-age=31536000", one
    assert _over_tls("/sign-in", "127.0.0.1")["set-cookie"].startswith("__Host-sid=")
    monkeypatch.setattr(Transport, "__call__", lambda it, *sent: it._app(*sent))
    assert "strict-transport-security" not in _over_tls("/sign-in", "127.0.0.1")
