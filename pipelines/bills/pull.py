"""A provider's billing API -> raw_<provider>.*: what it says of the days that may have changed, whole or not at all.

Read are whole UTC days: from where the last pull ended, less the provider's look-back window, up to today; once a day
`late_days` back, since what comes later than a provider says is part of the bill, too. A day that says the same again
is not stored again. Each connection is a pull of its own; a key is in clear while it is asked, alone. How some are
pulled together stands in `turn.py`; what is stored, and how it heals, in `landing.py`.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from pipelines import erasing
from pipelines.bills import billing_key, delivery, delivery_pull, turn
from pipelines.bills.biller import Biller, billers
from pipelines.bills.billing_api import Clock
from pipelines.bills.delivery import Files
from pipelines.bills.landing import Pulled
from pipelines.bills.report_reader import Progress
from pipelines.bills.turn import Failure
from pipelines.errors import GaveWayError, ProviderError
from warehouse import database
from warehouse.control import credential
from warehouse.errors import BusyError, KeyUnavailableError
from warehouse.home import Home

# Connections of a turn. Between two, whoever waits for the provider's lock gets it: it is looked for as often.
_TURN, _GIVE_WAY_S = 32, 0.1


def is_connected(home: Home, biller: Biller) -> bool:
    """Whether a key is stored or in the environment; a sandbox asks no one but a server of this machine.

    A source of files is, where a file waits or a folder is named.
    """
    if biller.files is not None:
        return delivery.waits(home, biller.name, biller.files)
    return turn.may_ask(home, biller) and (bool(billing_key.held(biller)) or bool(_stored(home, biller)))


def _stored(home: Home, biller: Biller) -> list[int]:
    if not home.control_file.exists():
        return []
    with database.control(home) as control:
        return credential.living(control, biller.name)


def pull(
    home: Home,
    biller: Biller,
    now: datetime,
    progress: Progress,
    clock: Clock | None = None,
    connection_no: int | None = None,
) -> Pulled:
    """Pull one provider's reports with the key of the environment, or that of a connection; `now` is UTC.

    ProviderError where it gives no usable answer, nothing was stored then; BusyError where another pull or pass is
    under way. A provider without a key, with one that is another's, or that refused it today, is skipped and said.
    """
    if biller.files is not None:
        return _delivered(home, biller, biller.files, _utc(now), progress)
    found = _turn(home, biller, [connection_no], _utc(now), progress, clock)[connection_no]
    if isinstance(found, Pulled):
        return found
    raise found


def _delivered(home: Home, biller: Biller, files: Files, now: datetime, progress: Progress) -> Pulled:
    while True:
        erasing.resume(home, now, progress)
        try:
            with turn.alone(home, biller):
                return delivery_pull.pull(home, biller, files, now, progress)
        except GaveWayError:
            progress(erasing.GAVE_WAY, 1, 1)


def _turn(
    home: Home,
    biller: Biller,
    numbers: Sequence[int | None],
    now: datetime,
    progress: Progress,
    clock: Clock | None = None,
) -> turn.Found:
    """A turn, taken up again by those whose answers gave way to an erasure."""
    found: turn.Found = {}
    while left := [number for number in numbers if number not in found]:
        erasing.resume(home, now, progress)
        found |= turn.pull(home, biller, left, now, progress, clock)
        if len(found) < len(numbers):
            progress(erasing.GAVE_WAY, 1, 1)
    return found


def pull_all(home: Home, now: datetime, progress: Progress) -> list[Pulled]:
    """Pull every connection of every account; one that fails is skipped and said, the others land."""
    return [
        pulled
        for biller in billers().values()
        if is_connected(home, biller)
        for pulled in pull_each(home, biller, now, progress)
    ]


def pull_each(home: Home, biller: Biller, now: datetime, progress: Progress) -> list[Pulled]:
    """Pull one provider: each connection with its own stored key, and then with the environment's."""
    stored = _stored(home, biller) if turn.may_ask(home, biller) else []
    numbers = [*stored, *([None] if billing_key.held(biller) or not stored else [])]
    if len(numbers) == 1:
        return [pull_or_say(home, biller, now, progress, numbers[0])]
    given: list[Pulled] = []
    for first in range(0, len(numbers), _TURN):
        some = numbers[first : first + _TURN]

        def tell(what: str, done: int, _: int, before: int = first) -> None:
            progress(what, before + done, len(numbers))

        if first:
            time.sleep(_GIVE_WAY_S)
        try:
            found = _turn(home, biller, some, _utc(now), tell)
        except BusyError as error:
            found = dict.fromkeys(some, error)
        given += [_said(biller, number, found[number]) for number in some]
    return given


def pull_or_say(
    home: Home, biller: Biller, now: datetime, progress: Progress, connection_no: int | None = None
) -> Pulled:
    """Pull one provider with one key; why there was nothing stands in `skipped`."""
    try:
        return pull(home, biller, now, progress, connection_no=connection_no)
    except (ProviderError, BusyError, KeyUnavailableError) as error:
        return _said(biller, connection_no, error)


def _said(biller: Biller, connection_no: int | None, found: Pulled | Failure) -> Pulled:
    if isinstance(found, Pulled):
        return found
    if isinstance(found, KeyUnavailableError) and connection_no is None:
        raise found
    return Pulled(biller.name, skipped=str(found), connection_no=connection_no)


def _utc(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
