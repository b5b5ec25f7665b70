"""Vercel's AI Gateway as the sandbox serves it: `/report` by day and model, from a bill."""

from datetime import date, timedelta
from typing import Any

from pipelines.sandbox.admin_api import AdminApi, RequestError
from pipelines.sandbox.bill import Bill
from warehouse import money

Query = dict[str, list[str]]


def serve(bill: Bill, key: str, port: int = 0) -> AdminApi:
    """Vercel's reporting API with one bill; a context manager. It takes `key` alone."""
    return AdminApi(bill, f"Bearer {key}", "Authorization", {"/report": _report}, port=port)


def _report(api: AdminApi, query: Query) -> dict[str, Any]:
    first, last = (date.fromisoformat(query[name][0]) for name in ("start_date", "end_date"))
    if query.get("date_part") != ["day"] or query.get("group_by") != ["model"] or last < first:
        raise RequestError("date_part, group_by or the range")
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    billed, results = api.lines_of(days), []
    for day, rows in api.usage_of(days).items():
        for model in sorted({row["model"] for row in rows}):
            of_model = [row for row in rows if row["model"] == model]
            pico = sum(line["pico"] for line in billed.get(day, []) if line["model"] == model)
            results.append(
                {
                    "day": day.isoformat(),
                    "model": model,
                    "total_cost": money.from_pico(pico),
                    "market_cost": money.from_pico(pico),
                    "input_tokens": sum(row["uncached_tokens"] + row["cache_read_tokens"] for row in of_model),
                    "output_tokens": sum(row["text_out_tokens"] for row in of_model),
                    "cached_input_tokens": sum(row["cache_read_tokens"] for row in of_model),
                    "cache_creation_input_tokens": 0,
                    "reasoning_tokens": 0,
                    "request_count": sum(row["requests"] for row in of_model),
                }
            )
    return {"results": results}
