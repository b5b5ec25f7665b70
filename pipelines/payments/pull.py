"""Stripe's API -> raw_stripe.transactions: each balance transaction once, whatever was read before.

Asked is from a little before the newest that is stored; once a day a month back, for what was long under way. What is
stored says where to go on, so a build that was put back is filled again by itself. Nothing listens on the network.
What cannot be read is held back and said; what it was asked with is asked again once a day, until all can be read.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipelines import erasing
from pipelines.bills.billing_api import BillingApi, Clock, is_loopback
from pipelines.bills.odd_row import OddRow
from pipelines.errors import GaveWayError, PipelineError, ProviderError
from pipelines.materialization import dlt_load
from pipelines.providers import stripe
from pipelines.providers.stripe import RAW_TRANSACTIONS, Told
from retention import stones_anywhere
from warehouse import database
from warehouse.control import payment_claim, tombstone
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.errors import BusyError, KeyUnavailableError
from warehouse.home import Home

Progress = Callable[[str, int, int], None]
_BACK, _FAR_BACK = timedelta(days=3), timedelta(days=31)
_STATE = "stripe_state"
_ALWAYS = "always"
# Stripe gives so many at once.
_PAGE = 100
_FRAME: dict[str, Any] = {"BIGINT": pl.Int64, "VARCHAR": pl.String, "TIMESTAMP": pl.Datetime("us")}


@dataclass
class Paid:
    """What a pull gave: transactions read and stored anew, and held back; `skipped` says why there was none."""

    read: int = 0
    new: int = 0
    held_back: int = 0
    skipped: str | None = None


def is_connected(home: Home) -> bool:
    """Whether a key is in the environment; a sandbox asks no one but a server of this machine."""
    return bool(_key()) and (not home.is_sandbox or is_loopback(_address()))


def _key() -> str:
    return os.environ.get(stripe.KEY_VARIABLE, "").strip()


def _address() -> str:
    return os.environ.get(stripe.ADDRESS_VARIABLE) or stripe.ADDRESS


def pull_or_say(home: Home, now: datetime, progress: Progress, clock: Clock | None = None) -> Paid:
    """Read what is new; where that cannot be, say why, and the rest goes on. `now` is UTC, naive."""
    if not is_connected(home):
        return Paid(skipped=f"{stripe.KEY_VARIABLE} is not set")
    try:
        paid = pull(home, now, progress, clock)
    except (PipelineError, KeyUnavailableError, BusyError) as error:
        paid = Paid(skipped=str(error))
    with database.control(home) as control:
        _note(control, {"skipped": paid.skipped, "since": paid.skipped and database.stamp(now)})
    return paid


def pull(home: Home, now: datetime, progress: Progress, clock: Clock | None = None) -> Paid:
    """Read what is new; ProviderError where Stripe gives no usable answer, or the key is none that only reads."""
    if not _key().startswith(stripe.KEY_PREFIX) and not is_loopback(_address()):
        raise ProviderError(f"{stripe.KEY_VARIABLE} holds no restricted key, and was sent nowhere; {stripe.KEY_HELP}")
    while True:
        erasing.resume(home, now, progress)
        try:
            return _pulled(home, now, progress, clock)
        except GaveWayError:
            progress(erasing.GAVE_WAY, 1, 1)


def _pulled(home: Home, now: datetime, progress: Progress, clock: Clock | None) -> Paid:
    with _alone(home):
        with database.held(home.build_lock), database.build(home) as build:
            newest = _newest(build)
        with database.control(home) as control:
            state = _state(control)
        is_far = newest is None or state.get("far_day") != str(now.date())
        progress("asking stripe", 0, 1)
        since = None if newest is None else newest - (_FAR_BACK if is_far else _BACK)
        if is_far and since is not None and (begun := state.get("held_back_since")):
            since = None if begun == _ALWAYS else min(since, database.moment(begun))
        field = os.environ.get(stripe.FIELD_VARIABLE, "").strip() or None
        told: list[Told] = []
        odd: list[str] = []
        with database.control(home) as control:
            clock = clock or Clock(sleep=partial(erasing.sleep, home, control))
            with BillingApi(stripe.TITLE, _address(), stripe.headers(_key()), clock) as api:
                for one in stripe.transactions(api, since, field):
                    if (len(told) + len(odd)) % _PAGE == 0:
                        erasing.give_way(home, control)
                    if isinstance(one, OddRow):
                        odd.append(one.reason)
                    else:
                        told.append(one)
        progress("asking stripe", 1, 1)
        paid = Paid(read=len(told), new=_landed(home, told, now), held_back=len(odd))
        with database.control(home) as control:
            _note(control, {"far_day": str(now.date()), **_held_back(state, odd, since, is_far=is_far)})
        return paid


def _held_back(
    state: dict[str, str | None], odd: list[str], since: datetime | None, *, is_far: bool
) -> dict[str, str | None]:
    """What is kept of transactions that cannot be read: how many, why, and from when on they are asked for again.

    A look that goes not as far back as they may be says nothing of those that are older.
    """
    if not odd and not is_far:
        return {}
    if not odd:
        return dict.fromkeys(("held_back", "why", "held_back_since"))
    if not is_far and (known := int(state.get("held_back") or 0)):
        return {"held_back": str(max(known, len(odd)))}
    begun = _ALWAYS if since is None else database.stamp(since)
    return {"held_back": str(len(odd)), "why": "; ".join(sorted(set(odd))), "held_back_since": begun}


def _alone(home: Home) -> AbstractContextManager[None]:
    return database.held(home.build_lock.with_name("pull-lock-stripe"), patience_s=1.0)


def is_stored(build: duckdb.DuckDBPyConnection) -> bool:
    """Whether anything was ever read."""
    query = "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?"
    return build.execute(query, [RAW_TRANSACTIONS.schema, RAW_TRANSACTIONS.name]).fetchone() is not None


def _newest(build: duckdb.DuckDBPyConnection) -> datetime | None:
    if not is_stored(build):
        return None
    row = build.execute(f"SELECT max(created_at) FROM {RAW_TRANSACTIONS.full_name}").fetchone()
    return row[0] if row else None


def _landed(home: Home, told: list[Told], now: datetime) -> int:
    """Store the transactions that are not stored yet; how many. Nothing of who was erased lands again."""
    with database.held(home.build_lock), database.build(home) as build:
        known: set[str] = set()
        if is_stored(build):
            query = f"SELECT transaction FROM {RAW_TRANSACTIONS.full_name}"
            known = {text for (text,) in build.execute(query).fetchall()}
        new = [one for one in told if one.transaction not in known]
        rows = _numbered(home, new, now)
        if not rows:
            return 0
        work = home.tmp / "pull-stripe"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700, parents=True)
        try:
            part = _written(work / "transactions.parquet", rows)
            dlt_load.load_tables(build, home.dlt, "stripe", [(RAW_TRANSACTIONS, [(part, len(rows))])])
        finally:
            shutil.rmtree(work, ignore_errors=True)
        build.execute("CHECKPOINT")
    return len(rows)


def _numbered(home: Home, told: list[Told], now: datetime) -> list[tuple[object, ...]]:
    """The rows of transactions: our numbers for customers, and for the accounts that the named field says."""
    with database.control(home) as control, database.transaction(control):
        vault = Vault(control, now)
        ids = OutsideIds(control, vault, now)
        gone = {
            "customer": tombstone.erased_at(control, "customer", payment_claim.GATEWAY),
            "account": tombstone.erased_at(control, "account", payment_claim.GATEWAY),
            "anywhere": stones_anywhere.erased_at(control, "account"),
        }

        def is_gone(one: Told) -> bool:
            named = {
                "customer": one.customer and payment_claim.lookup(vault, one.customer),
                "account": one.account and vault.lookup("account", payment_claim.GATEWAY, "0", one.account),
                "anywhere": one.account and stones_anywhere.account_lookup(vault, one.account),
            }
            return any(
                found_by in gone[kind] and one.created_at <= gone[kind][found_by] for kind, found_by in named.items()
            )

        landing = [one for one in told if not is_gone(one)]
        customers = payment_claim.numbers(ids, {one.customer for one in landing if one.customer})
        accounts = ids.accounts(payment_claim.GATEWAY, {one.account for one in landing if one.account})
    return [
        (
            one.transaction,
            one.payment,
            one.kind,
            one.created_at,
            one.amount_minor,
            one.currency,
            one.payment_currency,
            customers.get(one.customer or ""),
            accounts.get(one.account or ""),
            now,
        )
        for one in sorted(landing, key=lambda one: (one.created_at, one.transaction))
    ]


def _written(path: Path, rows: list[tuple[object, ...]]) -> Path:
    schema = {column.name: _FRAME[column.type] for column in RAW_TRANSACTIONS.columns}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path, compression="lz4", statistics=False)
    path.chmod(0o600)
    return path


def _state(control: sqlite3.Connection) -> dict[str, str | None]:
    row = control.execute("SELECT value FROM setting WHERE name = ?", (_STATE,)).fetchone()
    return {} if row is None else json.loads(row[0])


def _note(control: sqlite3.Connection, said: dict[str, str | None]) -> None:
    before = _state(control)
    if said.get("skipped") and before.get("skipped"):
        said |= {"since": before.get("since")}
    value = json.dumps({**before, **said}).encode()
    control.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_STATE, value))


def held_back(home: Home) -> tuple[int, str] | None:
    """How many transactions cannot be read, and why; None where all can."""
    if not home.control_file.exists():
        return None
    with database.control(home) as control:
        found = _state(control)
    many = found.get("held_back")
    return (int(many), str(found.get("why"))) if many else None


def health(home: Home) -> tuple[str, datetime] | None:
    """Why nothing could be read at the last look, and since when; None where it could, or nothing was asked."""
    if not home.control_file.exists():
        return None
    with database.control(home) as control:
        found = _state(control)
    skipped, since = found.get("skipped"), found.get("since")
    return (skipped, database.moment(since)) if skipped and since else None
