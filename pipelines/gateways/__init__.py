"""From a gateway's log, wherever it lies, to rows: read, mapped by an allow-list, stripped at the boundary, receipted.

Which field means what stands in `pipelines/providers`, one file a source.
"""
