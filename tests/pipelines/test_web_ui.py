"""Dagster's web UI is open to any web page by itself, and ours is not; the person's own click still starts a run."""

import http.client
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipelines.services.web_ui import Guard, allowed_hosts
from warehouse.home import PROJECT

TINY = Path(__file__).with_name("tiny_definitions.py")
LAUNCH = (
    'mutation{launchRun(executionParams:{selector:{repositoryLocationName:"apiledger",repositoryName:"__repository__",'
    'jobName:"tiny"},mode:"default",runConfigData:"{}"}){__typename}}'
)
RUNS = "{runsOrError{... on Runs{count}}}"
EVIL = {"Origin": "http://evil.example"}


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Web:
    """A web UI on the loopback."""

    port: int

    def ask(self, method: str, target: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        """Send one request with exactly these headers; returns status and body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, target, body, named)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def graphql(self, query: str, **headers: str) -> Any:
        """Ask as a local script does."""
        status, text = self.ask(
            "POST", "/graphql", json.dumps({"query": query}), Content_Type="application/json", **headers
        )
        assert status == 200, text
        return json.loads(text)["data"]

    def runs(self) -> int:
        """Return how many runs there are."""
        return int(self.graphql(RUNS)["runsOrError"]["count"])

    def wait_for(self, path: str) -> None:
        """Wait until the UI answers, for a minute at most."""
        until = time.monotonic() + 60
        while True:
            try:
                if self.ask("GET", path)[0] == 200:
                    return
            except OSError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.2)


@pytest.fixture(scope="module")
def webs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Web]]:
    """Dagster's own UI and ours, over one code server and one instance."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").symlink_to(PROJECT / "dagster.yaml")
    code, bare, ours = free_port(), Web(free_port()), Web(free_port())
    workspace = home / "workspace.yaml"
    workspace.write_text(f"load_from: [grpc_server: {{host: 127.0.0.1, port: {code}, location_name: apiledger}}]\n")
    serve = f"grpc --python-file {TINY} --port {code} --host 127.0.0.1"
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "ignore"}
    commands = (
        ["-m", "dagster", "api", *serve.split()],
        ["-m", "dagster_webserver", "-w", str(workspace), "--port", str(bare.port)],
        ["-m", "pipelines.services.web_ui", "--workspace", str(workspace), "--port", str(ours.port)],
    )
    processes: list[subprocess.Popen[bytes]] = []
    try:
        # Before they start, and one after the other: two that make Dagster's storage in a fresh home at once trip over
        # each other, and the code server is one of them.
        make_storage = "from dagster import DagsterInstance\nwith DagsterInstance.get(): pass"
        subprocess.run([sys.executable, "-c", make_storage], env=environment, cwd=home, check=True)
        for command, web in zip(commands, (None, bare, ours), strict=True):
            processes.append(subprocess.Popen([sys.executable, *command], env=environment, cwd=home))
            if web is not None:
                web.wait_for("/server_info")
        until = time.monotonic() + 60
        while "LaunchRunSuccess" not in json.dumps(bare.graphql(LAUNCH)):
            assert time.monotonic() < until
            time.sleep(0.5)
        yield bare, ours
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(30)


@pytest.mark.soak
def test_the_bare_ui_starts_a_run_for_any_page_and_ours_refuses(webs: tuple[Web, Web]) -> None:
    """A mutation in an address, with a foreign Origin and a foreign Host, launches on Dagster's app and not on ours."""
    bare, ours = webs
    before = ours.runs()
    assert "LaunchRunSuccess" in bare.ask("GET", f"/graphql?query={quote(LAUNCH)}", Host="evil.example", **EVIL)[1]
    assert ours.runs() == before + 1
    for headers in ({}, EVIL, {"Host": "evil.example"}):
        assert ours.ask("GET", f"/graphql?query={quote(LAUNCH)}", **headers)[0] == 403
        assert ours.ask("HEAD", f"/graphql?query={quote(LAUNCH)}", **headers)[0] == 403
    assert ours.runs() == before + 1


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain; application/json", "application/graphql", ""])
def test_a_post_that_a_form_can_send_is_refused(webs: tuple[Web, Web], content_type: str) -> None:
    """Dagster takes what a form can send without a preflight; ours takes application/json alone."""
    bare, ours = webs
    target = f"/graphql?query={quote(RUNS)}"
    body = RUNS if "graphql" in content_type else json.dumps({"query": RUNS})
    headers = {"Content-Type": content_type} if content_type else {}
    assert bare.ask("POST", target, body, **headers, **EVIL)[0] == 200
    assert ours.ask("POST", target, body, **headers)[0] == 403


