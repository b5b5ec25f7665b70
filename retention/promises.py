"""retention/promises.toml -> what is promised and carried out, in our own words, for people to read."""

import tomllib
from functools import cache
from importlib import resources


@cache
def kept() -> tuple[str, ...]:
    """The sentences of the promises that are carried out as a whole."""
    text = resources.files("retention").joinpath("promises.toml").read_text(encoding="utf-8")
    return tuple(str(promise["says"]) for promise in tomllib.loads(text)["promise"] if promise["whole"])
