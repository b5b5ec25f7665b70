"""raw_* -> model.*: what a call is, what it cost, and its roll-ups; plain functions from frame to frame, in Polars.

They take connections and frames, know no file and no clock; the schedule is somebody else's.
"""
