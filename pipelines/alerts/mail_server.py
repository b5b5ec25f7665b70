"""The mail server: where it is, and handing it one mail, so that the moment of its 250 is known.

Outside the loopback nothing goes out unencrypted. What a server answers is told by its number alone: its words may
repeat an address.
"""

import ipaddress
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

from pipelines.alerts import mail
from pipelines.errors import PipelineError

FORM = "smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS (smtps:// for TLS from the first byte)"
TIMEOUT_S = 10.0
# Without a name smtplib looks up this machine's own, and tells it.
_OWN_NAME = "[127.0.0.1]"
_PORTS = {"smtp": 587, "smtps": 465}


class MailSettingError(PipelineError):
    """The address of the mail server is not usable: nothing is sent until a person changes it."""


class NotSentError(PipelineError):
    """The server did not take a mail.

    `permanent`: it never will take this one. `unreachable`: it takes none at present. `may_have_arrived`: the
    connection broke after the mail was given and before the answer.
    """

    def __init__(
        self, reason: str, *, permanent: bool = False, unreachable: bool = False, may_have_arrived: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.unreachable = unreachable
        self.may_have_arrived = may_have_arrived


@dataclass(frozen=True)
class MailServer:
    """A server and who is known there. `tls` is starttls, implicit or none; none only on the loopback."""

    host: str
    port: int
    tls: str
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @staticmethod
    def parse(url: str) -> "MailServer":
        """The server an address of FORM names, `tls=none|starttls` added where it must be; MailSettingError."""
        try:
            parts = urlsplit(url.strip())
            port, host = parts.port, parts.hostname
            asked = parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError:
            raise MailSettingError(f"the mail server's address is none: write it as {FORM}") from None
        if parts.scheme not in _PORTS or not host or set(asked) - {"tls", "from"}:
            raise MailSettingError(f"the mail server's address is none: write it as {FORM}")
        user = unquote(parts.username) if parts.username else None
        default = "implicit" if parts.scheme == "smtps" else "none" if _is_loopback(host) else "starttls"
        tls = asked.get("tls", [default])[-1]
        if tls not in ({"implicit"} if parts.scheme == "smtps" else {"starttls", "none"}):
            raise MailSettingError("tls= of the mail server's address is starttls or none; with smtps:// leave it out")
        if tls == "none" and not _is_loopback(host):
            raise MailSettingError(
                f"mail to {host} would go in the clear: only a server on this machine may have tls=none"
            )
        sender = asked.get("from", [user or ""])[-1]
        if not mail.is_address(sender):
            raise MailSettingError("say who the mails are from: add ?from=ADDRESS to the mail server's address")
        password = unquote(parts.password) if parts.password else None
        return MailServer(host, port or _PORTS[parts.scheme], tls, sender, user, password)

    def send(
        self,
        message: EmailMessage,
        mail_class: str,
        hand_over: Callable[[], bool] = lambda: True,
        accepted: Callable[[], None] = lambda: None,
    ) -> None:
        """Give the server one mail; NotSentError where it does not take it.

        `hand_over` is asked right before the mail itself goes: on False it does not. `accepted` is told right after
        the server's 250, before the farewell. Raises MailClassError for mail that nobody is sent.
        """
        mail.admit(mail_class)
        client = self._greeted()
        try:
            self._offered(client, message["To"].addresses[0].addr_spec)
            if hand_over():
                _given(client, message.as_bytes(policy=policy.SMTP))
                accepted()
            with suppress(OSError):
                client.quit()
        finally:
            client.close()

    def _greeted(self) -> smtplib.SMTP:
        """A connection, encrypted and signed in."""
        client: smtplib.SMTP | None = None
        try:
            context = ssl.create_default_context()
            if self.tls == "implicit":
                client = smtplib.SMTP_SSL(self.host, self.port, _OWN_NAME, timeout=TIMEOUT_S, context=context)
            else:
                client = smtplib.SMTP(self.host, self.port, _OWN_NAME, timeout=TIMEOUT_S)
            client.ehlo_or_helo_if_needed()
            if self.tls == "starttls":
                _encrypt(client, context)
            if self.user is not None and self.password is not None:
                client.login(self.user, self.password)
        except BaseException as error:
            if client is not None:
                client.close()
            if isinstance(error, (OSError, UnicodeError)):  # smtplib's own errors are OSErrors
                raise NotSentError(_said(error), unreachable=True) from None
            raise
        return client

    def _offered(self, client: smtplib.SMTP, receiver: str) -> None:
        try:
            for what, offer, address in (("sender", client.mail, self.sender), ("receiver", client.rcpt, receiver)):
                code, _ = offer(address)
                if code not in {250, 251}:
                    raise NotSentError(f"the mail server answered {code} to the {what}", permanent=code >= 500)
        except OSError:
            raise NotSentError("the mail server broke the connection off", unreachable=True) from None


def _encrypt(client: smtplib.SMTP, context: ssl.SSLContext) -> None:
    if not client.has_extn("starttls"):
        raise NotSentError("the mail server offers no STARTTLS, so nothing was sent", unreachable=True)
    client.starttls(context=context)
    client.ehlo()


def _given(client: smtplib.SMTP, content: bytes) -> None:
    try:
        code, _ = client.data(content)
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
    except OSError:
        raise NotSentError(
            "the mail server broke the connection off before its answer", unreachable=True, may_have_arrived=True
        ) from None
    if code != 250:
        raise NotSentError(f"the mail server answered {code} to the mail", permanent=code >= 500)


def _said(error: Exception) -> str:
    """What kept a server from being ready, in words that are all ours."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the mail server answered {error.smtp_code} to the sign-in"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answered {error.smtp_code} to the greeting"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the mail server's certificate does not hold"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the mail server takes no sign-in"
    if isinstance(error, (ConnectionRefusedError, TimeoutError)):
        return "the mail server does not answer"
    return "the mail server does not answer as one"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
