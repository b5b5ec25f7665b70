"""P2: real LiteLLM records (13 kB, nested) to columns, against DuckDB's read_json projection of the same fields."""

import gzip
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.gateways import file_stream, litellm_file
from pipelines.providers import litellm
from warehouse import database

QUESTION = "real LiteLLM records to columns"
_SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "litellm_gateway_logs"


def prepare(rows: int, folder: Path) -> None:
    """The recorded payloads again and again, to `rows` lines."""
    path = folder / f"nested-{rows}.jsonl"
    if not path.exists():
        packed = (_SHARED / "azure_conv_985_standard_logging_payload.jsonl.gz").read_bytes()
        records = gzip.decompress(packed).splitlines()
        with path.open("wb") as out:
            for number in range(rows):
                out.write(records[number % len(records)] + b"\n")


def ours(rows: int, folder: Path, work: Path) -> list[int]:
    """The record's columns, as a file of this size is read."""
    path = folder / f"nested-{rows}.jsonl"
    with database.scratch(work / "spill") as connection, file_stream.opened(connection, path) as parts:
        queries = [litellm.meaning_sql(litellm_file.payload_sql(part)) for part in parts]
        table = pa.Table.from_batches(file_stream.batches(connection, queries, {}))
        return [table.num_rows, int(sum(table.column("input_tokens").to_pylist()))]


def yardstick(rows: int, folder: Path, _work: Path) -> list[int]:
    """The fields that a column list can name, to Arrow."""
    columns = (
        "{litellm_call_id: 'VARCHAR', id: 'VARCHAR', startTime: 'DOUBLE', endTime: 'DOUBLE', model: 'VARCHAR', "
        "custom_llm_provider: 'VARCHAR', api_base: 'VARCHAR', prompt_tokens: 'BIGINT', completion_tokens: 'BIGINT', "
        "response_cost: 'DOUBLE', status: 'VARCHAR', request_tags: 'VARCHAR[]', end_user: 'VARCHAR', "
        "requester_ip_address: 'VARCHAR', user_agent: 'VARCHAR', "
        "error_information: 'STRUCT(error_code VARCHAR, error_class VARCHAR)', "
        "metadata: 'STRUCT(user_api_key_hash VARCHAR, user_api_key_alias VARCHAR, user_api_key_team_id VARCHAR, "
        "user_api_key_org_id VARCHAR, user_api_key_project_id VARCHAR, user_api_key_user_id VARCHAR, "
        "usage_object STRUCT(prompt_tokens_details STRUCT(cached_tokens BIGINT, audio_tokens BIGINT), "
        "completion_tokens_details STRUCT(reasoning_tokens BIGINT)))'}"
    )
    with duckdb.connect() as connection:
        source = f"read_json('{folder / f'nested-{rows}.jsonl'}', format='newline_delimited', columns={columns})"
        table = connection.execute(f"FROM {source}").to_arrow_table()
        return [table.num_rows, int(sum(table.column("prompt_tokens").to_pylist()))]
