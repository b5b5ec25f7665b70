"""Google's billing export in BigQuery -> its rows since an export: the client library's query, read-only, page by page.

Credentials are Google's own (application default); an endpoint on this machine gets none. What is asked for is filtered
there by service, so that a whole cloud's rows are not moved; money comes as JSON, which says a double as it prints. A
column is asked for where the table has it: exports get columns with the years, and views leave some out.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipelines.bills import bill_file
from pipelines.bills.ai_service import AiServices
from pipelines.bills.billing_api import is_loopback
from pipelines.bills.charge import Charge, Whose
from pipelines.bills.json_number import exact, whole
from pipelines.errors import ProviderError
from warehouse.home import Home

_TABLE = re.compile(r"[a-z][\w-]{2,62}\.\w{1,120}\.[\w-]{1,200}")
_TRIES_S, _ANSWER_S = 60, 60
_PAGE_ROWS = 5_000
# An export may still be filling when it is first read.
AGAIN = timedelta(days=2)


@dataclass(frozen=True)
class Form:
    """A form of the export: its columns, the first `needed` of which a table has to have, and what a row means.

    `whose` says whose bill lacks a row that means nothing. `exported`, `counts_from` and `service` are SQL for when a
    row was exported, from when on it counts, and of what service it is.
    """

    columns: bill_file.Columns
    needed: int
    charges: Callable[[tuple[Any, ...], AiServices], Sequence[Charge] | None]
    whose: Callable[[tuple[Any, ...], AiServices], Whose | None]
    exported: str
    counts_from: str
    service: str


@dataclass(frozen=True)
class BillingExport:
    """A table that a setting names, and where a query for it goes when another setting says so.

    It is in the form that `form_variable` says, else in the first whose mark is in the table's name; "" is in all.
    `part` is the raw column that says which export a row came with.
    """

    variable: str
    endpoint_variable: str
    form_variable: str
    forms: Mapping[str, Form]
    marks: Mapping[str, str]
    part: str

    def table(self, home: Home) -> str:
        """The table, `project.dataset.table`; nothing where none is named. A sandbox asks this machine alone."""
        named = os.environ.get(self.variable, "").strip().replace(":", ".")
        return "" if home.is_sandbox and not is_loopback(self._endpoint()) else named

    def form(self, table: str) -> Form:
        """The form a table is in; ProviderError where the setting names none."""
        said = os.environ.get(self.form_variable, "").strip().lower()
        if said and said not in self.forms:
            raise ProviderError(f"{self.form_variable} is one of {', '.join(self.forms)}")
        return self.forms[said or next(name for mark, name in self.marks.items() if mark in table)]

    def _endpoint(self) -> str:
        return os.environ.get(self.endpoint_variable, "").strip()

    def rows(
        self, table: str, form: Form, services: Sequence[str], since: datetime, first_day: date
    ) -> Iterator[tuple[Any, ...] | None]:
        """Rows of services (patterns with `*`) exported at `since` or later that count on `first_day` or later, UTC.

        One that does not say when is given each time; what is no row at all is None. ProviderError where the table
        cannot be read; what came before is void then.
        """
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        if not _TABLE.fullmatch(table):
            raise ProviderError(f"{self.variable} has to be project.dataset.table")
        try:
            client = self._client(table.partition(".")[0])
            try:
                names = _there(client, table, form)
                for (text,) in _asked(client, table, form, [n for n in names if n], services, since, first_day):
                    yield _values(text, names)
            finally:
                client.close()
        except (GoogleAPIError, GoogleAuthError, RequestException) as error:
            raise ProviderError(
                f"BigQuery: {self.variable} cannot be read ({type(error).__name__}); look at the name, the rights "
                "(dataViewer, jobUser) and the credentials"
            ) from None
        except (TypeError, ValueError, KeyError):
            raise ProviderError("BigQuery: an answer of another form than documented; nothing was stored") from None

    def _client(self, project: str) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery

        endpoint = self._endpoint()
        if not endpoint:
            return bigquery.Client(project=project)
        if not is_loopback(endpoint):
            if not endpoint.startswith("https://"):
                raise ProviderError(f"{self.endpoint_variable} has to be https://host (http on this machine alone)")
            return bigquery.Client(project=project, client_options={"api_endpoint": endpoint})
        credentials = AnonymousCredentials()
        return bigquery.Client(project=project, credentials=credentials, client_options={"api_endpoint": endpoint})


def _there(client: Any, table: str, form: Form) -> list[str]:
    """The name under which the table has each column of a form, or nothing; ProviderError where a needed one misses."""
    from google.api_core.retry import Retry

    schema = client.get_table(table, retry=Retry(timeout=_TRIES_S), timeout=_ANSWER_S).schema
    there = {field.name for field in schema}
    there |= {f"{field.name}.{inner.name}" for field in schema for inner in field.fields}
    found = [next((name for name in names if name in there), "") for names in form.columns]
    missing = [form.columns[place][0] for place in range(form.needed) if not found[place]]
    if missing:
        raise ProviderError(f"BigQuery: the table has no column {', '.join(missing)}; is it a billing export?")
    return found


def _values(text: object, names: Sequence[str]) -> tuple[Any, ...] | None:
    try:
        row = json.loads(str(text), parse_float=exact, parse_int=whole, parse_constant=exact)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    return tuple(bill_file.walked(row, name.split(".")) if name else None for name in names)


def _asked(
    client: Any, table: str, form: Form, names: list[str], services: Sequence[str], since: datetime, first_day: date
) -> Any:
    from google.api_core.retry import Retry
    from google.cloud import bigquery

    kept = " OR ".join(f"LOWER({form.service}) LIKE @service{number}" for number in range(len(services)))
    query = f"""
        SELECT TO_JSON_STRING(STRUCT({_selected(names)})) AS told
        FROM `{table}`
        WHERE COALESCE({form.exported} >= @since, TRUE) AND COALESCE({form.counts_from} >= @first_day, TRUE)
            AND ({kept or "FALSE"})
        ORDER BY {form.exported}
    """
    start = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC)
    parameters = [
        bigquery.ScalarQueryParameter("since", "TIMESTAMP", since.replace(tzinfo=UTC)),
        bigquery.ScalarQueryParameter("first_day", "TIMESTAMP", start),
        *(
            bigquery.ScalarQueryParameter(f"service{number}", "STRING", _like(pattern))
            for number, pattern in enumerate(services)
        ),
    ]
    return client.query_and_wait(
        query,
        job_config=bigquery.QueryJobConfig(query_parameters=parameters, use_legacy_sql=False),
        page_size=_PAGE_ROWS,
        api_timeout=_ANSWER_S,
        wait_timeout=10 * _ANSWER_S,
        retry=Retry(timeout=_TRIES_S),
        job_retry=None,
    )


def _selected(names: Sequence[str]) -> str:
    """Columns as a SELECT has them; of a nested one the wanted fields alone, since others name people."""
    inner: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        top, _, field = name.partition(".")
        inner.setdefault(top, []).extend([field] if field else [])
    return ", ".join(
        f"STRUCT({', '.join(f'{top}.{field} AS {field}' for field in fields)}) AS {top}" if fields else top
        for top, fields in inner.items()
    )


def _like(pattern: str) -> str:
    return pattern.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
