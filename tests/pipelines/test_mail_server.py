"""The mail server: nothing in the clear outside this machine, no secret in a word, and each answer told apart."""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipelines.alerts import budget_mail, mail_server
from pipelines.alerts.mail_server import MailServer, MailSettingError, NotSentError
from tests.pipelines.mail_trap import HOST, Trap
from tests.pipelines.test_mail import telling

PASSWORD = "pass:w@rd/7f3a"
QUOTED = "pass%3Aw%40rd%2F7f3a"


def send(server: MailServer, *told: str) -> list[str]:
    """Send one mail; what was asked and told on the way."""
    message = budget_mail.message(
        telling(), sender=server.sender, receiver="costs@team.example", message_id="<1@x.invalid>"
    )
    steps = list(told)

    def hand_over() -> bool:
        steps.append("hand over")
        return True

    server.send(message, "budget", hand_over, lambda: steps.append("accepted"))
    return steps


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "trap.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


def test_a_mail_goes_out_signed_in_and_encrypted(certificate: ssl.SSLContext) -> None:
    """STARTTLS, then the user, then the mail, once."""
    trap = Trap()
    with trap.up("ledger@costs.example", PASSWORD, certificate) as address:
        server = MailServer.parse(f"smtp://ledger%40costs.example:{QUOTED}@{address}&tls=starttls")
        assert send(server) == ["hand over", "accepted"]
    assert trap.receivers == [["costs@team.example"]]
    assert trap.users == ["ledger@costs.example"]
    (mail,) = trap.mails
    assert mail["Message-ID"] == "<1@x.invalid>"
    assert "412.07" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]  # a mail with a text part


def test_a_certificate_that_does_not_hold_ends_it(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To somebody in the middle neither password nor mail is shown."""
    (tmp_path / "none.pem").write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    trap = Trap()
    with (
        trap.up("ledger", PASSWORD, certificate) as address,
        pytest.raises(NotSentError, match="certificate does not hold") as refused,
    ):
        send(MailServer.parse(f"smtp://ledger:{QUOTED}@{address}&tls=starttls"))
    assert refused.value.unreachable
    assert not trap.mails


def test_without_starttls_nothing_is_sent_and_it_is_said() -> None:
    """A server that has been stripped of it gets neither password nor mail."""
    trap = Trap()
    with trap.up() as address, pytest.raises(NotSentError, match="offers no STARTTLS") as refused:
        send(MailServer.parse(f"smtp://ledger:{QUOTED}@{address}&tls=starttls"))
    assert refused.value.unreachable
    assert not trap.mails


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")  # aiosmtpd about itself
def test_a_wrong_password_is_told_by_its_number_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither error, its cause, its log nor the server's own form has the password."""
    caplog.set_level(logging.DEBUG)
    trap = Trap()
    with trap.up("ledger", "another") as address:
        server = MailServer.parse(f"smtp://ledger:{QUOTED}@{address}")
        with pytest.raises(NotSentError, match="answered 535 to the sign-in") as refused:
            send(server)
    assert refused.value.unreachable
    assert not refused.value.permanent
    assert refused.value.__cause__ is None
    for said in (str(refused.value), repr(server), caplog.text):
        assert PASSWORD not in said
        assert "costs@team.example" not in said


@pytest.mark.parametrize(("code", "permanent"), [(450, False), (451, False), (550, True), (552, True)])
@pytest.mark.parametrize("at", ["receiver", "mail"])
def test_an_answer_is_for_now_or_for_good(code: int, permanent: bool, at: str) -> None:
    """4xx is tried again, 5xx is not; what the server said beside its number is not repeated."""
    said = f"{code} costs@team.example is none of ours"
    trap = Trap(receive=lambda: said) if at == "receiver" else Trap(answer=lambda: said)
    with trap.up() as address, pytest.raises(NotSentError, match=f"answered {code} to the {at}$") as refused:
        send(MailServer.parse(f"smtp://{address}"))
    assert (refused.value.permanent, refused.value.unreachable) == (permanent, False)
    assert not refused.value.may_have_arrived


@contextmanager
def listening(script: list[bytes], *, hang: bool = False) -> Iterator[int]:
    """Serve one connection: greet, then give these answers line by line, then close or say nothing more."""
    ended = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            for answer in script:
                connection.sendall(answer)
                if not connection.recv(65536):
                    return
            if hang:
                ended.wait(20)

    with socket.create_server((HOST, 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join()


def test_a_server_that_breaks_off_before_its_answer_may_have_the_mail() -> None:
    """What was given and not answered is told apart from what was not given."""
    script = [b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 go\r\n"]
    with listening(script) as port, pytest.raises(NotSentError) as refused:
        send(MailServer.parse(f"smtp://{HOST}:{port}?from=f@c.example"))
    assert refused.value.may_have_arrived
    assert refused.value.unreachable


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_server_that_hangs_is_left(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it says nothing more, it is given up after the time limit."""
    monkeypatch.setattr(mail_server, "TIMEOUT_S", 0.3)
    script = [b"220 x\r\n", b"250 x\r\n", b"250 x\r\n"][:steps]
    with listening(script, hang=True) as port, pytest.raises(NotSentError) as refused:
        send(MailServer.parse(f"smtp://{HOST}:{port}?from=f@c.example"))
    assert refused.value.unreachable
    assert not refused.value.may_have_arrived


def test_nobody_there_is_told() -> None:
    """A port without a listener is no crash."""
    with pytest.raises(NotSentError, match="does not answer") as refused:
        send(MailServer.parse(f"smtp://{HOST}:{Trap().port}?from=f@c.example"))
    assert refused.value.unreachable


@pytest.mark.clause("AL-5.1")
@pytest.mark.parametrize(
    "url",
    [
        "smtp://ledger:secret-7f3a@mail.example:25?tls=none&from=f@c.example",
        "smtps://ledger:secret-7f3a@mail.example?tls=none&from=f@c.example",
        "smtp://ledger:secret-7f3a@mail.example?tls=maybe&from=f@c.example",
        "smtp://ledger:secret-7f3a@mail.example",
        "smtp://ledger:secret-7f3a@mail.example?from=a@b.example,c@d.example",
        "smtp://ledger:secret-7f3a@mail.example:99999?from=f@c.example",
        "smtp://ledger:secret-7f3a@?from=f@c.example",
        "http://ledger:secret-7f3a@mail.example?from=f@c.example",
        "smtp://ledger:secret-7f3a@mail.example?debug=1&from=f@c.example",
        "smtp://ledger:secret-7f3a@[mail.example?from=f@c.example",
        "secret-7f3a",
    ],
)
def test_an_address_that_is_not_safe_is_refused_unrepeated(url: str) -> None:
    """In the clear to another machine, no sender, no server: refused before anything is sent."""
    with pytest.raises(MailSettingError) as refused:
        MailServer.parse(url)
    assert "secret-7f3a" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_another_machine_is_reached_encrypted_unless_said_otherwise() -> None:
    """STARTTLS on 587, TLS on 465, and in the clear only here."""
    forms = {
        "smtp://a%40b.example:p@mail.example": ("starttls", 587, "a@b.example"),
        "smtps://u:p@mail.example?from=f@c.example": ("implicit", 465, "f@c.example"),
        "smtp://localhost:1025?from=f@c.example": ("none", 1025, "f@c.example"),
        "smtp://[::1]:25?from=f@c.example": ("none", 25, "f@c.example"),
    }
    for url, told in forms.items():
        found = MailServer.parse(url)
        assert (found.tls, found.port, found.sender) == told
