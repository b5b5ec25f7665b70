"""Dagster's view: assets, checks, sensors, schedules and its run history. `pipelines/definitions.py` lists them."""
