"""What is known, what it means and where it rests: stores, tables, money, prices, models, marts and their checks.

It imports none of the other three packages. Nothing here schedules, fetches, mails or draws, and nothing here looks at
the clock: `now` is always an argument.
"""
