"""A tier is a function of what was paid in less what was given back, and of nothing else."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse import credit_tier
from warehouse.credit_tier import Tier
from warehouse.errors import WarehouseError

DEFAULT = credit_tier.of_home(Path("/nowhere"))
_AMOUNTS = st.decimals(-(10**6), 10**6, places=2)


@pytest.mark.clause("VA-2.2")
@given(payments=st.lists(_AMOUNTS, max_size=8), order=st.randoms())
def test_a_tier_is_of_the_sum_whatever_it_is_made_of(payments: list[Decimal], order: object) -> None:
    """In another order and in one sum the same; the next tier is reached by what is missing, and not by a cent less."""
    whole = sum(payments, Decimal(0))
    found = credit_tier.standing(DEFAULT, whole)
    shuffled = list(payments)
    order.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis' random
    assert credit_tier.standing(DEFAULT, sum(shuffled, Decimal(0))) == found
    assert found.tier.from_usd <= whole or found.tier == DEFAULT[0]
    if found.following:
        assert credit_tier.standing(DEFAULT, whole + found.missing_usd).tier == found.following
        assert credit_tier.standing(DEFAULT, whole + found.missing_usd - Decimal("0.01")).tier != found.following


@pytest.mark.clause("VA-2.2")
@given(whole=_AMOUNTS, more=st.decimals(0, 10**6, places=2))
def test_who_pays_in_more_is_in_no_lower_tier(whole: Decimal, more: Decimal) -> None:
    """Only what is given back leads down."""
    before, after = (credit_tier.standing(DEFAULT, sum_) for sum_ in (whole, whole + more))
    assert DEFAULT.index(after.tier) >= DEFAULT.index(before.tier)


def test_the_owners_file_takes_the_place_of_the_one_that_comes_along(tmp_path: Path) -> None:
    """Two tiers of one's own; at the top nothing is missing."""
    text = '[[tier]]\nname = "Guest"\nfrom_usd = "0"\n[[tier]]\nname = "Member"\nfrom_usd = "9.99"\n'
    (tmp_path / credit_tier.FILE).write_text(text)
    tiers = credit_tier.of_home(tmp_path)
    assert tiers == (Tier("Guest", Decimal(0)), Tier("Member", Decimal("9.99")))
    assert credit_tier.standing(tiers, Decimal(10)) == credit_tier.Standing(tiers[1], None, Decimal(0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tier = 1",
        '[[tier]]\nname = "A"\nfrom_usd = 0.5\n',
        '[[tier]]\nname = "A"\nfrom_usd = "1"\n',
        '[[tier]]\nname = "A"\nfrom_usd = "0"\n[[tier]]\nname = "B"\nfrom_usd = "0"\n',
        '[[tier]]\nname = "A"\nfrom_usd = "0"\n[[tier]]\nname = "A"\nfrom_usd = "5"\n',
        '[[tier]]\nname = "a@b"\nfrom_usd = "0"\n',
        '[[tier]]\nname = "A"\nfrom_usd = "0"\nperks = "all"\n',
    ],
)
def test_a_file_that_says_no_tiers_is_said(tmp_path: Path, text: str) -> None:
    """A float, no beginning at 0, two of one start or name, a word nobody knows."""
    (tmp_path / credit_tier.FILE).write_text(text)
    with pytest.raises(WarehouseError, match=r"tiers\.toml"):
        credit_tier.of_home(tmp_path)
