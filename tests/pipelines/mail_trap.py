"""A real mail server on loopback that keeps what it takes, answers as it is told, and can be down."""

import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

HOST = "127.0.0.1"
TAKEN = "250 OK"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Trap:
    """The server.

    `answer` is asked at the end of each mail, `receive` at each receiver; `took` is told of each Message-ID before the
    250.
    """

    port: int = field(default_factory=free_port)
    answer: Callable[[], str] = lambda: TAKEN
    receive: Callable[[], str] = lambda: TAKEN
    took: Callable[[str], None] = lambda _message_id: None
    mails: list[EmailMessage] = field(default_factory=list)
    receivers: list[list[str]] = field(default_factory=list)
    users: list[str | None] = field(default_factory=list)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        """Answer the receiver."""
        if (said := self.receive()) == TAKEN:
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        """Keep the mail where the answer is 250."""
        if (said := self.answer()) == TAKEN:
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
            self.receivers.append(list(envelope.rcpt_tos))
            self.users.append(session.auth_data)
            self.took(str(self.mails[-1]["Message-ID"]))
        return said

    @property
    def ids(self) -> Counter[str]:
        """How often each Message-ID was taken."""
        return Counter(str(mail["Message-ID"]) for mail in self.mails)

    @contextmanager
    def up(self, user: str | None = None, password: str = "", tls: ssl.SSLContext | None = None) -> Iterator[str]:
        """Listen, and give the address as APILEDGER_SMTP has it, without the user's part."""

        def known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, told: Any) -> AuthResult:
            good = isinstance(told, LoginPassword) and told == LoginPassword((user or "").encode(), password.encode())
            return AuthResult(success=good, handled=False, auth_data=user if good else None)

        signed_in: dict[str, Any] = {"authenticator": known, "auth_required": True, "auth_require_tls": tls is not None}
        controller = Controller(
            self,
            hostname=HOST,
            port=self.port,
            server_hostname="trap.example",
            tls_context=tls,
            require_starttls=tls is not None,
            **(signed_in if user else {}),
        )
        controller.start()
        try:
            yield f"{HOST}:{self.port}?from=apiledger@costs.example"
        finally:
            controller.stop()
