"""Passwords: what may be one, its argon2id hash, and a comparison that takes as long where there is nobody.

A password is never kept, logged or named in an error; it lives in memory while it is hashed.
"""

import re
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from warehouse.errors import WarehouseError

SHORTEST = 12
LONGEST = 256
_FEWEST_DISTINCT = 5
# Fewer guesses than this and it is a common password, or one in a usual disguise: `password1234`, `Qwerty123456!`.
_FEWEST_GUESSES = 10**8
# The estimate looks at no more, so that a long sentence costs milliseconds.
_LOOKED_AT = 72
# OWASP's parameters: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Two at a time, on threads of their own: fifty people who sign in at once wait, and take 38 MiB. On the threads that
# answer them each would leave 19 MiB in an arena of its own, which is not given back.
_AT_ONCE = ThreadPoolExecutor(2, "argon2")
# Of a password that nobody has: who is unknown costs as much as who is known.
_NOBODY = _HASHER.hash("nobody's password, compared with where there is no member")


class PasswordRefusedError(WarehouseError, ValueError):
    """A new password is too easy to guess: the person chooses another."""


def check(password: str, email: str) -> None:
    """Let a new password pass; PasswordRefusedError, which does not repeat it, where it is too easy to guess."""
    if len(password) < SHORTEST:
        raise PasswordRefusedError(f"a password has at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise PasswordRefusedError(f"a password has at most {LONGEST} characters")
    if len(set(password)) < _FEWEST_DISTINCT:
        raise PasswordRefusedError("a password repeats itself less than this one")
    if email.partition("@")[0].lower() in password.lower():
        raise PasswordRefusedError("a password does not hold the name of its e-mail address")
    known = ["apiledger", *re.split(r"[@.]", email)]
    if zxcvbn(password[:_LOOKED_AT], user_inputs=known)["guesses"] < _FEWEST_GUESSES:
        raise PasswordRefusedError("that is a common password, or close to one")


def hashed(password: str) -> str:
    """The argon2id hash of a password, with its salt and parameters in it."""
    return _AT_ONCE.submit(_HASHER.hash, password).result()


def fits(kept: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed; None takes as long and is never right."""
    try:
        _AT_ONCE.submit(_HASHER.verify, kept or _NOBODY, password).result()
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
