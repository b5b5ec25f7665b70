"""A made-up gateway with one seeded ground truth: first look without a key, and the oracle of end-to-end tests.

Here belong the world (who calls what), its calls, and the witnesses that tell of them (log files). What reads those
logs does not belong here: made-up rows take the same way as real ones, in a home of their own.
"""
