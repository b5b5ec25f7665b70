"""A table as programs take it: JSON with money in decimal strings, CSV that no spreadsheet runs, Parquet."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dashboards.api.problem import Problem
from dashboards.views import download

# The word of `format=` and the media type it stands for; the first is taken where nothing is asked for.
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}


def chosen(word: str | None, accept: str) -> str:
    """The form that is asked for by `format=` or else by Accept; a Problem where Accept takes none of them."""
    if word is not None:
        return word
    wanted = _wanted(accept) if accept.strip() else {"*/*": 1.0}
    # The most particular range that fits a type says how it is liked.
    liked = {
        form: next((wanted[each] for each in (media, f"{media.partition('/')[0]}/*", "*/*") if each in wanted), 0.0)
        for form, media in MEDIA_TYPES.items()
    }
    best = max(liked, key=lambda form: liked[form])
    if liked[best] <= 0:
        raise Problem(
            406, "Accept takes none of the forms there are", f"accept one of: {', '.join(MEDIA_TYPES.values())}"
        )
    return best


def _wanted(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.split(","):
        media, *words = (word.strip().lower() for word in part.split(";"))
        quality = next((word[2:] for word in words if word.startswith("q=")), "1")
        try:
            found[media] = min(max(float(quality), 0.0), 1.0)
        except ValueError:
            found[media] = 0.0
    return found


def written(form: str, table: pa.Table, about: Mapping[str, Any]) -> bytes:
    """The bytes of a table; in JSON its rows stand beside `about`, the other forms are the rows alone."""
    if form == "csv":
        return download.csv_bytes(table)
    if form == "parquet":
        return download.parquet_bytes(table)
    rows = [{name: value_of(value) for name, value in row.items()} for row in table.to_pylist()]
    return json.dumps({**about, "rows": rows}, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def value_of(value: object) -> object:
    """A value as JSON has it: money and shares as decimal strings, days and moments (UTC) as RFC 3339."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return value.isoformat() if isinstance(value, date) else value
