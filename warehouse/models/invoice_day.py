"""model.invoice|bill_day|change|plan|plan_day -> model.invoice_day: which invoice a day is on.

An invoice covers the bills of its account's connections at its provider, or the fee of its plan: the lines that name
it or its month, else the days of its period, as mart.invoice_tie_out has them. A UTC day of which two invoices have a
part, as at the edge of a Pacific month, is on the one that has more of it. A bill that moved after its invoice was
entered is corrected.
"""

from datetime import date

import duckdb

from warehouse import fee_tables, mart

# One text says which lines of model.charges are on which invoice.
_LINES = mart.select("invoice_tie_out").partition("), pulled AS (")[0].partition("\n")[2]
_DAYS = f"""
    {_LINES}), part AS (
        SELECT provider, number, connection_no, day, sum(abs(coalesce(amount_usd, 0))) AS amount_usd
        FROM on_invoice GROUP BY ALL
    ), on_day AS (
        SELECT bill_day.day, bill_day.connection_no, named.number, named.added_at
        FROM named
        JOIN model.bill_day AS bill_day ON bill_day.connection_no = named.connection_no
        LEFT JOIN part
            ON part.provider = named.provider AND part.number = named.number
            AND part.connection_no = named.connection_no AND part.day = bill_day.day
        WHERE part.day IS NOT NULL
            OR (bill_day.day BETWEEN named.period_start AND named.period_end
                AND (named.told_by = 'day' OR bill_day.lines = 0))
        QUALIFY row_number() OVER (
            PARTITION BY bill_day.day, bill_day.connection_no
            ORDER BY coalesce(part.amount_usd, 0) DESC, named.number) = 1
    )
    SELECT on_day.day, on_day.connection_no, NULL::BIGINT AS plan_no, on_day.number,
        CASE WHEN bool_or(change.day IS NOT NULL) THEN 'corrected' ELSE 'invoiced' END AS settlement
    FROM on_day
    LEFT JOIN model.change AS change
        ON change.connection_no = on_day.connection_no AND change.day = on_day.day AND change.basis = 'bill'
        AND change.reason <> 'first' AND change.changed_at > on_day.added_at
    GROUP BY on_day.day, on_day.connection_no, on_day.number
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
