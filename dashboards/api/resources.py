"""What programs may ask for: each resource with its parameters, its columns, and the figures that answer it."""

from functools import partial

from dashboards.api import api_figures
from dashboards.api.parameter import Parameter
from dashboards.api.resource import FROM, TO, Column, Resource
from dashboards.figures import change_figures
from dashboards.figures.name_figures import Kind
from dashboards.figures.spend_filter import DIMENSIONS, HOURLY_DAYS, LONGEST_SEARCH, MOST_CHOSEN
from dashboards.rights import proof

_SEARCH = Parameter("q", "text", "Only what holds this text in one of its names.", most=LONGEST_SEARCH)
_WHOSE = {
    "account": "The account's label.",
    "project": "The project; null is none.",
    "team": "The team; null is none.",
    "key": "The key's name; null is none, as of what a bill adds.",
    "provider": "The provider.",
    "model": "The model; null is none.",
    "basis": "log: what calls cost; bill, usage, estimate, plan: what those say more or less than the calls.",
}
_USE = (
    Column("cost_usd", "money", "USD; null where no price is known. What is unpriced is in no sum."),
    Column("requests", "count", "Calls."),
    Column("error_requests", "count", "Calls that failed."),
    Column("input_tokens", "count", "Tokens that were sent, cached ones included."),
    Column("output_tokens", "count", "Tokens that came back."),
    Column("cache_read_tokens", "count", "Tokens that were read from a cache."),
    Column("unpriced_requests", "count", "Calls whose price nobody knows."),
)
_PROVIDER = Column("provider", "text", _WHOSE["provider"])
_ACCOUNT = Column("account", "text", _WHOSE["account"])
_COST, _REQUESTS = _USE[:2]
_UNPRICED = _USE[-1]
_NAMED_COLUMNS = (
    Column("name", "text", "What people call it here."),
    Column("owner", "text", "Who answers for it."),
    Column("tags", "text", "Its tags."),
    _COST,
    Column("before_usd", "money", "The same of as many days before."),
    Column("change_usd", "money", "What it costs more, or less."),
    _REQUESTS,
    _USE[2],
    Column("first_day", "day", "The first day it was used."),
    Column("last_day", "day", "The last day it was used."),
    Column("idle_days", "count", "Days since then, up to the last day asked for."),
)
_PAIR = (Column("day", "day", "The UTC day."), _PROVIDER)


def _named(kind: Kind, other: str, meaning: str) -> Resource:
    only = Parameter("only", "one_of", "unused: only those that nobody used on these days.", ("unused",))
    columns = (
        _ACCOUNT,
        Column(kind, "text", "What its log calls it today."),
        *_NAMED_COLUMNS,
        Column(other, "count", f"How many {other} there are of it."),
    )
    return Resource(
        f"/api/{kind}s", meaning, (FROM, TO, _SEARCH, only), columns, partial(api_figures.names, kind, other)
    )


