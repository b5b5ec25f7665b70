"""Labels: which texts of a log are names that people gave, and what stands for the ones that are not.

A log's text field can hold anything: an e-mail address, a key, a sentence of a prompt. Only what looks like a name
passes; a number stands for the rest, so that two different texts stay two.
"""

import ipaddress
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

# An IP address is no name, though it has no other character than one.
ADDRESS = r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F.]*(:[0-9a-fA-F.]*){2,}"
# A call id that begins like a credential, or is an address, is none; anchored, since it is asked of every call.
NO_CALL_ID = rf"{ADDRESS}|(?i)((sk|pk|rk|ak|xai|gsk|key|xox[a-z]|gh[a-z])[-_]|AKIA|AIza|eyJ).*"

_LABEL = re.compile(LABEL)
_PROVIDER = re.compile(PROVIDER)
_ADDRESS = re.compile(r"(?<![\d.])(\d{1,3}\.){3}\d{1,3}(?![\d.])")
_CREDENTIAL = re.compile(CREDENTIAL)


def is_label(text: str) -> bool:
    """Whether a text looks like a name: at most 64 word characters, blanks and `./:-`; no credential, no IP address."""
    return bool(_LABEL.fullmatch(text)) and bool(text.strip()) and not is_telling(text)


def is_provider(text: str) -> bool:
    """Whether a text is one word, as providers and gateways are called; no credential, no IP address."""
    return bool(_PROVIDER.fullmatch(text)) and not is_telling(text)


def is_telling(text: str) -> bool:
    """Whether a text holds a credential or an IP address, whatever else it looks like."""
    if _CREDENTIAL.search(text) or _ADDRESS.search(text):
        return True
    try:
        ipaddress.ip_address(text.strip())
    except ValueError:
        return False
    return True


def label_or_number(text: str | None, kind: str, number: int) -> str:
    """The text where it is a label, else `<kind> <number>`."""
    if kind == "account" and text == "":
        return "own"
    return text if text is not None and is_label(text) else f"{kind} {number}"
