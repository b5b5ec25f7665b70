-- mart.spend_daily -> mart.spend_by_source: what each source says by itself, never to be added across sources
SELECT *, basis AS source
FROM mart.spend_daily
