"""A key before it is kept: what its letters say, what it can read of the bills, and what it may do besides.

Asked are the same reports that a pull reads, for one day. Nothing of an answer is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.bills import billing_key
from pipelines.bills.biller import Biller, Report, billers
from pipelines.bills.billing_api import BillingApi
from pipelines.errors import KeyRefusedError, PathRefusedError, ProviderError

MOST_CHARACTERS = 1_000


@dataclass(frozen=True)
class Checked:
    """What was found: why the key is of no use (None: it is), what it cannot read, what it may do besides.

    `answered` is whether the provider was heard; where it was not, the next pull finds out.
    """

    refusal: str | None = None
    left_out: tuple[str, ...] = ()
    beyond: str | None = None
    answered: bool = False


def unfit(biller: Biller, key: str) -> str | None:
    """Why a key cannot read this provider's bills, by its letters alone, and what to make instead."""
    if not key:
        return f"no key was given; {biller.key_help}"
    if len(key) > MOST_CHARACTERS or not (key.isascii() and key.isprintable()) or " " in key:
        return f"that has characters that no key has; {biller.key_help}"
    return billing_key.wrong(biller, key, billers().values(), holder="that is")


def check(biller: Biller, key: str, now: datetime) -> Checked:
    """Look at a key's letters, then ask the provider, once each; `now` is UTC. No answer repeats the key."""
    if reason := unfit(biller, key):
        return Checked(reason)
    try:
        with BillingApi(biller.title, billing_key.address(biller), biller.headers(key), most_tries=1) as api:
            return _asked(api, biller, now)
    except KeyRefusedError:
        return Checked(f"{biller.title} refuses it: revoked, mistyped, or of another kind; {biller.key_help}")
    except ProviderError as error:
        return Checked(left_out=(f"it could not be tried: {error}",))


def _asked(api: BillingApi, biller: Biller, now: datetime) -> Checked:
    if biller.probe is not None:
        api.dialect = biller.probe(api)
    # Where a question costs money, one is enough.
    reports = biller.reports[:1] if biller.is_daily else biller.reports
    refused = [report for report in reports if not _is_read(api, report, now)]
    if len(refused) == len(reports):
        return Checked(f"it may read none of {biller.title}'s bills; {biller.key_help}")
    left_out = tuple(f"{report.table.name} ({report.name}) is left out: it may not read this" for report in refused)
    return Checked(None, left_out, biller.beyond(api), answered=True)


def _is_read(api: BillingApi, report: Report, now: datetime) -> bool:
    first = now.date() if report.kind == "balance" else now.date() - timedelta(days=1)
    try:
        for _ in report.read(api, first, first + timedelta(days=1)):
            pass
    except PathRefusedError:
        return False
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        raise ProviderError(f"{report.table.full_name} has another form than documented") from None
    return True


def connectable() -> Iterator[Biller]:
    """The providers that a key connects; the others send files."""
    yield from (biller for biller in billers().values() if biller.files is None)
