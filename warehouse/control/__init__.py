"""The control store, control.sqlite: accounts, sealed values, maps from outside ids to our numbers, receipts.

What is personal or secret rests here, sealed; the warehouse file knows only the numbers.
"""
