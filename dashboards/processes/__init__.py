"""Work in a process of its own: what a page asks of the command line, and what outlives the page."""
