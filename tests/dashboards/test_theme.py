"""Colours: a provider is known again on every page, and nobody is taken for somebody else."""

from itertools import combinations
from xml.etree import ElementTree as ET

import pytest

from dashboards import theme

KNOWN = ("openai", "anthropic", "google", "deepseek", "openrouter", "mistral", "cohere")
UNKNOWN = ("self-hosted", "vertex_ai", "together_ai", "fireworks", "not named", "nebius", "replicate", "bedrock")
# Twice what an eye tells apart when two bars do not touch (CIE 1976 colour difference).
APART = 20


def _lab(colour: str) -> tuple[float, float, float]:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
            0.2126 * red + 0.7152 * green + 0.0722 * blue,
            (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _apart(one: str, other: str) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(_lab(one), _lab(other), strict=True)) ** 0.5)


@pytest.mark.parametrize("known", range(8))
def test_providers_of_one_chart_are_told_apart(known: int) -> None:
    """Seven providers and the rest, however many of them are known: no two look alike."""
    names = [*KNOWN[:known], *UNKNOWN[: 7 - known], theme.OTHER]
    drawn = dict(zip(names, theme.colours("provider", names), strict=True))
    for one, other in combinations(names, 2):
        assert _apart(drawn[one], drawn[other]) > APART, (one, other)


@pytest.mark.parametrize("other", ["azure", "aws", "meta", "groq", "xai"])
@pytest.mark.parametrize("name", [*KNOWN, *UNKNOWN])
def test_no_provider_is_taken_for_another(name: str, other: str) -> None:
    """Two and two, the rarer known ones too."""
    assert _apart(*theme.colours("provider", [name, other])) > APART


def test_a_provider_keeps_its_colour_in_other_company() -> None:
    """Whatever else is drawn, and in which place, one colour is one provider."""
    alone = theme.colours("provider", ["self-hosted"])
    assert theme.colours("provider", ["openai", "mistral", "self-hosted", theme.OTHER])[2:3] == alone
    assert theme.colours("provider", ["self-hosted", "openai"])[1:] == theme.colours("provider", ["openai"])


@pytest.mark.parametrize("dimension", ["model", "project"])
def test_series_without_a_colour_of_their_own_are_told_apart(dimension: str) -> None:
    """Models and projects take the palette in turn; the rest is grey."""
    drawn = theme.colours(dimension, [*(f"name {n}" for n in range(7)), theme.OTHER])
    for one, other in combinations(drawn, 2):
        assert _apart(one, other) > APART - 1


def test_a_name_in_the_bar_is_text() -> None:
    """The mark with a site's name is well-formed whatever it is called, and wide letters have room."""
    drawn = ET.fromstring(theme.mark("A & <script>b</script> 費用"))  # noqa: S314 - our own drawing
    assert [each.text for each in drawn.iter() if each.text and "b</script>" in each.text] == [
        "A & <script>b</script> 費用"
    ]
    widths = [float(ET.fromstring(theme.mark(name)).attrib["width"]) for name in ("ii", "nn", "費用")]  # noqa: S314
    assert widths == sorted(widths)
