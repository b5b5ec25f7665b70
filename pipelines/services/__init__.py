"""The processes that `apiledger up` starts, watches and stops."""
