"""Sealed copies of a home, and the way back: what is in one, how it is sealed, where it lies, when it goes."""
