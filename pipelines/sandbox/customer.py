"""A made-up account that pays ahead, so that the sandbox has credits to look at: once a week, one payment given back.

Its calls are those of the company's truth, which this changes nothing of; no processor is asked.
"""

import sqlite3
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl

from pipelines.sandbox.company import GATEWAY
from pipelines.sandbox.ground_truth import GroundTruth
from warehouse import database
from warehouse.control import payment, prepaid
from warehouse.control.outside_id import OutsideIds
from warehouse.control.payment import Payment
from warehouse.control.vault import Vault
from warehouse.home import Home

ACCOUNT = "harbor"
_NANO_PER_USD = 10**9
# Roughly what a million tokens cost, so that what is paid in is about what is used.
_USD_PER_MTOK_IN, _USD_PER_MTOK_OUT = Decimal("1.6"), Decimal(12)
_STEP_USD = 25


def pay(home: Home, truth: GroundTruth, now: datetime) -> int:
    """Let the account pay for the weeks that these calls are of, each once; how many payments. `now` is UTC."""
    moment = now.replace(tzinfo=None)
    weeks = _weeks(truth)
    if not weeks:
        return 0
    with database.control(home) as control, database.transaction(control):
        vault = Vault(control, moment)
        number = OutsideIds(control, vault, moment).accounts(GATEWAY, [ACCOUNT])[ACCOUNT]
        if not prepaid.listed(control):
            prepaid.put(
                control,
                prepaid.Terms(
                    number, min(first for first, _ in weeks.values()), is_prepaid=True, factor=Decimal("1.1")
                ),
                moment,
            )
        query = "SELECT cause FROM credit_tx WHERE account_no = ? AND kind = 'top_up'"
        paid = {cause for (cause,) in control.execute(query, (number,))}
        before = _last(control, number)
        made = []
        for monday, (first, usd) in sorted(weeks.items()):
            if f"stripe:madeup_{monday}" not in paid:
                # Of a week that has only begun nobody knows yet what it will use: as much as the last.
                amount = before or usd * _NANO_PER_USD
                made.append(Payment(f"madeup_{monday}", f"ch_{monday}", "top_up", first, amount, number))
        if len(made) > 2:
            back = made[1]
            day = back.day + timedelta(days=2)
            made.append(Payment("madeup_back", back.payment, "refund", day, -back.amount_nano // 5, number))
        return payment.settle(control, made, moment)


def _last(control: sqlite3.Connection, account_no: int) -> int:
    query = """SELECT amount_nano FROM credit_entry JOIN credit_tx USING (tx_no)
               WHERE credit_tx.account_no = ? AND kind = 'top_up' AND book = 'customer' ORDER BY day DESC LIMIT 1"""
    row = control.execute(query, (account_no,)).fetchone()
    return int(row[0]) if row else 0


def _weeks(truth: GroundTruth) -> dict[date, tuple[date, int]]:
    """By its Monday the first day of each week that there is, and about what it uses, in whole steps of dollars."""
    calls = truth.calls.filter(pl.col("account") == ACCOUNT)
    if calls.is_empty():
        return {}
    used = (
        calls.group_by(pl.col("requested_at").dt.truncate("1w").dt.date().alias("monday"))
        .agg(pl.col("requested_at").min().dt.date().alias("first"), pl.col("input_tokens", "output_tokens").sum())
        .sort("monday")
    )
    found = {}
    for monday, first, tokens_in, tokens_out in used.iter_rows():
        usd = (tokens_in * _USD_PER_MTOK_IN + tokens_out * _USD_PER_MTOK_OUT) / 10**6
        found[monday] = (first, (int(usd) // _STEP_USD + 1) * _STEP_USD)
    return found
