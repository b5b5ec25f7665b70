"""What customers paid, from the processor's API to the ledger: nothing listens, everything is asked for."""
