"""The registry of providers that send bills: what a provider's file says about its API, and how the files are found.

Dropping a file that names a `BILLER` into `providers/` gives it raw tables, assets and, once its key is in the
environment, a connection.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from typing import Literal

import duckdb

from pipelines import providers
from pipelines.bills.billing_api import BillingApi
from pipelines.bills.delivery import Files
from pipelines.bills.odd_row import Told
from warehouse import bill_window
from warehouse.tables import Table

FIRST_BACKFILL_DAYS = 90


@dataclass(frozen=True)
class Report:
    """One report of a provider: the raw table it lands in, how the days `[first, after)` of it are read, what it means.

    `read` gives (day, rows) for every day the provider answered for, an empty list for a quiet one. A row has the raw
    table's columns after the day, with `project` and `key` (the provider's own ids) for `project_no` and `key_no`; one
    that cannot be read is an odd row.
    `meaning` is SQL over the raw table for columns of model.charges (kind costs), model.usage_reported (kind usage) or
    the balances that model.estimated_spend reads (kind balance) that it has under another name. A balance is of this
    moment: it is asked for one day, today, and stored once an hour.
    A report of files reads nothing so: their deliveries tell of a day part by part, and `part` is the raw column that
    says which; what they do not tell of stays.
    """

    name: str
    kind: Literal["costs", "usage", "balance"]
    table: Table
    read: Callable[[BillingApi, date, date], Iterator[tuple[date, list[Told]]]] = lambda *_: iter(())
    meaning: Mapping[str, str] = field(default_factory=dict)
    part: str | None = None


@dataclass(frozen=True)
class Biller:
    """A provider whose bills are pulled: where its API is, how its key is sent, how long it may correct a day.

    How long it may correct one is the provider's word where `window_is_published`; else what was measured takes the
    place of `lookback_days` once it was watched for long enough.
    `reach_days` is how many days back it tells of at all; `is_daily` asks it once a UTC day, where a question costs
    money. `probe` finds which of its dialects the key may read, for `BillingApi.dialect`.
    `key_prefix` is what its keys for bills begin with, where that is known; `other_keys` what those begin with that
    cannot read bills, with what they are called; `key_help` says where the right one is made, `policy_url` what the
    provider does with what it is asked. `beyond` finds what a key may do besides reading bills. Once a day the last
    `late_days` are read again: no more than its API still answers for, since a day without rows is a bill of nothing.
    `organisation_header` is the header in which each answer says whose key it was asked with.

    Where its bills come as files, `files` says how they are read: they may tell of several providers and payers, each a
    connection of its own.
    """

    name: str
    title: str
    lookback_days: int
    reports: tuple[Report, ...]
    address: str = ""
    key_variable: str = ""
    address_variable: str = ""
    headers: Callable[[str], Mapping[str, str]] = lambda _: {}
    files: Files | None = None
    reach_days: int | None = None
    is_daily: bool = False
    probe: Callable[[BillingApi], str] | None = None
    late_days: int = 62
    key_prefix: str = ""
    other_keys: Mapping[str, str] = field(default_factory=dict)
    key_help: str = ""
    policy_url: str = ""
    beyond: Callable[[BillingApi], str | None] = lambda _: None
    organisation_header: str = ""
    window_is_published: bool = False

    def window(self, build: duckdb.DuckDBPyConnection) -> tuple[int, str]:
        """How many days after its end a day has settled, and by what: published, measured or assumed."""
        if self.window_is_published:
            return self.lookback_days, "published"
        most_days = max(self.lookback_days, self.late_days)
        return bill_window.settles_after(build, self.name, self.lookback_days, most_days)

    def as_measured(self, build: duckdb.DuckDBPyConnection) -> "Biller":
        """The provider with the window that its days have by now."""
        return replace(self, lookback_days=self.window(build)[0])


@cache
def billers() -> dict[str, Biller]:
    """Every provider that sends bills, by name."""
    found = {}
    for module in sorted(pkgutil.iter_modules(providers.__path__), key=lambda entry: entry.name):
        if module.name.startswith("apiledger_"):
            # These run inside somebody else's process and are no source of ours.
            continue
        biller = getattr(importlib.import_module(f"{providers.__name__}.{module.name}"), "BILLER", None)
        if isinstance(biller, Biller):
            found[biller.name] = biller
    return found


def inboxes() -> tuple[str, ...]:
    """The sources whose bills may be dropped into `inbox/<source>/`."""
    return tuple(biller.name for biller in billers().values() if biller.files is not None)
