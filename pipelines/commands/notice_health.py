"""What is wrong with the privacy policy that an installation shows: for `apiledger doctor`."""

from collections.abc import Iterator

from pipelines.gateways.finding import Finding
from retention import privacy
from retention.errors import PolicyError
from warehouse import database
from warehouse.control import acceptance
from warehouse.home import Home


def findings(home: Home) -> Iterator[Finding]:
    """Words that cannot be read, changed words under one version, and members who are told nobody to write to."""
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        twice = acceptance.shown_twice(control)
        ((members,),) = control.execute("SELECT count(*) FROM member").fetchall()
    for version in twice:
        what = f"the privacy policy was changed under version {version}, so every member is asked again"
        yield Finding(what, f"give another text another version in {privacy.file_of(home)}", warning=True)
    try:
        notice = privacy.notice(home)
    except PolicyError as error:
        yield Finding(f"/privacy cannot be shown: {error}", "mend the file: until then the page has no text")
        return
    if members > 1 and not notice.contact.strip():
        step = f'write contact = "privacy@your.example" into {privacy.file_of(home)}'
        yield Finding(f"{members} members have no address for their rights and questions", step, warning=True)
