"""What is wrong with the privacy policy that an installation shows: for `apiledger doctor`."""

from collections.abc import Iterator
from datetime import datetime

from pipelines.gateways.finding import Finding
from retention import privacy
from retention.errors import PolicyError
from warehouse import database
from warehouse.control import acceptance
from warehouse.home import Home


def findings(home: Home, now: datetime) -> Iterator[Finding]:
    """Words that cannot be read or changed unseen; members not told of a change, or told nobody to write to."""
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        unseen, untold = acceptance.changed_unseen(control), acceptance.untold(control, now.date())
        ((members,),) = control.execute("SELECT count(*) FROM member").fetchall()
    for what in unseen:
        step = f"write another version and in_force into {privacy.file_of(home)}; every member is asked again"
        yield Finding(what, step, warning=True)
    for what in untold:
        step = "name a mail server: set APILEDGER_SMTP or run `apiledger budget server`; whoever signs in is asked"
        yield Finding(what, step, warning=True)
    try:
        notice = privacy.notice(home)
    except PolicyError as error:
        yield Finding(f"/privacy cannot be shown: {error}", "mend the file: until then the page has no text")
        return
    if members > 1 and not notice.contact.strip():
        step = f'write contact = "privacy@your.example" into {privacy.file_of(home)}'
        yield Finding(f"{members} members have no address for their rights and questions", step, warning=True)
