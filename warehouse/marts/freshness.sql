-- model.source_state -> mart.freshness: how new each source is, and what it held back
SELECT source, last_request_at, last_landed_at, files, rows, quarantined_rows
FROM model.source_state
