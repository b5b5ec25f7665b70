"""Mail: which classes of it there are, what an address is, and a message whose headers nobody else writes."""

import re
import unicodedata
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from pipelines.errors import PipelineError
from warehouse import branding

# The policy's purposes, and no other: what is none of these is never sent (AL-2.6).
CLASSES = frozenset({"budget", "balance", "security", "policy", "account"})
_LONGEST_ADDRESS = 254
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+", re.ASCII)


class MailClassError(PipelineError):
    """A mail of a class that nobody is sent."""


def admit(mail_class: str) -> None:
    """Let a mail of one of CLASSES pass; MailClassError for any other."""
    if mail_class not in CLASSES:
        raise MailClassError(f"no mail of that class is ever sent; the classes are {', '.join(sorted(CLASSES))}")


def is_address(text: str) -> bool:
    """Whether a text is exactly one e-mail address, in ASCII, without a name, a comment or quotes."""
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def checked_address(text: str) -> str:
    """The address a person gave; PipelineError, which does not repeat it, where it is not one alone."""
    if not is_address(text.strip()):
        raise PipelineError("that is not one e-mail address, such as costs@team.example")
    return text.strip()


def masked(address: str) -> str:
    """An address that its owner knows again and a passer-by does not: `c…@team.example`."""
    return f"{address[0]}…@{address.partition('@')[2]}"


def one_line(text: str) -> str:
    """A text from outside as one line that steers nothing: controls, line ends and marks of direction are blanks."""
    steering = ("C", "Zl", "Zp")
    return " ".join("".join(" " if unicodedata.category(c).startswith(steering) else c for c in text).split())


def compose(
    mail_class: str,
    *,
    sender: str,
    receiver: str,
    subject: str,
    message_id: str,
    dated: datetime,
    text: str,
    html: str,
) -> EmailMessage:
    """A message in plain text and HTML; `dated` is UTC, so that a mail sent again is the same mail.

    Raises MailClassError for a class that is none of CLASSES, PipelineError where an address is not one alone.
    """
    admit(mail_class)
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = Address(branding.NAME, addr_spec=checked_address(sender))
    message["To"] = Address(addr_spec=checked_address(receiver))
    message["Subject"] = one_line(subject)
    message["Date"] = format_datetime(dated.replace(tzinfo=UTC))
    message["Message-ID"] = message_id
    # No holiday answer comes back to what a machine wrote (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def signed(message: EmailMessage, sender_name: str) -> EmailMessage:
    """The message from its sender under the name that the home gives them; the address stays the server's."""
    sender = message["From"].addresses[0]
    message.replace_header("From", Address(one_line(sender_name), addr_spec=sender.addr_spec))
    return message
