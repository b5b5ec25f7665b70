"""One file a command or group of `apiledger`, and what each asks. The entry point is `pipelines/cli.py`."""
