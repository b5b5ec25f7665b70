"""GroundTruth -> dashboards/overview.png: the README's picture, a sandbox as its user sees it.

`python -m tests.browser.picture` makes a sandbox of two months up to now in a folder of its own, serves it, and takes
the overview at 1280 pixels. Needs a Chromium; see `make chromium`.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from pipelines.commands.account import sign_in_link
from pipelines.passage import run_pass
from pipelines.sandbox import providers, sandbox_home
from warehouse.home import PROJECT, Home

WIDTH = 1280
HEIGHT = 1022
MOST_BYTES = 250_000
PICTURE = PROJECT / "dashboards" / "overview.png"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    """Make the sandbox, take the picture, write it; AssertionError where it would be too heavy for a README."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["APILEDGER_KEY_FILE"] = str(Path(name) / "key")
        now = datetime.now(UTC)
        home = Home(Path(name) / "sandbox")
        sandbox_home.make(home, now)
        with providers.connected(home):
            run_pass(home, now, lambda *_: None)
        taken = packed(taken_of(home))
    assert len(taken) < MOST_BYTES, f"the picture has {len(taken):,} bytes; take less of the page"
    PICTURE.write_bytes(taken)


def taken_of(home: Home) -> bytes:
    """The overview of a home as a PNG, light, as it stands after its charts are drawn."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "APILEDGER_HOME": str(home.root), "APILEDGER_DASHBOARD_PORT": str(port)}
    served = subprocess.Popen([sys.executable, "-m", "dashboards.app"], env=environment, cwd=PROJECT)
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health")
        with sync_playwright() as play:
            machine = next((path for path in map(shutil.which, _BROWSERS) if path), None)
            browser = play.chromium.launch(executable_path=machine, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            page.goto(f"http://127.0.0.1:{port}/link#{sign_in_link(home).partition('#')[2]}")
            page.get_by_role("region", name="Freshness").wait_for()
            page.locator("canvas, [data-testid=stVegaLiteChart] svg").first.wait_for()
            page.wait_for_timeout(1500)  # charts fade in
            taken = page.screenshot()
            browser.close()
            return taken
    finally:
        served.terminate()
        served.wait(10)


def packed(taken: bytes) -> bytes:
    """The same picture in 256 colours, a third of the weight."""
    out = BytesIO()
    Image.open(BytesIO(taken)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _wait(url: str, patience_s: float = 60) -> None:
    until = time.monotonic() + patience_s
    while not _answers(url):
        assert time.monotonic() < until, f"{url} does not answer"
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - http, by the caller's line
            return bool(answer.read())
    except OSError:
        return False


if __name__ == "__main__":
    main()
