"""Everything that runs by itself: sources (dlt), assets, checks, sensors (Dagster), services and the command line.

It imports warehouse and retention, never dashboards. What a figure means is decided in warehouse, not here.
"""
