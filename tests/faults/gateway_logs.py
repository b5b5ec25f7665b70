"""Logs of two gateways with a known answer: each call's id and tokens, told once, twice, or in two files."""

import gzip
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from warehouse.home import Home

FIRST_DAY = datetime(2026, 11, 2)  # noqa: DTZ001 (naive moments are UTC here)
GATEWAYS = ("gateway_jsonl", "litellm")
# Above the size from which a file is read in columns.
LONG_FILE = 3_600


@dataclass
class Truth:
    """What the logs hold: input and output tokens by call id."""

    calls: dict[str, tuple[int, int]] = field(default_factory=dict)

    def drop(self, home: Home, batch: int, files: int = 5, rows: int = 120) -> None:
        """Write a batch of files for both gateways into the inbox, as gateways do: renamed into place."""
        flat = home.inbox / "gateway_jsonl"
        lines: list[str] = []
        for number in range(files):
            before = lines
            lines = [self._flat(f"flat-{batch}-{number}-{row}", row) for row in range(rows)]
            # A third of the file before is told again.
            _renamed(flat / f"{batch}-{number}.jsonl", "\n".join(lines + before[: rows // 3]).encode())
        long = [self._flat(f"long-{batch}-{row}", row) for row in range(LONG_FILE if batch == 0 else rows)]
        _renamed(flat / f"{batch}-long.jsonl", "\n".join(long).encode())
        _renamed(flat / f"{batch}-again.jsonl.gz", gzip.compress("\n".join(lines).encode()))
        wide = [self._wide(f"wide-{batch}-{row}", row) for row in range(rows)]
        _renamed(home.inbox / "litellm" / f"{batch}.jsonl", "\n".join(wide).encode())

    def _flat(self, call: str, row: int) -> str:
        tokens = self._known(call, row)
        return json.dumps(
            {
                "request_id": call,
                "ts": f"{_moment(row).isoformat()}Z",
                "account_id": f"account-{row % 7}",
                "key_id": f"key-{row % 13}",
                "user_id": f"user-{row % 31}",
                "provider": "openai",
                "model": ("gpt-4o", "gpt-4o-mini")[row % 2],
                "input_tokens": tokens[0],
                "output_tokens": tokens[1],
                "status": "ok",
                "latency_ms": 100 + row,
                "ip": f"203.0.113.{row % 250}",
                "user_agent": "OpenAI/Python 2.1 (a made-up client with a name as long as they are)",
                "cost": f"0.00{1000 + row}",
            }
        )

    def _wide(self, call: str, row: int) -> str:
        tokens = self._known(call, row)
        started = _moment(row)
        record: dict[str, Any] = {
            "request_id": call,
            "litellm_call_id": call,
            "startTime": started.isoformat(),
            "endTime": (started + timedelta(seconds=1)).isoformat(),
            "model": "openai/gpt-4o",
            "custom_llm_provider": "openai",
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "spend": 0.25,
            "status": "success",
            "api_key": f"hash-{row % 5}",
            "team_id": f"team-{row % 3}",
            "metadata": "{}",
        }
        return json.dumps(record)

    def _known(self, call: str, row: int) -> tuple[int, int]:
        self.calls[call] = (1000 + row, 7 + row % 90)
        return self.calls[call]


def _moment(row: int) -> datetime:
    return FIRST_DAY + timedelta(minutes=97 * (row % 100), milliseconds=row)


def _renamed(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.rename(path)
