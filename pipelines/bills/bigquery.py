"""Google's billing export in BigQuery -> its rows since an export: the client library's query, read-only, page by page.

Credentials are Google's own (application default); an endpoint on this machine gets none. What is asked for is filtered
there by service, so that a whole cloud's rows are not moved; money comes as JSON, which says a double as it prints.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pipelines.bills import bill_file
from pipelines.bills.billing_api import is_loopback
from pipelines.errors import ProviderError
from warehouse.home import Home

_TABLE = re.compile(r"[a-z][\w-]{2,62}\.\w{1,120}\.[\w-]{1,200}")
_TRIES_S, _ANSWER_S = 60, 60
_PAGE_ROWS = 5_000
# An export may still be filling when it is first read.
AGAIN = timedelta(days=2)


@dataclass(frozen=True)
class BillingExport:
    """A table that a setting names, and where a query for it goes when another setting says so."""

    variable: str
    endpoint_variable: str

    def table(self, home: Home) -> str:
        """The table, `project.dataset.table`; nothing where none is named. A sandbox asks this machine alone."""
        named = os.environ.get(self.variable, "").strip().replace(":", ".")
        return "" if home.is_sandbox and not is_loopback(self._endpoint()) else named

    def _endpoint(self) -> str:
        return os.environ.get(self.endpoint_variable, "").strip()

    def rows(
        self, table: str, columns: bill_file.Columns, services: Sequence[str], since: datetime, first_day: date
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of services (patterns with `*`) exported at `since` or later, used on `first_day` or later, UTC.

        ProviderError where the table cannot be read; what came before is void then.
        """
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        if not _TABLE.fullmatch(table):
            raise ProviderError(f"{self.variable} has to be project.dataset.table")
        try:
            for (text,) in self._asked(table, services, since, first_day):
                row = json.loads(text, parse_float=Decimal)
                yield tuple(bill_file.walked(row, names[0].split(".")) for names in columns)
        except (GoogleAPIError, GoogleAuthError, RequestException) as error:
            raise ProviderError(
                f"BigQuery: {self.variable} cannot be read ({type(error).__name__}); look at the name, the rights "
                "(dataViewer, jobUser) and the credentials"
            ) from None
        except (TypeError, ValueError, KeyError):
            raise ProviderError("BigQuery: an answer of another form than documented; nothing was stored") from None

    def _asked(self, table: str, services: Sequence[str], since: datetime, first_day: date) -> Any:
        from google.api_core.retry import Retry
        from google.cloud import bigquery

        kept = " OR ".join(f"LOWER(service.description) LIKE @service{number}" for number in range(len(services)))
        query = f"""
            SELECT TO_JSON_STRING(STRUCT(
                billing_account_id, service, sku, usage_start_time, usage_end_time,
                STRUCT(project.id AS id, project.name AS name) AS project, location, export_time, cost, currency, usage,
                credits, invoice, cost_type)) AS told
            FROM `{table}`
            WHERE export_time >= @since AND usage_start_time >= @first_day AND ({kept or "FALSE"})
            ORDER BY export_time
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
        client = self._client(table.partition(".")[0])
        try:
            yield from client.query_and_wait(
                query,
                job_config=bigquery.QueryJobConfig(query_parameters=parameters, use_legacy_sql=False),
                page_size=_PAGE_ROWS,
                api_timeout=_ANSWER_S,
                wait_timeout=10 * _ANSWER_S,
                retry=Retry(timeout=_TRIES_S),
                job_retry=None,
            )
        finally:
            client.close()

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


def _like(pattern: str) -> str:
    return pattern.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")


BILLING_EXPORT = BillingExport("APILEDGER_GOOGLE_TABLE", "APILEDGER_BIGQUERY_API")