def test_a_local_script_and_our_own_page_still_start_runs(webs: tuple[Web, Web]) -> None:
    """JSON with our Origin, or with none and no browser's headers, is carried out."""
    _, ours = webs
    before = ours.runs()
    assert "LaunchRunSuccess" in json.dumps(ours.graphql(LAUNCH))
    assert "LaunchRunSuccess" in json.dumps(ours.graphql(LAUNCH, Origin=f"http://127.0.0.1:{ours.port}"))
    assert ours.runs() == before + 2


@pytest.mark.parametrize(
    "path", ["/report_asset_materialization/x", "/report_asset_check/x", "/report_asset_observation/x"]
)
def test_another_page_cannot_report_assets(webs: tuple[Web, Web], path: str) -> None:
    """Dagster takes a report without a content type from any page; ours does not."""
    bare, ours = webs
    assert bare.ask("POST", path, **EVIL)[0] != 403
    assert ours.ask("POST", path, **EVIL)[0] == 403
    assert ours.ask("POST", path)[0] == 403


PORT_3000 = Guard(lambda *_: None, allowed_hosts(3000, ["ledger.example.org"]), ["ledger.example.org"])  # type: ignore[arg-type]  # never called
OURS = "http://127.0.0.1:3000"
BROWSER = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
PAGE = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    ("kind", "method", "path", "headers", "passes"),
    [
        ("http", "GET", "/", {}, True),
        ("http", "GET", "/", {"host": "LOCALHOST:3000"}, True),
        ("http", "GET", "/", {"host": "[::1]:3000"}, True),
        ("http", "GET", "/", {"host": "ledger.example.org", "origin": "https://ledger.example.org"}, True),
        ("http", "GET", "/", {"host": "evil.example:3000"}, False),
        ("http", "GET", "/", {"host": "127.0.0.1"}, False),
        ("http", "GET", "/", {"host": "127.0.0.1:3000.evil.example"}, False),
        ("http", "GET", "/", {"origin": "null"}, False),
        ("http", "GET", "/", {"origin": "http://127.0.0.1:8501"}, False),
        ("http", "GET", "/", {"origin": "https://127.0.0.1:3000"}, False),
        ("http", "GET", "/", {"sec-fetch-site": "cross-site", **PAGE}, True),
        ("http", "GET", "/runs", {"sec-fetch-site": "same-site", **PAGE}, True),
        ("http", "GET", "/", {"sec-fetch-site": "none", **PAGE}, True),
        ("http", "GET", "/main.js", {"sec-fetch-site": "same-origin", **BROWSER}, True),
        ("http", "GET", "/main.js", {"sec-fetch-site": "same-site", **BROWSER}, False),
        ("http", "GET", "/", {"sec-fetch-site": "cross-site", **PAGE, "sec-fetch-dest": "iframe"}, False),
        ("http", "GET", "/download_debug/1", {"sec-fetch-site": "cross-site", **PAGE}, False),
        ("http", "GET", "/graphql", {"sec-fetch-site": "none", **PAGE}, True),
        ("http", "POST", "/graphql", {"content-type": "application/json; charset=utf-8"}, True),
        ("http", "POST", "/graphql", {"content-type": "application/json", "origin": OURS}, True),
        ("http", "POST", "/graphql", {"content-type": "application/json", "sec-fetch-site": "same-origin"}, False),
        ("http", "POST", "/graphql", {"content-type": "application/json", "sec-fetch-site": "none", **PAGE}, False),
        ("http", "OPTIONS", "/graphql", {}, False),
        ("websocket", "GET", "/graphql", {}, True),
        ("websocket", "GET", "/graphql", {"origin": OURS, "sec-fetch-site": "same-origin"}, True),
        ("websocket", "GET", "/graphql", {"origin": "http://127.0.0.1:8501"}, False),
        ("websocket", "GET", "/graphql", {"sec-fetch-site": "same-origin"}, False),
        ("websocket", "GET", "/graphql", {"host": "evil.example:3000"}, False),
    ],
)
def test_the_rule_stands_for_each_kind_of_request(
    kind: str, method: str, path: str, headers: dict[str, str], passes: bool
) -> None:
    """Each row is one request and whether it may pass."""
    raw = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1:3000", **headers}.items()]
    scope = {"type": kind, "path": path, "query_string": b"", "headers": raw}
    refusal = PORT_3000.refusal(scope if kind == "websocket" else {**scope, "method": method})
    assert (refusal is None) == passes, refusal


