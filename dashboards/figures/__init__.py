"""The questions of pages to a published version, each bound to its viewer."""
