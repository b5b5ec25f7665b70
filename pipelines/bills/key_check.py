"""A key before it is kept: what its letters say, what it can read of the bills, and what it may do besides.

Asked are the same reports that a pull reads, for one day. Nothing of an answer is stored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipelines.bills import billing_key
from pipelines.bills.biller import Biller, Report, billers
from pipelines.bills.billing_api import BillingApi
from pipelines.bills.report_reader import LEFT_OUT
from pipelines.errors import KeyRefusedError, PathRefusedError, ProviderError

MOST_CHARACTERS = 1_000


@dataclass(frozen=True)
class Checked:
    """What was found: why the key is of no use (None: it is), what it may do besides reading bills.

    `notes` are what it cannot read, by topic as in model.coverage. `unheard` says why the provider could not be asked:
    the next pull finds out.
    """

    refusal: str | None = None
    beyond: str | None = None
    unheard: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether the key was found to work."""
        return self.refusal is None and self.unheard is None


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
        return Checked(unheard=str(error))


def _asked(api: BillingApi, biller: Biller, now: datetime) -> Checked:
    if biller.probe is not None:
        api.dialect = biller.probe(api)
    # Where a question costs money, one is enough.
    reports = biller.reports[:1] if biller.is_daily else biller.reports
    refused = [report for report in reports if not _is_read(api, report, now)]
    if len(refused) == len(reports):
        return Checked(f"it may read none of {biller.title}'s bills; {biller.key_help}")
    notes = {
        LEFT_OUT + report.name: f"{report.table.name} is left out: the key may not read this; let it, or give another"
        for report in refused
    }
    return Checked(beyond=biller.beyond(api), notes=notes)


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
