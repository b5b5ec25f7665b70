"""A gateway's days, with lines that come late or again, and what must be counted: a sum that deletes nothing."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from pipelines.orchestration.retain import Night, expire_home
from retention.clock import Reading
from tests.pipelines.gateway_log import put, take_in
from warehouse import database
from warehouse.home import Home

FIRST = date(2026, 1, 1)
MODEL_PRICES = {"gpt-4o": (Decimal("2.5"), Decimal(10)), "gpt-4o-mini": (Decimal("0.15"), Decimal("0.6"))}
# Everything expires within two months.
SHORT = "[kept_days]\nR-client = 5\nR-requests = 10\nR-hourly = 20\nR-people = 25\nR-daily = 31\n"


@dataclass
class Days:
    """Days of made-up calls; `truth` counts requests, tokens, list and logged cost by month and model, `by_day` by day.

    Nothing is ever taken from either.
    """

    calls_a_day: int = 6
    seed: int = 7
    truth: dict[tuple[date, str], Counter[str]] = field(default_factory=dict)
    by_day: dict[tuple[date, str], Counter[str]] = field(default_factory=dict)
    too_late: int = 0
    _lines: dict[date, list[str]] = field(default_factory=dict)

    def log(self, today: date, closed_after: int) -> list[str]:
        """What the gateway writes on a day: its calls, some of the last days', some lines again, one far too late."""
        drawn = random.Random(f"{self.seed}-{today}")  # noqa: S311 (repeatable, not secret)
        lines = [self._line(today, f"{number}", drawn) for number in range(self.calls_a_day)]
        for back in (1, 3, 5, 8):
            if (day := today - timedelta(days=back)) >= FIRST:
                lines.append(self._line(day, f"late{back}", drawn))
                lines += drawn.sample(self._lines[day], min(2, len(self._lines[day])))
        old = today - timedelta(days=closed_after + 2)
        if old >= FIRST:
            lines += [self._line(old, "too-late", drawn, counts=False), *self._lines[old][:2]]
            self.too_late += 3
        drawn.shuffle(lines)
        return lines

    def _line(self, day: date, name: str, drawn: random.Random, *, counts: bool = True) -> str:
        model = drawn.choice(tuple(MODEL_PRICES))
        tokens = drawn.randrange(1, 10_000), drawn.randrange(1, 3_000)
        cost = Decimal(drawn.randrange(1, 10**9)) / 10**12
        told = {
            "request_id": f"call-{day}-{name}",
            "ts": f"{day}T{drawn.randrange(24):02}:15:00Z",
            "account_id": "acme",
            "key_id": f"key {drawn.randrange(3)}",
            "user_id": f"user {drawn.randrange(5)}",
            "tags": [f"tag-{day}"],
            "provider": "openai",
            "model": model,
            "input_tokens": tokens[0],
            "output_tokens": tokens[1],
            "status": "ok",
            "latency_ms": 100 + drawn.randrange(900),
            "ip": f"203.0.113.{drawn.randrange(250)}",
            "user_agent": f"client/{day}",
            "cost": f"{cost:f}",
        }
        line = json.dumps(told)
        if counts:
            self._lines.setdefault(day, []).append(line)
            price = MODEL_PRICES[model]
            listed = (tokens[0] * price[0] + tokens[1] * price[1]) / 10**6
            counted = {"requests": 1, "input": tokens[0], "output": tokens[1], "list": listed, "logged": cost}
            self.truth.setdefault((day.replace(day=1), model), Counter()).update(counted)
            self.by_day.setdefault((day, model), Counter()).update(counted)
        return line

    def live(self, home: Home, today: date, closed_after: int, *, hour: int = 23, days: int = 1) -> None:
        """One pass with the logs of the last days up to today."""
        for back in reversed(range(days)):
            day = today - timedelta(days=back)
            put(home, f"{day}.jsonl", self.log(day, closed_after))
        take_in(home, datetime(today.year, today.month, today.day, hour))  # noqa: DTZ001 (naive moments are UTC here)


def night_of(home: Home, today: date, *, looked_at: bool = True) -> Night:
    """The expiry in the night after a day, by a clock that runs as it should, or that was looked at."""
    now = datetime(today.year, today.month, today.day, 2, 40) + timedelta(days=1)  # noqa: DTZ001 (the same)
    return expire_home(home, reading(now), lambda *_: None, clock_is_right=looked_at)


def reading(now: datetime, *, ahead: timedelta = timedelta(0), boot: str = "one") -> Reading:
    """A machine's clock beside its uptime; `ahead` is by how much the clock is wrong."""
    return Reading(now + ahead, boot, now.timestamp())


def months(home: Home) -> dict[tuple[date, str], dict[str, object]]:
    """What the build's months hold, in the form of the truth."""
    return _sums(home, "model.usage_monthly", "month")


def days_by_month(home: Home) -> dict[tuple[date, str], dict[str, object]]:
    """What the build's days hold, by month, in the form of the truth."""
    return _sums(home, "model.usage_daily", "date_trunc('month', day)::DATE")


def days(home: Home) -> dict[tuple[date, str], dict[str, object]]:
    """What the build's days hold, in the form of the truth by day."""
    return _sums(home, "model.usage_daily", "day")


def hours_by_day(home: Home) -> dict[tuple[date, str], dict[str, object]]:
    """What the build's hours hold, by day."""
    return _sums(home, "model.usage_hourly", "hour::DATE")


def calls_by_day(home: Home) -> dict[tuple[date, str], dict[str, object]]:
    """What the build's calls hold, by day."""
    return _sums(home, "model.requests", "requested_at::DATE", requests="count(*)")


def sealed_clients(home: Home) -> dict[str, set[bytes]]:
    """What is sealed of clients, by day: the bytes that must be gone."""
    with database.control(home) as control:
        rows = control.execute("SELECT day, sealed_ip, sealed_user_agent FROM client").fetchall()
    found: dict[str, set[bytes]] = {}
    for day, *sealed in rows:
        found.setdefault(day, set()).update(text.encode() for text in sealed)
    return found


def _sums(
    home: Home, table: str, when: str, requests: str = "sum(requests)"
) -> dict[tuple[date, str], dict[str, object]]:
    with database.published(home) as connection:
        rows = connection.execute(
            f"""SELECT {when}, model, {requests}::BIGINT, sum(input_tokens)::BIGINT, sum(output_tokens)::BIGINT,
                  sum(list_cost_usd), sum(logged_cost_usd) FROM {table} GROUP BY ALL"""
        ).fetchall()
    names = ("requests", "input", "output", "list", "logged")
    return {(moment, model): dict(zip(names, sums, strict=True)) for moment, model, *sums in rows}
