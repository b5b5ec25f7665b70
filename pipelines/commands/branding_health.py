"""Whether the owner's own name and logo can be shown: for `apiledger doctor`."""

from collections.abc import Iterator

from pipelines.gateways.finding import Finding
from warehouse import branding
from warehouse.branding import BrandingError
from warehouse.home import Home


def findings(home: Home) -> Iterator[Finding]:
    """What of branding.toml or the logo cannot be read or is none."""
    try:
        branding.load(home)
    except BrandingError as error:
        yield Finding(str(error), "mend or remove it: until then apiledger's own name and mark are shown")
