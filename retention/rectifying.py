"""`python -m retention.rectifying HOME REQUEST NOW`: a name that its owner asked to have put right is put right.

A process of its own, since the build is written anew. What reaches beyond the account waits for the operator first.
"""

import re
import sqlite3
import sys
from datetime import datetime
from pathlib import Path

from retention import holding, rectify
from retention.errors import RetentionError
from retention.holding import Holding
from warehouse import database, labels
from warehouse.control import right
from warehouse.control import wish as wishes
from warehouse.control.outside_id import NAMED
from warehouse.control.right import State
from warehouse.control.vault import Vault
from warehouse.control.wish import Wish
from warehouse.errors import BusyError
from warehouse.home import Home


def hold(control: sqlite3.Connection, own: Holding, wish: Wish) -> None:
    """RetentionError where an account has nothing of that name, or the new one is none that it may have."""
    if wish.kind not in NAMED:
        raise RetentionError(f"names are put right of {', '.join(NAMED)}")
    if not labels.is_label(wish.new) or wish.new == wish.old:
        raise RetentionError("a name is up to 64 letters, digits, blanks and ./:-, no address, and another than before")
    if re.fullmatch(rf"{wish.kind} \d+|own", wish.new):
        raise RetentionError("that is how something without a name is called")
    numbers = ", ".join(map(str, own.numbers))
    query = f"""SELECT 1 FROM outside_id JOIN label ON label.no = outside_id.no
                WHERE kind = ? AND label.label = ? AND account_no IN ({numbers})"""
    if control.execute(query, (wish.kind, wish.old)).fetchone() is None:
        raise RetentionError(f"this account has no {wish.kind} of that name")


def concerns_others(own: Holding, wish: Wish) -> bool:
    """Whether who owns the installation looks at it first.

    What a log calls an account decides whose its rows are, also those of a log that comes later: under another name it
    might be somebody else's. Projects, teams and keys are an account's own; another may call its own the same.
    """
    return wish.kind == "account" and not own.is_operator


def carry_out(home: Home, request_no: int, now: datetime) -> None:
    """Put right what a request asks for and answer it; nothing where it was taken up or answered already.

    Where a pass is under way for too long the request stays open, as it was.
    """
    with database.control(home) as control:
        vault = Vault(control, now)
        asked = right.find(control, vault, request_no)
        wish = wishes.take(control, vault, asked)
        if wish is None:
            return
        own = holding.of_account(control, asked.account_no)
    state, answer = _put_right(home, own, wish, now)
    with database.control(home) as control:
        vault = Vault(control, now)
        if state == "open":
            wishes.put(control, vault, asked, wish)
        else:
            right.end(control, vault, request_no, state, answer, now)


def _put_right(home: Home, own: Holding, wish: Wish, now: datetime) -> tuple[State, str]:
    try:
        done = rectify.name(home, own, wish.kind, wish.old, wish.new, now, lambda *_: None)
    except BusyError:
        return "open", ""
    except RetentionError as error:
        return "refused", str(error)
    left = f"; still in {', '.join(map(str, done.found_in))}" if done.found_in else ""
    return "done", f"the {wish.kind} is called {wish.new} now, and the name before is gone{left}"


if __name__ == "__main__":
    carry_out(Home(Path(sys.argv[1])), int(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
