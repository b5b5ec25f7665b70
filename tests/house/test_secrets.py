"""No file of the project holds a key of anybody: not a provider's, not a machine's, not one that opens or signs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.home import PROJECT

# The shapes in which keys are given out, each long enough that no made-up one of a test is taken for one.
SHAPES = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----\s*\S",
    "an age key": r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    "a key of OpenAI": r"\bsk-(?:(?:proj|svcacct|admin)-)?[\w-]{20,}T3BlbkFJ[\w-]{20,}",
    "a key of Anthropic": r"\bsk-ant-(?:api|admin|oat)\d\d-[\w-]{60,}",
    "a key of OpenRouter": r"\bsk-or-v1-[0-9a-f]{64}",
    "a key of DeepSeek, or one like it": r"\bsk-[0-9a-zA-Z]{32,}\b",
    "a key of Google": r"\bAIza[\w-]{35}",
    "a secret of Google": r"\bGOCSPX-[\w-]{28}",
    "a key of AWS": r"(?<!\w)A(?:KIA|SIA)[0-9A-Z]{16}\b",
    "a key of Stripe": r"[sr]k_(?:live|test)_[0-9a-zA-Z]{20,}",
    "a webhook's secret": r"\bwhsec_[0-9a-zA-Z]{32,}",
    "a token of GitHub": r"(?:gh[pousr]_[0-9a-zA-Z]{36}|github_pat_\w{60,})",
    "a token of GitLab": r"\bglpat-[\w-]{20,}",
    "a token of Slack": r"\bxox[abeoprs]-[0-9a-zA-Z-]{20,}",
    "a token of PyPI": r"\bpypi-AgE[\w-]{50,}",
    "a token of npm": r"\bnpm_[0-9a-zA-Z]{36}",
    "a signed token": r"\beyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}",
}
# What each has in it in any case: looked for first, which is fifty times as fast.
_WORDS = (
    *("PRIVATE KEY", "AGE-SECRET", "T3BlbkFJ", "sk-ant-", "sk-or-", "sk-", "AIza", "GOCSPX-", "A", "k_", "whsec_"),
    *("_", "glpat-", "xox", "pypi-", "npm_", "eyJ"),
)
_TOLD = [(kind, word, re.compile(shape)) for (kind, shape), word in zip(SHAPES.items(), _WORDS, strict=True)]


def found(text: str) -> Iterator[tuple[int, str]]:
    """The line and the kind of each key in a text; never the key."""
    begun: set[int] = set()
    for kind, word, shape in _TOLD:
        if word not in text:
            continue
        for match in shape.finditer(text):
            if match.start() not in begun:
                yield text.count("\n", 0, match.start()) + 1, kind
            begun.add(match.start())


def test_no_file_holds_a_key(tracked_files: list[Path]) -> None:
    """Every file that is or would be committed, pictures and locks included."""
    said = [
        f"{file}:{line}: {kind}: take it out, and have another made, for it was given away"
        for file in tracked_files
        for line, kind in found((PROJECT / file).read_bytes().decode(errors="replace"))
    ]
    assert said == []


# Put together here, so that this file itself holds none.
_LETTERS = "aB3dE5gH1jK7mN9pQ2sT4vW6xY8zA0cD"


@pytest.mark.clause("AL-5.3")
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("a private key", "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE"),
        ("a private key", "-----BEGIN OPENSSH " + "PRIVATE KEY-----\\nb3Blbn"),
        ("an age key", "AGE-SECRET-" + "KEY-1" + _LETTERS.upper() + _LETTERS.upper()[:26]),
        ("a key of OpenAI", "sk-" + "admin-" + _LETTERS + "T3BlbkFJ" + _LETTERS),
        ("a key of OpenAI", "sk-" + _LETTERS[:20] + "T3BlbkFJ" + _LETTERS[:20]),
        ("a key of Anthropic", "sk-ant-" + "admin01-" + _LETTERS * 3),
        ("a key of OpenRouter", "sk-or-" + "v1-" + "0c1f" * 16),
        ("a key of DeepSeek, or one like it", "sk-" + "0c1f" * 8),
        ("a key of Google", "AI" + "za" + _LETTERS + "_-x"),
        ("a secret of Google", "GOC" + "SPX-" + _LETTERS[:28]),
        ("a key of AWS", "AK" + "IA" + "0C1F" * 4),
        ("a key of Stripe", "rk_" + "live_" + _LETTERS),
        ("a webhook's secret", "wh" + "sec_" + _LETTERS),
        ("a token of GitHub", "gh" + "p_" + _LETTERS + "abcd"),
        ("a token of GitLab", "gl" + "pat-" + _LETTERS),
        ("a token of Slack", "xo" + "xb-" + _LETTERS),
        ("a token of PyPI", "pypi-" + "AgE" + _LETTERS * 2),
        ("a token of npm", "np" + "m_" + _LETTERS + "abcd"),
        ("a signed token", "ey" + "J" + _LETTERS + ".ey" + "J" + _LETTERS + "." + _LETTERS),
    ],
)
def test_a_key_of_each_shape_is_found(kind: str, key: str) -> None:
    """With its line and its kind; as a word of a setting, of JSON and of code."""
    assert list(found(f"nothing\nKEY={key}\n")) == [(2, kind)]
    assert list(found(f'{{"key": "{key}"}}')) == [(1, kind)]


def test_what_tests_make_up_is_no_key() -> None:
    """A canary in a key's place, a hash, a base64 of made-up bytes."""
    made_up = "sk-admin-canary-4be1c9d07f22 sk-proj-canary0001canary sk-ant-admin01-canary-1 AAECAwQFBgcICQoLDA0ODw=="
    assert list(found(f"{made_up} sha256:{'0c1f' * 16} BEGIN PRIVATE KEY")) == []
