"""The dashboard as it is started with a certificate of its own, in a real browser."""

import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from pipelines.commands.account import sign_in_link
from retention import privacy
from tests.conftest import MASTER_KEY
from tests.dashboards import certificate, made_version
from warehouse.home import PROJECT, Home

pytestmark = pytest.mark.browser


@pytest.mark.soak
@pytest.mark.clause("AL-5.1")
@pytest.mark.clause("AL-6.1")
def test_over_tls_a_person_signs_in_and_accepts_a_change(
    browser: Browser, home: Home, master_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures come over wss; the one cookie is Secure; a changed policy stands before them."""
    assert master_key == MASTER_KEY
    made_version.publish(home, 1, datetime.now(UTC).replace(tzinfo=None))
    cert, key = certificate.made(tmp_path)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    url = f"https://localhost:{port}"
    for name, value in {
        "APILEDGER_DASHBOARD_PORT": str(port),
        "APILEDGER_PUBLIC_URL": url,
        "APILEDGER_TLS_CERT": str(cert),
        "APILEDGER_TLS_KEY": str(key),
        "PYTHONPATH": str(PROJECT),
    }.items():
        monkeypatch.setenv(name, value)
    trust = ssl.create_default_context(cafile=str(cert))
    log = tmp_path / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-m", "dashboards.app"], cwd=tmp_path, stdout=out, stderr=subprocess.STDOUT
        ) as served,
    ):
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(f"{url}/_stcore/health", context=trust) as answer:  # noqa: S310 - https
                        assert answer.headers["strict-transport-security"]
                    break
                except OSError:
                    assert time.monotonic() < until, log.read_text()
                    time.sleep(0.1)
            context = browser.new_context(ignore_https_errors=True)
            page = context.new_page()
            page.set_default_timeout(15_000)
            page.goto(sign_in_link(home))
            expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")
            told = {one["name"]: (one["secure"], one["sameSite"]) for one in context.cookies()}
            assert told == {"__Host-sid": (True, "Strict")}
            privacy.file_of(home).write_text('version = "2027-01-05"\nregion = "Elsewhere"\n', encoding="utf-8")
            page.goto(f"{url}/spend")
            expect(page.get_by_role("heading", name="The privacy policy has changed")).to_be_visible()
            page.get_by_role("button", name="Accept").click()
            expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")
            context.close()
        finally:
            served.terminate()
