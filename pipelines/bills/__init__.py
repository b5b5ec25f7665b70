"""From a provider's API or file to raw rows of its bill, whole or not at all.

What a provider is asked and what its answer means stands in `pipelines/providers`, one file a source.
"""
