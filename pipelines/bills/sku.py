"""The words of a bill's line -> model, class of tokens and tier, where they are certain; nothing is guessed.

SOURCES: usage types of Amazon Bedrock's cost reports (`USE1-Claude4.6Opus-input-tokens-cross-region-global`), Google's
SKU descriptions (`Gemini 2.5 Flash Text Input - Predictions`). A line of another form says no model.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Sku:
    """What a line is for; None where it does not say so without doubt."""

    model: str | None = None
    token_type: str | None = None
    service_tier: str | None = None


_BEDROCK = re.compile(
    r"[A-Z]{2,4}\d?-(?P<model>[\w.-]+?)(?:-mantle)?-"
    r"(?P<kind>cache-read-input-token-count|cache-write-input-token-count|cache-read-tokens|cache-write-tokens"
    r"|input-tokens|output-tokens)"
    r"(?P<hour>-1-hour)?(?:-cross-region)?(?:-global|-geo)?(?P<tier>-batch|-priority|-flex|-standard)?"
    r"(?:-cross-region)?(?:-global|-geo)?"
)
_BEDROCK_KINDS = {
    "input-tokens": "uncached_tokens",
    "output-tokens": "output_tokens",
    "cache-read-input-token-count": "cache_read_tokens",
    "cache-read-tokens": "cache_read_tokens",
    "cache-write-input-token-count": "cache_write_tokens",
    "cache-write-tokens": "cache_write_tokens",
}
_GEMINI = re.compile(
    r"(?P<model>Gemini \d(?:\.\d)? (?:Pro|Flash Lite|Flash-Lite|Flash|Ultra|Nano))(?: GA)? "
    r"(?:(?P<thinking>Thinking )?(?P<medium>Text|Image|Audio|Video) (?P<way>Input|Output))?"
    r"(?P<storage>Input Text Caching Storage)?"
    r"(?: (?P<tier>Priority|Flex))?(?: - (?P<batch>Batch )?Predictions)?"
)
_GEMINI_KINDS = {
    ("Text", "Input"): "uncached_tokens",
    ("Image", "Input"): "image_in_tokens",
    ("Audio", "Input"): "audio_in_tokens",
    ("Text", "Output"): "text_out_tokens",
    ("Audio", "Output"): "audio_out_tokens",
}


def read(line: str | None) -> Sku:
    """What a bill's line is for."""
    text = (line or "").strip()
    if found := _BEDROCK.fullmatch(text):
        kind = _BEDROCK_KINDS[found["kind"]]
        if found["hour"] and kind == "cache_write_tokens":
            kind = "cache_write_1h_tokens"
        return Sku(found["model"], kind, (found["tier"] or "").removeprefix("-") or None)
    if found := _GEMINI.fullmatch(text):
        kind_or_none = _GEMINI_KINDS.get((found["medium"] or "", found["way"] or ""))
        if found["thinking"]:
            kind_or_none = "reasoning_out_tokens" if kind_or_none == "text_out_tokens" else None
        tier = "batch" if found["batch"] else (found["tier"] or "").lower() or None
        return Sku(found["model"].lower().replace(" ", "-"), kind_or_none, tier)
    return Sku()
