"""model.invoice|connection|bill_day|change|plan|plan_day -> model.invoice_day: which invoice a day is on.

An invoice covers the bills of its account's connections at its provider, or the fee of its plan. A bill that moved
after its invoice was entered is corrected.
"""

from datetime import date

import duckdb

from warehouse import fee_tables

_DAYS = """
    SELECT bill_day.day, bill_day.connection_no, NULL::BIGINT AS plan_no, min(invoice.number) AS number,
        CASE WHEN bool_or(change.day IS NOT NULL) THEN 'corrected' ELSE 'invoiced' END AS settlement
    FROM model.invoice AS invoice
    JOIN model.connection AS connection
        ON connection.provider = invoice.provider AND connection.account_no = invoice.account_no
    JOIN model.bill_day AS bill_day
        ON bill_day.connection_no = connection.connection_no
        AND bill_day.day BETWEEN invoice.period_start AND invoice.period_end
    LEFT JOIN model.change AS change
        ON change.connection_no = bill_day.connection_no AND change.day = bill_day.day AND change.basis = 'bill'
        AND change.reason <> 'first' AND change.changed_at > invoice.added_at
    WHERE invoice.plan IS NULL
    GROUP BY bill_day.day, bill_day.connection_no
    UNION ALL
    SELECT plan_day.day, NULL, plan_day.plan_no, min(invoice.number), 'invoiced'
    FROM model.invoice AS invoice
    JOIN model.plan AS plan
        ON plan.plan = invoice.plan AND plan.provider = invoice.provider AND plan.account_no = invoice.account_no
    JOIN model.plan_day AS plan_day
        ON plan_day.plan_no = plan.plan_no AND plan_day.day BETWEEN invoice.period_start AND invoice.period_end
    GROUP BY plan_day.day, plan_day.plan_no
"""


def write(connection: duckdb.DuckDBPyConnection) -> set[date]:
    """Make the days anew; those that changed. The caller holds the transaction."""
    name = fee_tables.INVOICE_DAY.full_name
    made = connection.execute(f"FROM ({_DAYS})").fetchall()
    changed = set(made) ^ set(connection.execute(f"FROM {name}").fetchall())
    if not changed:
        return set()
    connection.execute(f"DELETE FROM {name}")
    connection.execute(f"INSERT INTO {name} {_DAYS}")
    return {row[0] for row in changed}
