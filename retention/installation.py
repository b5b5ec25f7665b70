"""[installation] of the owner's policy.toml -> who answers for it, where it stands, who processes for it.

What is not said there stands in no report as if it were: it is named as missing.
"""

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from retention import policy
from retention.errors import PolicyError


class Installation(BaseModel):
    """Who answers (`controller`), where questions go, in which region data rests, and hosts that are asked besides."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    controller: str | None = None
    contact: str | None = None
    region: str | None = None
    # Hosts beside the providers' own that may be asked, such as a proxy of one's own before a provider.
    hosts: list[str] = []


class Processor(BaseModel):
    """Who gets data from here, or is asked with a key: an address of the settings, what for, and what is sent."""

    model_config = ConfigDict(frozen=True)

    name: str
    purpose: str
    sends: str
    url: str
    # The host that its own program knows; None where the owner alone says which.
    expected_host: str | None = None

    @property
    def host(self) -> str:
        """The host of its address."""
        return urlsplit(self.url).hostname or ""

    def wrong(self, installation: Installation) -> str | None:
        """Why it may not be asked; None where it may: encrypted or on this machine, at a host that was expected."""
        if is_loopback(self.host):
            return None
        if urlsplit(self.url).scheme not in {"https", "smtps", "smtp+starttls", "postgresql+tls", "s3"}:
            return f"{self.name} at {self.host} is not asked over an encrypted connection"
        if self.expected_host in {None, self.host} or self.host in installation.hosts:
            return None
        return f"{self.name} is asked at {self.host}: name that host under [installation] hosts, or unset the address"


def load(own: Path) -> Installation:
    """What the owner's policy.toml says of the installation; PolicyError names what it cannot say."""
    if not own.exists():
        return Installation()
    said = policy.toml_of(own.read_text(encoding="utf-8"), str(own)).get("installation", {})
    try:
        return Installation.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        raise PolicyError(f"{own}: [installation]: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
