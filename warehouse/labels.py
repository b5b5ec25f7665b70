"""Labels: which texts of a log are names that people gave, and what stands for the ones that are not.

A log's text field can hold anything: an e-mail address, a key, a sentence of a prompt. Only what looks like a name
passes; a number stands for the rest, so that two different texts stay two.
"""

import re

LABEL = r"[\w ./:-]{1,64}"
# A model is one word; Vertex writes claude-sonnet-4@20250514, which no e-mail address looks like.
MODEL = r"[\w./:+-]{1,120}(@[0-9-]{1,12})?"
PROVIDER = r"[\w.-]{1,40}"
CALL_ID = r"[\w./:+-]{1,128}"
# What looks like a credential is none of our names: sk-…, AKIA…, AIza…, ghp_…, JWTs.
CREDENTIAL = (
    r"(?i)(\b(sk|pk|rk|ak|xai|gsk|key|xox[a-z]|gh[a-z])[-_][\w-]{16,}"
    r"|\bAKIA[0-9A-Z]{12,}|\bAIza[\w-]{20,}|\beyJ[\w-]{10,})"
)

_LABEL = re.compile(LABEL)
_CREDENTIAL = re.compile(CREDENTIAL)


def is_label(text: str) -> bool:
    """Whether a text looks like a name: at most 64 word characters, blanks and `./:-`, no `@`, no credential."""
    return bool(_LABEL.fullmatch(text)) and not _CREDENTIAL.search(text) and bool(text.strip())


def label_or_number(text: str | None, kind: str, number: int) -> str:
    """The text where it is a label, else `<kind> <number>`."""
    if kind == "account" and text == "":
        return "own"
    return text if text is not None and is_label(text) else f"{kind} {number}"
