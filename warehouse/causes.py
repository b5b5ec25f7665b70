"""Why a gateway's log and a provider's bill differ: the causes by name, and the cells they are looked for in.

What the provider counted is held against what the log tells (`token_causes.py`), then what it billed against what it
counted (`bill_causes.py`). Nothing is guessed from an amount alone: a cause needs its own evidence, and what has none
stays unexplained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property

# What a model's tokens are told apart by: service tier, class of tokens. Calls ride along as a class without a price.
Bucket = tuple[str, str]
Tokens = Mapping[Bucket, int]
CALLS = "calls"

UNLOGGED, UNCLAIMED, CANCELLED, FAILED = "unlogged", "unclaimed", "cancelled_streams", "failed_calls"
TIER, CACHE, BOUNDARY, LATE, BAND = "service_tier", "cache_split", "day_boundary", "late_rows", "context_band"
PRICE, DISCOUNT, CREDIT, TAX, TOOL, FEE = "price", "discount", "credit", "tax", "tools", "fee"
APART, UNPRICED, ROUNDING, UNEXPLAINED = "billed_apart", "unpriced", "rounding", "unexplained"
CAUSES = {
    UNLOGGED: "Calls the gateway never saw: a key that goes past it, stray or leaked.",
    UNCLAIMED: "Calls of the log that do not say which of several connections paid for them.",
    CANCELLED: "Streams the caller broke off: the provider went on for a while, the log estimates their tokens.",
    FAILED: "Calls that failed at the gateway, after a timeout or before a retry, and were counted all the same.",
    TIER: "Calls the provider counted in another service tier than the log: batch, flex, priority.",
    CACHE: "Input that one side took for cached, or for written to the cache, and the other did not.",
    BOUNDARY: "Calls over midnight that the two sides put on different days.",
    LATE: "Calls of days whose log is not complete yet.",
    BAND: "Long-context prices that one side's totals cannot show.",
    PRICE: "A price that is not the list price, the same share on every day.",
    DISCOUNT: "What the bill itself takes off its list amounts.",
    CREDIT: "Credits and refunds on the bill.",
    TAX: "Taxes on the bill.",
    TOOL: "Searches and sessions that the provider counted, at their list price: a log tells of tokens alone.",
    FEE: "Charges that are no tokens and that nobody counted, or not at that price: storage, seats, other tools.",
    APART: "Tokens of a service tier that this bill leaves out, as Anthropic's does with Priority Tier.",
    UNPRICED: "Models without a known price: their cost is in the bill alone.",
    ROUNDING: "Amounts rounded by the provider, line by line.",
    UNEXPLAINED: "What none of these explains.",
}


@dataclass(frozen=True)
class Cell:
    """One connection's day and model: what the log tells and what the provider counted.

    `counted` is by the provider's key. `crossing` are tokens of logged calls that began on this day and ended on the
    next; `broken_off` is what the log tells of calls that their caller broke off. `usd_per_token` is the list price at
    its lowest band. `logged_usd` is at list, each call in its band; `counted_usd` the same where the provider's counts
    tell their band, else None.
    """

    day: date
    model: str
    logged: Tokens = field(default_factory=dict)
    counted: Mapping[int | None, Tokens] = field(default_factory=dict)
    crossing: Tokens = field(default_factory=dict)
    broken_off: Tokens = field(default_factory=dict)
    cancelled_requests: int = 0
    error_requests: int = 0
    logged_usd: Decimal = Decimal(0)
    counted_usd: Decimal | None = None
    usd_per_token: Mapping[Bucket, Decimal] = field(default_factory=dict)

    def price(self, bucket: Bucket) -> Decimal:
        """USD a token; 0 where no price is known."""
        return self.usd_per_token.get(bucket, Decimal(0))

    def usd(self, tokens: Tokens) -> Decimal:
        """Tokens at the lowest band of their list price; what has no price counts nothing."""
        return sum((n * self.price(bucket) for bucket, n in tokens.items()), Decimal(0))

    @cached_property
    def counted_in_all(self) -> dict[Bucket, int]:
        """What the provider counted with every key."""
        return added(*self.counted.values())

    @property
    def expected_usd(self) -> Decimal:
        """What was counted at list price; the log's bands are taken for it where the counts tell none."""
        if self.counted_usd is not None:
            return self.counted_usd
        return self.usd(self.counted_in_all) + self.logged_usd - self.usd(self.logged)


@dataclass(frozen=True)
class Difference:
    """A part of a day's difference, with its cause; positive where the bill is more than the log."""

    day: date
    cause: str
    amount_usd: Decimal
    model: str | None = None
    key_no: int | None = None
    token_class: str | None = None


def added(*sides: Tokens) -> dict[Bucket, int]:
    """The tokens of all sides together."""
    total: dict[Bucket, int] = {}
    for side in sides:
        for bucket, n in side.items():
            total[bucket] = total.get(bucket, 0) + n
    return total
