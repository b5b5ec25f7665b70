"""The receipt of an erasure, for whoever has its address, signed in or not; until there is one the page waits."""

import hmac
import json
from html import escape
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form
from retention import verify_receipt
from warehouse import database
from warehouse.control import erasure as erasures
from warehouse.control.vault import Vault
from warehouse.home import Home

# In the order in which a person cares; what is not named is told by its table's name.
_TOLD = {
    "calls": ("requests", "calls"),
    "rows as the gateway told them": ("calls",),
    "tags of calls": ("request_tag",),
    "sums by hour, day and month": (
        "usage_hourly", "usage_daily", "usage_tag_daily", "usage_monthly", "latency_hourly", "latency_daily",
        "repriced_daily", "change", "spend_daily", "spend_summary_daily", "spend_summary_hourly", "use_monthly",
        "spend_local_daily", "spend_local_summary_daily",
        "failure_daily", "unclaimed_daily", "allocated_summary_daily", "reconciliation", "difference",
    ),
    "bills and what providers counted": ("charges", "bill_day", "usage_reported", "report_day", "pull", "built_pull"),
    "names": ("label", "project", "team", "key"),
    "ids of accounts, keys, projects, teams and people": ("outside_id",),
    "IP addresses with their user agents": ("client",),
    "accounts": ("account",),
    "members": ("member",),
    "sessions and links": ("session", "ticket"),
    "places of sign-ins, and failed ones": ("known_place", "throttle"),
    "policies accepted": ("acceptance",),
    "day of the last use": ("account_use",),
    "tokens for machines": ("token",),
    "labels held": ("claim",),
    "looks of the operator": ("opening",),
    "budgets, alerts and mails": ("budget", "alert", "mail"),
    "letters and notices": ("letter", "notice"),
    "requests by right, objections, restrictions": ("rights_request", "objection", "restriction"),
    "connections": ("connection", "consent"),
    "plans and invoices": ("plan", "invoice", "invoice_in_any_currency"),
    "credits": ("credit_entry", "credit_terms", "credit_claim", "credit_watch", "credit_notice", "credit_tx"),
    "upstreams, claimed": ("upstream_claim", "upstream_fit", "upstream_seen"),
    "keys of what was sealed": ("data_key",),
}  # fmt: skip
_NAMES = {table: name for name, tables in _TOLD.items() for table in tables}


def _proof(vault: Vault, erasure_no: int) -> str:
    """What makes the address of a receipt one that nobody guesses; it outlives the server."""
    return vault.lookup("erasure.receipt", str(erasure_no)).hex()


def address(vault: Vault, erasure_no: int) -> str:
    """The address of a receipt: below the dashboard, and nobody guesses it."""
    return f"/erased/{erasure_no}/{_proof(vault, erasure_no)}"


def _told(request: Request) -> tuple[bool, tuple[str, str, str] | None]:
    """Whether the address is one that was given out, and its receipt once there is one."""
    number, proof = int(request.path_params["number"]), request.path_params["proof"]
    with database.control(Home.own()) as control:
        if not hmac.compare_digest(_proof(Vault(control, session.now()), number).encode(), proof.encode()):
            return False, None
        return erasures.is_known(control, number), erasures.receipt_of(control, number)


def _receipt_page(request: Request) -> Response:
    is_given, told = _told(request)
    if not is_given:
        return form.missing(request)
    if told is None:
        waiting = (
            "<p>Nobody sees it any more, and no session of it lives. Now the bytes go: every table, file and older "
            "version, and then each file is searched. The receipt comes here by itself.</p>"
        )
        response = form.page(request, "Deleted; the bytes are going", lambda _: waiting)
        response.headers["Refresh"] = "2"
        return response
    body = _receipt(json.loads(told[0]), request.url.path)
    return form.page(request, "Deleted, with receipt", lambda _: body)


def _receipt(receipt: dict[str, Any], path: str) -> str:
    counted = dict.fromkeys(_TOLD, 0)
    for table, count in receipt["rows"].items():
        last = table.rpartition(".")[2]
        name = _NAMES.get(last, last.replace("_", " "))
        counted[name] = counted.get(name, 0) + count
    listed = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{count:,}</td></tr>' for name, count in counted.items() if count
    )
    places = {"still found in": receipt["found_in"], "could not be opened in": receipt["unread"]}
    found = "".join(
        f"<li>{what} {escape(str(place))}: {count} files</li>"
        for what, where in places.items()
        for place, count in where.items()
    )
    moment, searched = receipt["done_at"][:19].replace("T", " "), receipt["searched"]["files"]
    beyond = "".join(f"<li>{escape(str(each))}</li>" for each in receipt["beyond_reach"])
    return (
        f"<p>Erasure {receipt['erasure_no']}, {moment} UTC. {searched:,} files were searched afterwards"
        f"{': nothing was found.' if not found else '.'}</p>{f'<ul>{found}</ul>' if found else ''}"
        f'<p><a href="{escape(path)}/receipt.json" download>Save the receipt</a> · '
        '<a href="/erased/verify_receipt.py" download>Save the script that checks it</a></p>'
        "<p><small>It needs nothing but Python: <code>python3 verify_receipt.py receipt.json</code>. This page shows "
        "the receipt again under its address; nothing in it says who you were.</small></p>"
        '<h2>What is gone</h2><table aria-label="What is gone"><tr><th>Of</th><th class="n">Rows</th></tr>'
        f"{listed}</table>"
        f"<h2>What this could not reach</h2><ul>{beyond}</ul>"
    )


def _receipt_file(request: Request) -> Response:
    is_given, told = _told(request)
    if not is_given or told is None:
        return form.missing(request)
    return _file(verify_receipt.saved(*told), "receipt.json", "application/json")


def _verifier(_: Request) -> Response:
    return _file(Path(verify_receipt.__file__).read_text(encoding="utf-8"), "verify_receipt.py", "text/x-python")


def _file(content: str, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=media_type, headers=headers | {"X-Content-Type-Options": "nosniff"})


ROUTES = [
    Route("/erased/verify_receipt.py", _verifier, methods=["GET"]),
    Route("/erased/{number:int}/{proof}", _receipt_page, methods=["GET"]),
    Route("/erased/{number:int}/{proof}/receipt.json", _receipt_file, methods=["GET"]),
]
