"""Charts: what people would rather see than read."""
