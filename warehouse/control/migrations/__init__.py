"""control.sqlite -> its newest form: one .sql file a migration, run once, in the order of their names.

Never edit one that has been released: add the next number.
"""
