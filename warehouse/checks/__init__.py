"""What must hold of the raw, modelled and mart rows of one day, held against them by Great Expectations."""
