"""Who goes on reading while somebody is being erased: whoever's own labels are, in the version, nobody's who goes.

The operator sees sums over everybody and waits, as the file does that people open with SQL. So does everybody where a
gateway's user or an end user goes: whose rows they are in is not looked for.
"""

from typing import TYPE_CHECKING

from dashboards.figures.viewer import Viewer
from retention.stones_anywhere import BOUNDLESS
from warehouse import database, withholding
from warehouse.control import erasure as erasures
from warehouse.control import protection, tombstone
from warehouse.home import Home

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def hold(home: Home, connection: "DuckDBPyConnection", looks: Viewer) -> None:
    """Raise WithheldError where a version is withheld that may show this viewer somebody who is being erased."""
    if withholding.is_withheld(home) and not _goes_on(home, connection, looks):
        withholding.hold(home)


def _goes_on(home: Home, connection: "DuckDBPyConnection", looks: Viewer) -> bool:
    if looks.accounts is None or protection.is_on(home):
        return False
    with database.control(home) as control:
        pending = erasures.pending(control)
        stones = [stone for each in pending for stone in tombstone.of_erasure(control, each.erasure_no)]
    # Laid before the erasure is written down: who it is cannot be told yet.
    if not stones or {each.kind for each in pending} - {"account", "member"}:
        return False
    # The number of what no gateway bounds is drawn: no version knows it.
    accounts = [stone for stone in stones if stone.kind == "account" and stone.gateway not in BOUNDLESS]
    gone = [stone.number for stone in accounts]
    logged = {stone.number for stone in accounts if stone.lookup}
    # A version that was published since knows them no more, and may have what a load under way brought.
    ((known, is_shared),) = connection.execute(
        """SELECT list(DISTINCT account_no), coalesce(bool_or(list_contains($labels::VARCHAR[], label)), false)
           FROM model.account WHERE list_contains($gone::BIGINT[], account_no)""",
        {"gone": gone, "labels": list(looks.accounts)},
    ).fetchall()
    return bool(logged) and logged <= set(known or ()) and not is_shared
