"""`published/withheld`: while it lies there nobody reads a version, since one still shows somebody who is being erased.

Who looks each time that a version shows its reader nothing of them, as pages do for other accounts, may go on.

A file, so that asking costs a look at a folder and no database. It is laid before the erasure is written down and taken
away once a version without the erased is published; one that lies there without an erasure is taken away by the next
pass.
"""

from pathlib import Path

from warehouse import file_copy
from warehouse.errors import WithheldError
from warehouse.home import Home


def _mark(home: Home) -> Path:
    return home.published / "withheld"


def withhold(home: Home) -> None:
    """Keep every version from being read from this moment on, and take away the name under which people open one."""
    home.published.mkdir(mode=0o700, parents=True, exist_ok=True)
    _mark(home).touch(mode=0o600)
    file_copy.synced(home.published)
    # Publishing puts it back; the file it points to is emptied and unlinked then.
    home.people_file.unlink(missing_ok=True)
    file_copy.synced(home.root)


def release(home: Home) -> None:
    """Let the newest version be read again."""
    _mark(home).unlink(missing_ok=True)
    file_copy.synced(home.published)


def is_withheld(home: Home) -> bool:
    """Whether nobody may read a version now."""
    return _mark(home).exists()


def hold(home: Home) -> None:
    """Raise WithheldError where nobody may read a version now."""
    if is_withheld(home):
        raise WithheldError(
            "somebody is being erased: figures are back once a version without them is published, usually within a "
            "minute; `apiledger erase resume` goes on where it broke off"
        )
