"""The installed packages that apiledger does not run on, a name a line: what tests and builds need, for an image.

The lock holds those as well, since it is one for all; which ones they are is known once they are installed.
"""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, distributions

from packaging.requirements import Requirement

PROJECT = "apiledger"


def spare(project: str = PROJECT) -> list[str]:
    """What is installed here and neither the project nor needed by it, sorted; PackageNotFoundError without it."""
    distribution(project)
    installed = {_normal(one.name) for one in distributions()}
    return sorted(installed - set(_needed(project, frozenset(), set())))


def _needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """A package and all it needs, where it is installed."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    try:
        found = distribution(name)
    except PackageNotFoundError:
        # Of another platform or Python.
        return
    yield name
    for line in found.requires or ():
        asked = Requirement(line)
        if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield from _needed(_normal(asked.name), frozenset(asked.extras), seen)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    print("\n".join(spare()))  # noqa: T201 - pip reads it
