-- model.invoice, model.connection, model.bill_day, model.built_pull, model.charges, model.plan, model.plan_day, model.account -> mart.invoice_tie_out: each invoice beside the bills, or the fee, of its days
WITH billed AS (
    SELECT
        invoice.provider, invoice.account_no, invoice.number,
        count(DISTINCT bill_day.day) AS billed_days,
        sum(bill_day.amount_usd) AS amount_usd
    FROM model.invoice AS invoice
    JOIN model.connection AS connection
        ON connection.provider = invoice.provider AND connection.account_no = invoice.account_no
    JOIN model.bill_day AS bill_day
        ON bill_day.connection_no = connection.connection_no
        AND bill_day.day BETWEEN invoice.period_start AND invoice.period_end
    WHERE invoice.plan IS NULL
    GROUP BY ALL
), pulled AS (
    -- A day without a line is pulled as well; one that may still change leaves its invoice open.
    SELECT
        invoice.provider, invoice.account_no, invoice.number, count(*) AS days,
        count(*) FILTER (day.is_open) AS open_days
    FROM model.invoice AS invoice
    JOIN (
        SELECT connection.provider, connection.account_no, pull.day, bool_or(pull.settlement = 'provisional') AS is_open
        FROM model.built_pull AS pull
        JOIN model.connection AS connection ON connection.connection_no = pull.connection_no
        GROUP BY ALL
    ) AS day
        ON day.provider = invoice.provider AND day.account_no = invoice.account_no
        AND day.day BETWEEN invoice.period_start AND invoice.period_end
    WHERE invoice.plan IS NULL
    GROUP BY ALL
), line AS (
    SELECT
        invoice.provider, invoice.account_no, invoice.number,
        sum(charges.amount_usd) FILTER (charges.charge_category = 'Tax') AS tax_usd,
        sum(charges.amount_usd) FILTER (charges.charge_category = 'Credit') AS credits_usd,
        sum(charges.amount_usd) FILTER (charges.charge_category = 'Adjustment') AS adjustments_usd,
        -- Billed in a currency of which no rate is known.
        count(DISTINCT charges.day) FILTER (charges.amount_usd IS NULL) AS unconverted_days,
        -- A bill in the invoice's own currency is held against it in that: rates of its days are none of its affair.
        bool_and(charges.billing_currency = invoice.currency AND charges.billed_amount IS NOT NULL) AS is_same,
        sum(charges.billed_amount) AS billed_amount,
        sum(charges.billed_amount) FILTER (charges.charge_category = 'Tax') AS billed_tax,
        sum(charges.billed_amount) FILTER (charges.charge_category = 'Credit') AS billed_credits
    FROM model.invoice AS invoice
    JOIN model.connection AS connection
        ON connection.provider = invoice.provider AND connection.account_no = invoice.account_no
    JOIN model.charges AS charges
        ON charges.connection_no = connection.connection_no
        AND charges.day BETWEEN invoice.period_start AND invoice.period_end
    WHERE invoice.plan IS NULL
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
        coalesce(pulled.days, fee.days, 0) AS told_days,
        coalesce(pulled.open_days, 0) + coalesce(line.unconverted_days, 0) AS open_days,
        (
            coalesce(billed.amount_usd, fee.amount_usd, 0) - coalesce(line.tax_usd, 0) - coalesce(line.credits_usd, 0)
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
    LEFT JOIN billed
        ON billed.provider = invoice.provider AND billed.account_no = invoice.account_no
        AND billed.number = invoice.number
    LEFT JOIN pulled
        ON pulled.provider = invoice.provider AND pulled.account_no = invoice.account_no
        AND pulled.number = invoice.number
    LEFT JOIN line
        ON line.provider = invoice.provider AND line.account_no = invoice.account_no
        AND line.number = invoice.number
    LEFT JOIN fee
        ON fee.provider = invoice.provider AND fee.account_no = invoice.account_no
        AND fee.number = invoice.number
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
        WHEN compared.told_days < compared.period_days OR compared.open_days > 0 THEN 'open'
        WHEN abs(compared.billed_amount - compared.told_amount) <= compared.rounding THEN 'tied'
        -- Without a rate nobody can say.
        WHEN compared.difference_usd IS NULL THEN 'open'
        WHEN compared.told_amount IS NULL
            AND abs(compared.difference_usd) <= greatest(0.01, compared.rounding * compared.fx_usd_per_unit) THEN 'tied'
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
