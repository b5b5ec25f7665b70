"""Passwords rest as argon2id hashes of OWASP's strength, and never as they are."""

import re

import pytest

from warehouse.control import password


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
