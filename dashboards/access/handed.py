"""What Streamlit hands to a browser under an address or a number of its own, and whose it is.

Its files, its buttons' files and its sessions are found by who knows their id. Here an id is worth nothing in another's
hands: the gate notes which session was told of which file, and says to Streamlit whose socket it is.
"""

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.responses import PlainTextResponse
from streamlit.web.server.server import MEDIA_ENDPOINT

_FOLDER = f"{MEDIA_ENDPOINT}/"
_NAMED = re.compile(rf"{_FOLDER}(\w+)".encode())
_MOST_FILES = 10_000
# By this Streamlit tells owners of sessions apart: it gives one back to nobody but who began it.
OWNER_HEADER = "x-apiledger-member"


class Handed:
    """Which files which sessions were told of; the oldest are forgotten, and asked for anew by their page."""

    def __init__(self) -> None:
        self._told: dict[bytes, set[bytes]] = {}

    def note(self, message: bytes, found_by: bytes) -> None:
        """Note every file that a message to a session's browser names."""
        for name in _NAMED.findall(message):
            self._told.setdefault(name, set()).add(found_by)
            if len(self._told) > _MOST_FILES:
                self._told.pop(next(iter(self._told)))

    def may_have(self, path: str, found_by: bytes) -> bool:
        """Whether a path is no file of Streamlit's, or one that this session was told of."""
        if not path.startswith(_FOLDER):
            return True
        name = path.removeprefix(_FOLDER).partition(".")[0]
        return found_by in self._told.get(name.encode(), ())


def missing() -> PlainTextResponse:
    """As Streamlit answers for a file that is not there."""
    return PlainTextResponse("File not found", 404)


def with_owner(scope: MutableMapping[str, Any], member_no: int) -> MutableMapping[str, Any]:
    """A socket's request with its member's number in the header, whatever the browser sent there."""
    name = OWNER_HEADER.encode()
    headers = [(key, value) for key, value in scope["headers"] if key.lower() != name]
    return {**scope, "headers": [*headers, (name, str(member_no).encode())]}
