"""The errors of the warehouse: one base, and a leaf where a caller acts differently."""


class WarehouseError(Exception):
    """Something in the warehouse is wrong; the message names the thing and the next step, never a value."""


class MoneyError(WarehouseError, ValueError):
    """An amount is no finite decimal number, or does not fit DECIMAL(38,12): the record goes to quarantine."""


class KeyUnavailableError(WarehouseError):
    """The master key is missing or is another one: nothing may be sealed or opened until it is back."""


class BusyError(WarehouseError):
    """Another run holds the build: come back at the next tick."""


class WithheldError(WarehouseError):
    """Somebody is being erased: no version may be read until one without them is published."""


class FxError(WarehouseError):
    """An exchange rate cannot be read: the person mends the line it names."""
