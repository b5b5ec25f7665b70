"""model.invoice|charges|bill_day|change|plan|plan_day -> model.invoice_day: whose a day is, and how much of it.

An invoice covers the bills of its account's connections at its provider, or the fee of its plan: the lines that name
it or its month, else the days of its period, as mart.invoice_tie_out has them. Of a UTC day of which several invoices
have a part, as at the edge of a Pacific month, each has a row with its amount; the main one, which has most, has the
day's detail. Lines of a month or a number that nobody entered are a part of no number, which may be the main one. A
line that the periods of several invoices cover is on the one that has most of its day. A bill that moved after its
invoice was entered is corrected, in each of its invoices: a move says how much, not which line.
"""

from datetime import date

import duckdb

from warehouse import fee_tables, mart

# One text says which lines of model.charges are on which invoice.
_PLACED = mart.select("invoice_tie_out").partition("), on_invoice AS (")[0].partition("\n")[2]
_DAYS = f"""
    {_PLACED}), once AS (
        SELECT connection_no, day, word, number
        FROM (SELECT *, sum(weight) OVER (PARTITION BY connection_no, day, number) AS of_day FROM placed)
        QUALIFY row_number() OVER (PARTITION BY connection_no, day, word ORDER BY of_day DESC, number) = 1
    ), part AS (
        SELECT
            line.connection_no, line.day, once.number, sum(line.amount_usd) AS amount_usd,
            sum(line.billed_amount) AS billed_amount, sum(abs(line.amount_usd)) AS weight
        FROM model.charges AS line
        SEMI JOIN once AS known ON known.connection_no = line.connection_no AND known.day = line.day
        SEMI JOIN model.bill_day AS bill ON bill.connection_no = line.connection_no AND bill.day = line.day
        LEFT JOIN once
            ON once.connection_no = line.connection_no AND once.day = line.day
            AND once.word = coalesce(line.invoice, '')
        GROUP BY ALL
    ), on_day AS (
        SELECT
            day, connection_no, number, amount_usd, billed_amount,
            row_number() OVER (PARTITION BY day, connection_no ORDER BY weight DESC, number NULLS LAST) = 1 AS is_main,
            count(*) OVER (PARTITION BY day, connection_no) > 1 AS is_shared
        FROM part
        UNION ALL
        -- A day without a line is on an invoice as well.
        SELECT bill_day.day, bill_day.connection_no, min(named.number), NULL, NULL, true, false
        FROM model.bill_day AS bill_day
        JOIN named
            ON named.connection_no = bill_day.connection_no
            AND bill_day.day BETWEEN named.period_start AND named.period_end
            AND (named.told_by = 'day' OR bill_day.lines = 0)
        ANTI JOIN once ON once.connection_no = bill_day.connection_no AND once.day = bill_day.day
        GROUP BY bill_day.day, bill_day.connection_no
    )
    SELECT on_day.day, on_day.connection_no, NULL::BIGINT AS plan_no, on_day.number,
        CASE
            WHEN on_day.number IS NULL THEN NULL
            WHEN moved.changed_at > named.added_at THEN 'corrected'
            ELSE 'invoiced'
        END AS settlement,
        on_day.is_main,
        CASE WHEN on_day.is_shared THEN on_day.amount_usd END::DECIMAL(38,12) AS amount_usd,
        CASE WHEN on_day.is_shared THEN on_day.billed_amount END::DECIMAL(38,12) AS billed_amount
    FROM on_day
    LEFT JOIN named ON named.connection_no = on_day.connection_no AND named.number = on_day.number
    LEFT JOIN (
        SELECT connection_no, day, max(changed_at) AS changed_at
        FROM model.change WHERE basis = 'bill' AND reason <> 'first' GROUP BY connection_no, day
    ) AS moved ON moved.connection_no = on_day.connection_no AND moved.day = on_day.day
    UNION ALL
    SELECT plan_day.day, NULL, plan_day.plan_no, min(invoice.number), 'invoiced', true, NULL, NULL
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
