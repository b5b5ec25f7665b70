"""raw_openai.costs, raw_anthropic.cost_report -> model.charges: one row per line of a provider's bill.

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

from collections.abc import Sequence
from datetime import date

import duckdb
import polars as pl

from warehouse import bill_tables

# (connection_no, day, pull_no): the pull that told the day last.
Told = Sequence[tuple[int, date, int]]

_OPENAI = """
    SELECT day, connection_no, project_no, line_item AS line, NULL::VARCHAR AS model, NULL::VARCHAR AS service_tier,
        NULL::VARCHAR AS token_type, amount_usd, quantity, quantity_unit
    FROM raw_openai.costs SEMI JOIN told USING (connection_no, day, pull_no)"""
_ANTHROPIC = """
    SELECT day, connection_no, project_no, description AS line, model, service_tier,
        token_type, amount_usd, NULL::DECIMAL(38,12) AS quantity, NULL::VARCHAR AS quantity_unit
    FROM raw_anthropic.cost_report SEMI JOIN told USING (connection_no, day, pull_no)"""
SELECTS = {"openai": _OPENAI, "anthropic": _ANTHROPIC}


def read_lines(connection: duckdb.DuckDBPyConnection, provider: str, told: Told) -> pl.DataFrame:
    """The bill's lines of some days as their newest pulls told them; columns of tables CHARGES."""
    connection.register("told", told_frame(told).to_arrow())
    lines = connection.execute(SELECTS[provider]).pl()
    connection.unregister("told")
    return lines


def told_frame(told: Told) -> pl.DataFrame:
    """Days with their pulls as a frame to join."""
    schema = {"connection_no": pl.Int64, "day": pl.Date, "pull_no": pl.Int64}
    return pl.DataFrame(list(told), schema=schema, orient="row")


def write(connection: duckdb.DuckDBPyConnection, lines: pl.DataFrame, told: Told) -> None:
    """Replace the days' lines; the caller holds the transaction."""
    name = bill_tables.CHARGES.full_name
    connection.register("told", told_frame(told).to_arrow())
    connection.execute(f"DELETE FROM {name} WHERE (connection_no, day) IN (SELECT (connection_no, day) FROM told)")
    connection.unregister("told")
    if lines.height:
        connection.register("lines", lines.to_arrow())
        selected = ", ".join(bill_tables.CHARGES.column_names)
        connection.execute(f"INSERT INTO {name} SELECT {selected} FROM lines")
        connection.unregister("lines")
