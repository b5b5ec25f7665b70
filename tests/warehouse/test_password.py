"""What may be a password: not a common one, whatever it is dressed up as; a sentence always."""

import random
import re
import time

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from warehouse.control import password
from warehouse.control.password import PasswordRefusedError

EMAIL = "ada@team.example"
COMMON = tuple(FREQUENCY_LISTS["passwords"])


def _refused(secret: str) -> bool:
    try:
        password.check(secret, EMAIL)
    except PasswordRefusedError as error:
        return secret not in str(error)
    return False


def _let_through(step: int) -> list[str]:
    """Which of the 3,000 most common passwords, filled up to the least length as people do, pass."""
    filled = (word + "1234567890123"[: max(0, password.SHORTEST - len(word))] for word in COMMON[:3000:step])
    return [word for word in filled if not _refused(word)]


@pytest.mark.clause("AL-5.4")
def test_a_common_password_is_refused() -> None:
    """ASVS 6.2.4: every common one that is long enough by itself, and a tenth of the 3,000 first filled with digits."""
    long = [word for word in COMMON if len(word) >= password.SHORTEST]
    assert len(long) > 200
    assert [word for word in long if not _refused(word)] == []
    assert _let_through(10) == []


@pytest.mark.soak
def test_all_of_the_three_thousand_are_refused() -> None:
    """The same with each of them."""
    assert _let_through(1) == []


@pytest.mark.parametrize(
    "dressed", ["P@ssw0rd1234", "Password2026", "drowssaplru1", "iloveyouiloveyou", "qwertzuiop123", "apiledger2026"]
)
def test_a_disguise_is_seen_through(dressed: str) -> None:
    """Capitals, digits for letters, repetition, keyboard rows, and the name of the thing itself."""
    assert _refused(dressed)


def test_a_sentence_is_let_through() -> None:
    """Four words nobody chose together pass, and so does what a password manager makes."""
    words, luck = tuple(FREQUENCY_LISTS["english_wikipedia"])[1000:9000], random.Random(5)  # noqa: S311 - the same luck every time
    assert [s for s in (" ".join(luck.sample(words, 4)) for _ in range(30)) if _refused(s)] == []
    letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    assert not any(_refused("".join(luck.choices(letters, k=14))) for _ in range(30))


def test_the_longest_password_is_looked_at_in_no_time() -> None:
    """Made to be hard to estimate, and 256 characters long: no way to keep the server busy."""
    began = time.process_time()
    for hard in ("@$!10|+" * 36, "passwordpassw0rd" * 16, "1" * 256, "qazwsxedc" * 28):
        _refused(hard)
    assert time.process_time() - began < 2


@pytest.mark.clause("AL-1.1")
@pytest.mark.clause("VA-2.1")
def test_a_password_rests_as_a_hash_that_costs() -> None:
    """Argon2id, 19 MiB and two passes at least; twice the same password is two hashes, and only it fits them."""
    secret = "canary horses staple"
    first, second = password.hashed(secret), password.hashed(secret)
    told = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),", first)
    assert told
    assert int(told[1]) >= 19_456
    assert int(told[2]) >= 2
    assert first != second
    assert secret not in first
    assert password.fits(first, secret)
    assert not password.fits(first, secret + "r")
