"""What a key's first letters say: whether it can read a provider's bills at all, told before it is sent anywhere."""

import os
from collections.abc import Iterable

from pipelines.bills.biller import Biller


def held(biller: Biller) -> str:
    """A provider's key as the environment holds it; empty where it holds none."""
    return os.environ.get(biller.key_variable, "").strip()


def address(biller: Biller) -> str:
    """Where a provider's API is asked."""
    return os.environ.get(biller.address_variable) or biller.address


def another(biller: Biller, *, is_stored: bool) -> str:
    """How a person gives another key: to the connection that has one stored, or to the environment."""
    return (
        f"give it another with `apiledger connect {biller.name}`" if is_stored else f"set another {biller.key_variable}"
    )


def wrong(biller: Biller, key: str, known: Iterable[Biller], *, holder: str = "") -> str | None:
    """Why a key cannot be this provider's, and what to make instead; None where nothing speaks against it.

    What is told is the kind of the key alone, after `holder`, else after the variable that holds it. Letters that no
    provider's file knows speak for nothing.
    """
    kinds = [(prefix, other, kind) for other in known for prefix, kind in _kinds(other) if key.startswith(prefix)]
    if not kinds:
        return None
    _, owner, kind = max(kinds, key=lambda each: len(each[0]))
    if owner.name == biller.name and kind is None:
        return None
    said = f"an admin key of {owner.title}" if kind is None else kind
    instead = f"; {biller.key_help}" if biller.key_help else ""
    return f"{holder or f'{biller.key_variable} holds'} {said}, which cannot read {biller.title}'s bills{instead}"


def _kinds(biller: Biller) -> Iterable[tuple[str, str | None]]:
    yield from biller.other_keys.items()
    if biller.key_prefix:
        yield biller.key_prefix, None
