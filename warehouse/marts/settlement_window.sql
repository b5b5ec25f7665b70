-- model.change, model.settlement_window -> mart.settlement_window: how old days were when a source last moved them, measured
WITH watched AS (
    -- A day from before a source was first read was told late by us, not by the source.
    SELECT basis, source, provider, min(changed_at)::DATE AS since, max(changed_at)::DATE AS until
    FROM model.change
    GROUP BY ALL
), last_move AS (
    SELECT basis, source, provider, change.day, max(date_diff('day', change.day, change.changed_at::DATE)) AS age_days
    FROM model.change AS change
    JOIN watched USING (basis, source, provider)
    WHERE change.day >= watched.since
    GROUP BY ALL
), longest AS (
    SELECT basis, source, provider, max(age_days) AS age_days FROM last_move GROUP BY ALL
), measured AS (
    SELECT
        basis,
        source,
        provider,
        -- A day that is younger than the latest move seen may still move so late itself.
        count(*) FILTER (grown) AS days,
        (quantile_disc(age_days, 0.5) FILTER (grown))::BIGINT AS p50_days,
        (quantile_disc(age_days, 0.95) FILTER (grown))::BIGINT AS p95_days,
        max(age_days) AS longest_days,
        min(watched_from) AS watched_from
    FROM (
        SELECT last_move.*, watched.since AS watched_from,
            date_diff('day', last_move.day, watched.until) >= longest.age_days AS grown
        FROM last_move
        JOIN watched USING (basis, source, provider)
        JOIN longest USING (basis, source, provider)
    )
    GROUP BY ALL
)
SELECT measured.*, decided.settles_after_days, decided.told_by
FROM measured
LEFT JOIN model.settlement_window AS decided ON decided.source = measured.source AND measured.basis <> 'log'
