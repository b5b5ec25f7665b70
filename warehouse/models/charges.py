"""raw_<provider>.cost* -> model.charges: one row per line of a provider's bill.

What LiteLLM's records, OpenAI's reports and Anthropic's share, and so what may be joined:

| dimension | LiteLLM record | OpenAI costs | OpenAI usage | Anthropic costs | Anthropic usage | joined |
| --- | --- | --- | --- | --- | --- | --- |
| UTC day | start time | bucket | bucket | bucket | bucket | yes, by all |
| provider | custom_llm_provider | all of it | all of it | all of it | all of it | yes, by all |
| account | organisation, team | the admin key's | the admin key's | the admin key's | the admin key's | by claim |
| model | the asked one | no: line_item is a phrase | dated snapshot | some lines | yes | usage and log, nearly |
| project | team's alias | project_id | project_id | workspace_id | workspace_id | no: ids of two worlds |
| key | hash of the gateway's | on request, since 2025-12 | api_key_id | no | api_key_id | no: another key |
| tokens by class | yes | quantity, some lines | yes, no reasoning | no | yes, no reasoning | by class, over a day |
| tier, batch | service_tier | in the phrase | batch, service_tier | standard, batch | service_tier | usage and log |
| context window | from the tokens | no | no | some lines | yes | no |
| calls | each | no | num_model_requests | no | no | OpenAI alone |
| call id, person, tag | yes | no | no | no | no | no |

So a bill and a log meet on provider, UTC day and connection, and nowhere below: the difference is one signed amount.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import polars as pl

from warehouse import bill_tables
from warehouse.tables import Table

# (connection_no, day, pull_no): the pull that told the day last.
Told = Sequence[tuple[int, date, int]]

_READ = {c.name: c.type for c in bill_tables.CHARGES.columns}


def read_lines(
    connection: duckdb.DuckDBPyConnection, source: Table, meaning: Mapping[str, str], report: str, told: Told
) -> pl.DataFrame:
    """One report's lines of some days as their newest pulls told them; columns of tables CHARGES."""
    connection.register("told", told_frame(told).to_arrow())
    sql = bill_tables.reading_sql(source, "raw_<provider>.cost", _READ, {"report": f"'{report}'", **meaning})
    lines = connection.execute(sql).pl()
    connection.unregister("told")
    return lines


def told_frame(told: Told) -> pl.DataFrame:
    """Days with their pulls as a frame to join."""
    schema = {"connection_no": pl.Int64, "day": pl.Date, "pull_no": pl.Int64}
    return pl.DataFrame(list(told), schema=schema, orient="row")


def write(connection: duckdb.DuckDBPyConnection, lines: pl.DataFrame, report: str, told: Told) -> None:
    """Replace a report's lines of some days; the caller holds the transaction."""
    name = bill_tables.CHARGES.full_name
    connection.register("told", told_frame(told).to_arrow())
    connection.execute(
        f"""DELETE FROM {name}
            WHERE report = ? AND (connection_no, day) IN (SELECT (connection_no, day) FROM told)""",
        [report],
    )
    connection.unregister("told")
    if lines.height:
        connection.register("lines", lines.to_arrow())
        selected = ", ".join(bill_tables.CHARGES.column_names)
        connection.execute(f"INSERT INTO {name} ({selected}) SELECT {selected} FROM lines")
        connection.unregister("lines")
