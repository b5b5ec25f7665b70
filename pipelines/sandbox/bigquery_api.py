"""BigQuery of the sandbox, on loopback: answers the one query that a billing export is asked, page by page.

It reads the query's parameters, never its SQL: rows exported since, used since, of services like the asked ones.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_TABLE = {"projectId": "sandbox", "datasetId": "anon", "tableId": "answer"}
_SCHEMA = {"fields": [{"name": "told", "type": "STRING", "mode": "NULLABLE"}]}
_JOB = json.dumps(
    {
        "kind": "bigquery#job",
        "jobReference": {"projectId": "sandbox", "jobId": "job_1", "location": "EU"},
        "configuration": {"query": {"query": "", "destinationTable": _TABLE}},
        "status": {"state": "DONE"},
        "statistics": {"query": {}},
    }
).encode()


@dataclass
class BigQueryApi:
    """A table of export rows: `with BigQueryApi(rows) as api:` serves at `api.address`.

    A row is a JSON text of the export's own form. `faults` are taken one a request: a status, or `cut` for half an
    answer.
    """

    rows: list[str]
    page_rows: int = 1_000
    faults: list[str | int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def ask(self, body: dict[str, Any]) -> None:
        """Find the rows that a query's parameters name."""
        said = {one["name"]: one["parameterValue"]["value"] for one in body["queryParameters"]}
        since, first = _moment(said["since"]), _moment(said["first_day"])
        like = [text.replace("%", "*").replace("\\_", "_") for name, text in said.items() if name.startswith("service")]
        self.found = [text for text in self.rows if _is_asked(json.loads(text), since, first, like)]

    def page(self, start: int) -> dict[str, Any]:
        """One page of what was found, as jobs.query and getQueryResults answer."""
        page = self.found[start : start + self.page_rows]
        answer: dict[str, Any] = {
            "jobComplete": True,
            "jobReference": {"projectId": "sandbox", "jobId": "job_1", "location": "EU"},
            "schema": _SCHEMA,
            "totalRows": str(len(self.found)),
            "rows": [{"f": [{"v": text}]} for text in page],
        }
        if start + self.page_rows < len(self.found):
            answer["pageToken"] = str(start + self.page_rows)
        return answer


def _is_asked(row: dict[str, Any], since: datetime, first: datetime, like: Sequence[str]) -> bool:
    service = row["service"]["description"].lower()
    return (
        _moment(row["export_time"]) >= since
        and _moment(row["usage_start_time"]) >= first
        and any(fnmatch(service, pattern) for pattern in like)
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" UTC", "+00:00"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: BigQueryApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait 40 ms for a word that the first arrived.
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self) -> None:
        self._answer(None)

    def _answer(self, body: dict[str, Any] | None) -> None:
        api = self.server.api
        api.asked.append(self.path)
        fault = api.faults.pop(0) if api.faults else None
        parts = urlsplit(self.path)
        start = 0
        if isinstance(fault, int):
            reason = {"message": "made up", "reason": "accessDenied" if fault == 403 else "backendError"}
            self._send(fault, json.dumps({"error": {"code": fault, "errors": [reason], **reason}}).encode())
            return
        if body is not None and parts.path.endswith("/queries"):
            api.ask(body)
        elif "/jobs/" in parts.path:
            self._send(200, _JOB)
            return
        else:
            start = int((parse_qs(parts.query).get("pageToken") or ["0"])[0])
        told = json.dumps(api.page(start)).encode()
        self._send(200, told, cut=fault == "cut")

    def _send(self, status: int, body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
