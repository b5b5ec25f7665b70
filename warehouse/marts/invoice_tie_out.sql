-- model.invoice, model.connection, model.built_pull, model.charges, model.plan, model.plan_day, model.account -> mart.invoice_tie_out: each invoice beside the lines of bills that are on it, or the fee of its days
WITH named AS (
    -- How a bill's lines say which invoice they are on: by its number, by its month (Google's are Pacific, and late usage
    -- is on a later one), or not at all, so that their UTC day does.
    SELECT
        * EXCLUDE (has_number, has_month),
        CASE
            WHEN bool_or(has_number) OVER (PARTITION BY provider, account_no, number) THEN 'number'
            WHEN has_month AND day(period_start) = 1 AND day(period_end + 1) = 1 THEN 'month'
            ELSE 'day'
        END AS told_by
    FROM (
        SELECT
            invoice.provider, invoice.account_no, invoice.number, invoice.period_start, invoice.period_end,
            invoice.added_at, invoice.currency, connection.connection_no,
            coalesce(bool_or(said.invoice = invoice.number), false) AS has_number,
            coalesce(bool_or(regexp_full_match(said.invoice, '20\d\d(0[1-9]|1[0-2])')), false) AS has_month
        FROM model.invoice AS invoice
        JOIN model.connection AS connection
            ON connection.provider = invoice.provider AND connection.account_no = invoice.account_no
        LEFT JOIN (SELECT DISTINCT connection_no, invoice FROM model.charges) AS said
            ON said.connection_no = connection.connection_no
        WHERE invoice.plan IS NULL
        GROUP BY ALL
    )
), worded AS (
    -- Which invoice a line is on its day and its own word say: lines of one day and word are looked at once.
    SELECT connection_no, day, coalesce(invoice, '') AS word, sum(abs(amount_usd)) AS weight
    FROM model.charges
    GROUP BY ALL
), placed AS (
    SELECT
        named.provider, named.account_no, named.number, named.told_by, named.currency AS invoice_currency, worded.*
    FROM named
    JOIN worded ON worded.connection_no = named.connection_no
    LEFT JOIN model.invoice AS other
        ON other.provider = named.provider AND other.account_no = named.account_no AND other.number <> named.number
        AND other.number = worded.word
    WHERE CASE
        WHEN named.told_by = 'number' THEN worded.word = named.number
        WHEN other.number IS NOT NULL THEN false
        WHEN named.told_by = 'month' AND regexp_full_match(worded.word, '20\d\d(0[1-9]|1[0-2])')
            THEN worded.word BETWEEN strftime(named.period_start, '%Y%m') AND strftime(named.period_end, '%Y%m')
        ELSE worded.day BETWEEN named.period_start AND named.period_end
    END
), on_invoice AS (
    SELECT
        placed.provider, placed.account_no, placed.number, placed.told_by, placed.invoice_currency,
        charges.* EXCLUDE (invoice)
    FROM placed
    JOIN model.charges AS charges
        ON charges.connection_no = placed.connection_no AND charges.day = placed.day
        AND coalesce(charges.invoice, '') = placed.word
), pulled AS (
    -- A day without a line is pulled as well; one that may still change leaves its invoice open.
    SELECT
        named.provider, named.account_no, named.number, count(DISTINCT pull.day) AS days,
        count(DISTINCT pull.day) FILTER (pull.settlement = 'provisional') AS open_days
    FROM named
    JOIN model.built_pull AS pull ON pull.connection_no = named.connection_no
    LEFT JOIN (SELECT DISTINCT provider, number, connection_no, day FROM on_invoice) AS line
        ON line.provider = named.provider AND line.number = named.number
        AND line.connection_no = named.connection_no AND line.day = pull.day
    WHERE line.day IS NOT NULL OR (named.told_by = 'day' AND pull.day BETWEEN named.period_start AND named.period_end)
    GROUP BY ALL
), reached AS (
    -- A bill whose lines name an invoice tells all of it once it tells of it. One whose lines name months tells of the
    -- days since its first; the last of them is the month's once it was looked at for long enough in vain.
    SELECT
        named.provider, named.account_no, named.number,
        max(CASE
            WHEN named.told_by = 'number' THEN date_diff('day', named.period_start, named.period_end) + 1
            ELSE greatest(0, date_diff(
                'day', greatest(named.period_start, read.first_day),
                CASE WHEN read.settlement = 'provisional' THEN least(named.period_end, read.last_day)
                    ELSE named.period_end END
            ) + 1)
        END) AS days
    FROM named
    JOIN (
        SELECT
            connection_no, min(day) AS first_day, max(day) AS last_day, arg_max(settlement, day) AS settlement
        FROM model.built_pull GROUP BY connection_no
    ) AS read ON read.connection_no = named.connection_no
    WHERE named.told_by <> 'day'
    GROUP BY ALL
), line AS (
    SELECT
        provider, account_no, number,
        sum(amount_usd) AS amount_usd,
        sum(amount_usd) FILTER (charge_category = 'Tax') AS tax_usd,
        sum(amount_usd) FILTER (charge_category = 'Credit') AS credits_usd,
        sum(amount_usd) FILTER (charge_category = 'Adjustment') AS adjustments_usd,
        -- Billed in a currency of which no rate is known.
        count(DISTINCT day) FILTER (amount_usd IS NULL) AS unconverted_days,
        -- A bill in the invoice's own currency is held against it in that: rates of its days are none of its affair.
        bool_and(billing_currency = invoice_currency AND billed_amount IS NOT NULL) AS is_same,
        sum(billed_amount) AS billed_amount,
        sum(billed_amount) FILTER (charge_category = 'Tax') AS billed_tax,
        sum(billed_amount) FILTER (charge_category = 'Credit') AS billed_credits
    FROM on_invoice
    GROUP BY ALL
), fee AS (
    SELECT
        invoice.provider, invoice.account_no, invoice.number,
        count(DISTINCT plan_day.day) AS days, sum(plan_day.fee_usd) AS amount_usd
    FROM model.invoice AS invoice
    JOIN model.plan AS plan
        ON plan.plan = invoice.plan AND plan.provider = invoice.provider AND plan.account_no = invoice.account_no
    JOIN model.plan_day AS plan_day
        ON plan_day.plan_no = plan.plan_no AND plan_day.day BETWEEN invoice.period_start AND invoice.period_end
    GROUP BY ALL
), told AS (
    SELECT
        invoice.*,
        date_diff('day', invoice.period_start, invoice.period_end) + 1 AS period_days,
        -- Of several, `least` leaves out what is NULL: of an invoice that no bill tells of that would be all its days.
        least(
            coalesce(greatest(pulled.days, reached.days), fee.days, 0),
            date_diff('day', invoice.period_start, invoice.period_end) + 1
        ) AS told_days,
        reached.days IS NOT NULL AS is_named,
        coalesce(pulled.open_days, 0) + coalesce(line.unconverted_days, 0) AS open_days,
        (
            coalesce(line.amount_usd, fee.amount_usd, 0) - coalesce(line.tax_usd, 0) - coalesce(line.credits_usd, 0)
            - coalesce(line.adjustments_usd, 0)
        )::DECIMAL(38,12) AS charges_usd,
        coalesce(line.adjustments_usd, 0)::DECIMAL(38,12) AS adjustments_usd,
        -- What the invoice says itself stands in place of the bill's own lines, so that nothing is taken twice.
        coalesce(invoice.tax_usd, line.tax_usd, 0)::DECIMAL(38,12) AS taxes_usd,
        coalesce(invoice.credits_usd, line.credits_usd, 0)::DECIMAL(38,12) AS credited_usd,
        CASE WHEN line.is_same THEN
            line.billed_amount - coalesce(line.billed_tax, 0) - coalesce(line.billed_credits, 0)
            + coalesce(invoice.billed_tax, line.billed_tax, 0)
            + coalesce(invoice.billed_credits, line.billed_credits, 0)
        END::DECIMAL(38,12) AS told_amount
    FROM model.invoice AS invoice
    LEFT JOIN pulled
        ON pulled.provider = invoice.provider AND pulled.account_no = invoice.account_no AND pulled.number = invoice.number
    LEFT JOIN reached
        ON reached.provider = invoice.provider AND reached.account_no = invoice.account_no AND reached.number = invoice.number
    LEFT JOIN line
        ON line.provider = invoice.provider AND line.account_no = invoice.account_no AND line.number = invoice.number
    LEFT JOIN fee
        ON fee.provider = invoice.provider AND fee.account_no = invoice.account_no AND fee.number = invoice.number
), compared AS (
    SELECT * REPLACE (
            coalesce(charges_usd + adjustments_usd + taxes_usd + credited_usd + same_usd, amount_usd)::DECIMAL(38,12)
                AS amount_usd
        ),
        coalesce(same_usd, amount_usd - charges_usd - adjustments_usd - taxes_usd - credited_usd)::DECIMAL(38,12)
            AS difference_usd,
        -- An invoice is rounded to what its currency has: cents, or whole units.
        CASE WHEN currency IN ('CLP', 'ISK', 'JPY', 'KRW', 'PYG', 'UGX', 'VND') THEN 0.5 ELSE 0.01 END AS rounding
    FROM (SELECT *, ((billed_amount - told_amount) * fx_usd_per_unit)::DECIMAL(38,12) AS same_usd FROM told)
)
SELECT
    compared.provider,
    account.label AS account,
    compared.number,
    compared.plan,
    compared.period_start,
    compared.period_end,
    compared.amount_usd,
    compared.charges_usd,
    compared.adjustments_usd,
    compared.taxes_usd,
    compared.credited_usd,
    compared.difference_usd,
    compared.period_days,
    compared.told_days,
    compared.open_days,
    CASE
        -- Of a bill that names its invoices a quiet beginning may be all there was: its lines make the amount, or do not.
        WHEN compared.open_days > 0 OR (compared.told_days < compared.period_days AND NOT compared.is_named)
            THEN 'open'
        WHEN abs(compared.billed_amount - compared.told_amount) <= compared.rounding THEN 'tied'
        -- Without a rate nobody can say.
        WHEN compared.difference_usd IS NULL THEN 'open'
        WHEN compared.told_amount IS NULL
            AND abs(compared.difference_usd) <= greatest(0.01, compared.rounding * compared.fx_usd_per_unit) THEN 'tied'
        WHEN compared.told_days < compared.period_days THEN 'open'
        ELSE 'differs'
    END AS status,
    compared.added_at,
    compared.currency,
    compared.billed_amount,
    compared.fx_usd_per_unit,
    compared.fx_day,
    compared.told_amount
FROM compared
LEFT JOIN model.account AS account ON account.account_no = compared.account_no AND account.valid_to IS NULL