RESOURCES = (
    Resource(
        "/api/spend",
        "Spend by time and names, as on the page of spend: days are those of the account's zone, newest first.",
        (
            FROM,
            TO,
            Parameter(
                "granularity",
                "one_of",
                f"A row an hour (UTC, at most {HOURLY_DAYS} days), day or month, or one for all of it.",
                ("hour", "day", "month", "total"),
                usual="day",
            ),
            Parameter("group_by", "some_of", "A row for each of these; empty is none.", (*DIMENSIONS,), usual=()),
            *(
                Parameter(name, "names", f"Only these, by exact name; empty is none. {meaning}", most=MOST_CHOSEN)
                for name, meaning in _WHOSE.items()
            ),
            _SEARCH,
        ),
        (
            Column("hour", "moment", "The hour's beginning.", is_asked=True),
            Column("day", "day", "The day.", is_asked=True),
            Column("month", "day", "The first day of the month.", is_asked=True),
            *(Column(name, "text", meaning, is_asked=True) for name, meaning in _WHOSE.items()),
            *_USE,
        ),
        api_figures.spend,
        cuts=True,
    ),
    Resource(
        "/api/models",
        "What each model costs, per 1,000 tokens and per request, its failures and its speed; dearest first.",
        (FROM, TO, _SEARCH),
        (
            _PROVIDER,
            Column("model", "text", "The model."),
            _COST,
            *_NAMED_COLUMNS[4:6],
            Column("per_1k_tokens_usd", "money", "USD for 1,000 tokens, of calls whose price is known."),
            Column("per_request_usd", "money", "USD a call, of calls whose price is known."),
            _REQUESTS,
            *_USE[3:5],
            Column("cached_share", "share", "Share of the tokens sent that were cached."),
            Column("error_share", "share", "Share of the calls that failed."),
            _USE[2],
            Column("error_cost_usd", "money", "What failed calls cost."),
            Column("retry_requests", "count", "Calls that repeat a failed one."),
            Column("retry_cost_usd", "money", "What those cost."),
            Column("p50_ms", "count", "Half of the calls took at most so many milliseconds."),
            Column("p95_ms", "count", "95 % of the calls took at most so many milliseconds."),
            _UNPRICED,
        ),
        api_figures.models,
    ),
    _named("key", "projects", "What each key costs, whose it is and when it was last used; dearest first."),
    _named("project", "keys", "What each project costs, whose it is and when it was last used; dearest first."),
    Resource(
        "/api/allocation",
        "What each cost centre took, by day and name; what no rule places is `unallocated`.",
        (FROM, TO, Parameter("cost_centre", "names", "Only these cost centres.", most=MOST_CHOSEN)),
        (
            Column("day", "day", "The UTC day."),
            Column("cost_centre", "text", "The cost centre."),
            Column("rule", "text", "The rule that placed it."),
            Column("split", "text", "direct, or how it was shared."),
            Column("basis", "text", _WHOSE["basis"]),
            *(Column(name, "text", meaning) for name, meaning in _WHOSE.items() if name != "basis"),
            _COST,
            _REQUESTS,
            _UNPRICED,
        ),
        api_figures.allocation,
    ),
    Resource(
        "/api/reconciliation",
        "Log, provider's count and bill of each day side by side, and what nobody explains; newest first.",
        (FROM, TO, Parameter("provider", "names", "Only these providers.", most=MOST_CHOSEN)),
        (
            *_PAIR,
            Column("log_cost_usd", "money", "What the gateway's log adds up to."),
            Column("usage_cost_usd", "money", "What the provider's own count adds up to."),
            Column("bill_cost_usd", "money", "What the bill says; null while there is none yet."),
            Column("difference_usd", "money", "Bill less log."),
            Column("unexplained_usd", "money", "The part of it that has no known cause."),
            Column("settlement", "text", "Whether the day may still change."),
        ),
        api_figures.reconciliation,
    ),
    Resource(
        "/api/reconciliation/causes",
        "Every part of every difference between log and bill: they add up to it.",
        (FROM, TO, Parameter("provider", "names", "Only these providers.", most=MOST_CHOSEN)),
        (
            *_PAIR,
            Column("model", "text", _WHOSE["model"]),
            Column("key", "text", _WHOSE["key"]),
            Column("token_class", "text", "The class of tokens; null is none."),
            Column("cause", "text", "Why."),
            Column("amount_usd", "money", "How much."),
        ),
        api_figures.causes,
    ),
    Resource(
        "/api/changes",
        "Which past days moved since, by how much, when and why; the largest first.",
        (
            Parameter("since", "day", f"Since which day; without it {change_figures.DEFAULT_DAYS} days ago."),
            Parameter("basis", "one_of", "Only figures of this kind.", change_figures.BASES),
        ),
        (
            *_PAIR,
            Column("source", "text", "Who told it."),
            Column("reason", "text", "Why it moved."),
            Column("before_usd", "money", "What it was."),
            Column("after_usd", "money", "What it is."),
            Column("moved_usd", "money", "By how much it moved."),
            Column("moved_requests", "count", "By how many calls."),
            Column("moved_tokens", "count", "By how many tokens."),
            Column("changed_at", "moment", "When."),
            Column("age_days", "count", "How old the day was then."),
            Column("settlement", "text", "Whether the day may still change."),
        ),
        api_figures.changes,
    ),
    Resource(
        "/api/budgets",
        "How far each budget of this month (UTC) is used, and where it ends if days go on as they went.",
        (),
        (
            _ACCOUNT,
            Column("project", "text", "The project it is for; null is the whole account."),
            Column("month", "day", "The first day of the month."),
            Column("monthly_usd", "money", "What may be spent in the month."),
            Column("spent_usd", "money", "What is spent; what is unpriced is not in it."),
            Column("left_usd", "money", "What is left of it."),
            Column("forecast_low_usd", "money", "Spend by the month's end at the pace of the quietest week."),
            Column("forecast_high_usd", "money", "The same of the busiest week."),
            _UNPRICED,
            Column("unpriced_high_usd", "money", "What the unpriced calls may add at most."),
            Column("thresholds_percent", "text", "The shares at which a mail goes out, such as 50,80,100."),
        ),
        api_figures.budgets,
        state=api_figures.state_of_budgets,
    ),
    Resource(
        "/api/freshness",
        "How far the figures of each provider go, by who told them, in the last 90 days.",
        (),
        (
            _PROVIDER,
            Column("basis", "text", "log, usage, bill, estimate or plan."),
            Column("last_day", "day", "The last UTC day there is."),
            Column("provisional_days", "count", "Days that may still change."),
            _UNPRICED,
        ),
        api_figures.freshness,
    ),
    Resource(
        "/api/promises",
        "Every promise of the privacy policy with each check of it: its last run, result and receipt.",
        (),
        (
            Column("promise", "text", "Its id in the policies."),
            Column("says", "text", "What is promised."),
            Column("state", "text", "kept, `not yet: …`, or `found wrong: …`."),
            Column("check", "text", "What carries it out or looks at it; `tests`: the program's own, not run here."),
            Column("last_run", "moment", "When that last ran; null is not yet, or not here."),
            Column("result", "text", "What came of it."),
            Column("wrong", "count", "How much was wrong."),
            Column("receipt", "text", "What the newest receipt is of: act, expiry, erasure, or tests, a run's record."),
            Column("receipt_no", "count", "Its number."),
            Column("receipt_sha256", "text", "The hash of it and of every one before it; null is expired."),
        ),
        lambda asking: proof.rows(asking.home),
        state=proof.state,
    ),
)
