"""control.sqlite -> the mails of balances that fell below their line: asked anew each time, told once a crossing."""

from datetime import datetime

from pipelines.alerts import postman
from warehouse import database
from warehouse.control import balance_watch, objection, restriction
from warehouse.home import Home


def evaluate(home: Home, now: datetime) -> int:
    """Queue a mail for each balance that fell below its line; how many. `now` is UTC.

    A restricted account is told nothing, nor one that objects to alerts.
    """
    with database.control(home) as control:
        if not balance_watch.lows(control):
            return 0
        unasked = restriction.numbers(control) | objection.numbers(control, "alerts")
        has_operator = postman.operator_address() is not None
        return balance_watch.evaluate(control, unasked, now, has_operator=has_operator)
