"""The ledger and its payments as `apiledger doctor` sees them: what does not add up, what waits for the operator.

Nobody is asked: what is told is what the last look met.
"""

import os
from collections.abc import Iterator

import duckdb

from pipelines.gateways.finding import Finding
from pipelines.payments import pull
from pipelines.providers import stripe
from warehouse import database
from warehouse.control import credit
from warehouse.errors import WarehouseError
from warehouse.home import Home


def findings(home: Home) -> Iterator[Finding]:
    """Look at the ledger, at the last pull, and at payments that are nobody's."""
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        wrong = credit.wrong(control)
    for said in wrong:
        yield Finding(f"credits: {said}", "look at `apiledger credits statement`, and correct it with `adjust`")
    if os.environ.get(stripe.KEY_VARIABLE, "").strip() and (found := pull.health(home)):
        skipped, since = found
        yield Finding(
            f"payments are not read since {since:%Y-%m-%d %H:%M} UTC: {skipped}",
            f"see that {stripe.KEY_VARIABLE} holds a key that works; {stripe.KEY_HELP}",
        )
    if held := pull.held_back(home):
        many, why = held
        yield Finding(
            f"{many:,} transactions of payments cannot be read ({why}) and are held back",
            "look at them in Stripe's dashboard; they are asked for again each day, and credits may be off by them",
        )
    try:
        with database.published(home) as connection:
            ((waiting,),) = connection.execute("SELECT count(*) FROM model.unclaimed_payment").fetchall()
    except (WarehouseError, duckdb.Error):
        # No version, or one of an older program: a finding of its own.
        return
    if waiting:
        yield Finding(
            f"{waiting:,} payments are in no account's credits",
            "`apiledger credits unclaimed` shows them; `apiledger credits claim` says whose a customer is",
            warning=True,
        )
