"""BigQuery of the sandbox, on loopback: a table's columns, and the one query that a billing export is asked, by page.

It reads the query's parameters and which columns it names: rows exported since, counting since, of services like the
asked ones. A column that the table has not is refused, as BigQuery does; one that is not named is not told.
"""

import json
import re
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
# Columns that are records, with their fields.
_NESTED = {
    "service": ("id", "description"),
    "sku": ("id", "description"),
    "project": ("id", "number", "name"),
    "location": ("location", "region"),
    "usage": ("amount", "unit"),
    "invoice": ("month",),
}
STANDARD = """
    billing_account_id usage_start_time usage_end_time export_time cost currency currency_conversion_rate credits
    cost_type labels service sku project location usage invoice
""".split()  # noqa: SIM905 (names read better than literals)
# The 1.2 table as it was in 2026: no invoice's number, no frequency, no category of services.
FOCUS = """
    BilledCost BillingAccountId BillingCurrency BillingPeriodStart BillingPeriodEnd ChargeCategory ChargeClass
    ChargeDescription ChargePeriodStart ChargePeriodEnd ConsumedQuantity ConsumedUnit ContractedCost EffectiveCost
    ListCost PricingCategory PricingQuantity PricingUnit ProviderName PublisherName RegionId ServiceName SkuId
    SubAccountId SubAccountName x_Credits x_CostType x_ExportTime x_Labels x_ServiceId
""".split()  # noqa: SIM905 (names read better than literals)
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
    columns: Sequence[str] = tuple(STANDARD)
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

    def table(self) -> dict[str, Any]:
        """The table's columns, as tables.get answers."""
        fields = [
            {
                "name": name,
                "type": "RECORD" if name in _NESTED else "STRING",
                "fields": [{"name": inner, "type": "STRING"} for inner in _NESTED.get(name, ())],
            }
            for name in self.columns
        ]
        return {"kind": "bigquery#table", "tableReference": _TABLE, "schema": {"fields": fields}}

    def unknown(self, body: dict[str, Any]) -> list[str]:
        """What a query names that is no column of the table."""
        return sorted({name.split(".")[0] for name in _named(body["query"])} - {*self.columns})

    def ask(self, body: dict[str, Any]) -> None:
        """Find the rows that a query's parameters name, with the columns that it names."""
        said = {one["name"]: one["parameterValue"]["value"] for one in body["queryParameters"]}
        since, first = _moment(said["since"]), _moment(said["first_day"])
        like = [text.replace("%", "*").replace("\\_", "_") for name, text in said.items() if name.startswith("service")]
        named = {name.split(".")[0] for name in _named(body["query"])}
        self.found = [
            json.dumps({name: value for name, value in json.loads(text).items() if name in named})
            for text in self.rows
            if _is_asked(json.loads(text), since, first, like, with_null="COALESCE" in body["query"])
        ]

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


def _named(query: str) -> list[str]:
    """The columns of a SELECT: `STRUCT(project.id AS id) AS project, cost` are project.id and cost."""
    selected = query.partition("TO_JSON_STRING(STRUCT(")[2].partition(")) AS told")[0]
    return re.findall(r"[\w.]+", re.sub(r"STRUCT\(|\)| AS \w+", "", selected))


def _is_asked(row: dict[str, Any], since: datetime, first: datetime, like: Sequence[str], *, with_null: bool) -> bool:
    is_focus = "ChargePeriodStart" in row
    service = (row["ServiceName"] if is_focus else row["service"]["description"]).lower()
    counts = ("ChargePeriodStart", "BillingPeriodStart") if is_focus else ("usage_start_time",)
    exported, counted = row["x_ExportTime" if is_focus else "export_time"], [row[name] for name in counts]
    return (
        (with_null if exported is None else _moment(exported) >= since)
        and (with_null if None in counted else max(map(_moment, counted)) >= first)
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
        if "/tables/" in parts.path:
            self._send(200, json.dumps(api.table()).encode(), cut=fault == "cut")
            return
        if body is not None and parts.path.endswith("/queries"):
            if unknown := api.unknown(body):
                reason = {"message": f"Unrecognized name: {unknown[0]}", "reason": "invalidQuery"}
                self._send(400, json.dumps({"error": {"code": 400, "errors": [reason], **reason}}).encode())
                return
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
