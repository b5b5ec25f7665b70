-- model.source_state, model.bill_state, model.connection -> mart.freshness: how new each source is, and what it held back
SELECT
    source, last_request_at, last_landed_at, files, rows, quarantined_rows, 'log' AS kind,
    last_request_at::DATE AS last_day, last_landed_at::DATE AS last_read_on, NULL::VARCHAR AS skipped
FROM model.source_state
UNION ALL
SELECT
    connection.source, NULL, state.last_landed_at, 0, state.rows, state.held_back_rows, 'bill', state.last_day,
    state.last_read_on, state.skipped
FROM model.bill_state AS state
JOIN model.connection AS connection ON connection.connection_no = state.connection_no