def test_two_hosts_or_a_second_foreign_origin_are_refused() -> None:
    """A request that says two things is refused, whichever of them is ours."""
    for raw in (
        [(b"host", b"127.0.0.1:3000"), (b"host", b"evil.example")],
        [(b"host", b"127.0.0.1:3000"), (b"origin", OURS.encode()), (b"origin", b"http://evil.example")],
    ):
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw}
        assert PORT_3000.refusal(scope) is not None


ATTACK_PAGE = """<!doctype html><title>another page</title><iframe name="hole"></iframe><script>
async function attack(port, query) {
  const at = `http://127.0.0.1:${port}/graphql`, found = {};
  const done = (element) => new Promise((next) => { element.onload = element.onerror = next; });
  const image = new Image(); const seen = done(image);
  image.src = `${at}?query=${encodeURIComponent(query)}&way=img`; await seen;
  await fetch(`${at}?query=${encodeURIComponent(query)}&way=get`, {mode: "no-cors"}).catch(() => {});
  await fetch(at, {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain; application/json"},
                   body: JSON.stringify({query})}).catch(() => {});
  const form = document.createElement("form"), frame = done(document.querySelector("iframe"));
  form.method = "post"; form.target = "hole"; form.enctype = "text/plain";
  form.action = `${at}?query=${encodeURIComponent(query)}`;
  document.body.append(form); form.submit(); await frame;
  return await new Promise((next) => {
    const line = new WebSocket(at.replace("http", "ws"), "graphql-ws");
    line.onopen = () => next("open"); line.onerror = () => next("refused");
  });
}
</script>"""


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a page of somebody else on another port of the loopback: its address."""
    folder = tmp_path_factory.mktemp("attacker")
    (folder / "index.html").write_text(ATTACK_PAGE)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


@pytest.mark.soak
@pytest.mark.browser
def test_in_a_real_browser_another_page_fails_and_the_persons_click_launches(
    webs: tuple[Web, Web], attacker: str, chromium: str | None
) -> None:
    """Image, fetch, form and WebSocket of another page start runs on the bare app and none on ours; a click does."""
    from playwright.sync_api import sync_playwright

    bare, ours = webs
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(attacker)
            before = ours.runs()
            assert page.evaluate("([port, query]) => attack(port, query)", [bare.port, LAUNCH]) == "open"
            assert ours.runs() == before + 4
            assert page.evaluate("([port, query]) => attack(port, query)", [ours.port, LAUNCH]) == "refused"
            assert ours.runs() == before + 4

            page.goto(f"http://127.0.0.1:{ours.port}/locations/apiledger/jobs/tiny/playground")
            page.get_by_role("button", name="Launch run").click(timeout=60_000)
            page.wait_for_url("**/runs/**", timeout=60_000)
            assert ours.runs() == before + 5
        finally:
            browser.close()
