"""One file a source: what it reads, what each field means, and how it tells one call from another."""
