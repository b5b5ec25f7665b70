"""Everything that runs by itself: sources (dlt), assets, checks, sensors (Dagster), services and the command line.

It imports warehouse and retention, never dashboards. What a figure means is decided in warehouse, not here.
"""

import os

# Read when Polars is imported. Its threads and ours share two pools of memory, and what is freed goes back in a tenth
# of a second: of eight pools, each kept for a second what the others asked for, 30 MB of a pass over ten million calls.
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:2,dirty_decay_ms:100,muzzy_decay_ms:0")
