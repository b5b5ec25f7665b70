"""Budget mails through maildev, a mail server that was not written here, with sign-in; skipped where it is not."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.alerts import budget_state, postman
from pipelines.alerts.mail_server import MailServer, NotSentError
from tests.pipelines.mail_trap import free_port
from tests.pipelines.spend_version import MAIL, known, limited, publish
from tests.pipelines.test_mail import HOSTILE, telling
from warehouse.home import Home

pytestmark = pytest.mark.soak
USER, PASSWORD = "ledger", "pass-7f3a"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@pytest.fixture
def maildev(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ports of maildev's SMTP and of its reader."""
    program = shutil.which("maildev")
    if program is None:
        pytest.skip("no maildev on PATH: `npm install -g maildev@2.2.1`")
    smtp, web = free_port(), free_port()
    command = [program, "--smtp", str(smtp), "--web", str(web), "--ip", "127.0.0.1", "--web-ip", "127.0.0.1"]
    command += ["--incoming-user", USER, "--incoming-pass", PASSWORD, "--mail-directory", str(tmp_path / "mails")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    read(web)
                    break
                except OSError:
                    assert time.monotonic() < deadline, "maildev does not start"
                    time.sleep(0.1)
            yield smtp, web
        finally:
            process.kill()


def read(web: int) -> list[dict[str, Any]]:
    """Every mail that maildev took, as it understood it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{web}/email", timeout=5) as answer:
        mails: list[dict[str, Any]] = json.load(answer)
    return mails


@pytest.mark.clause("AL-2.2")
def test_another_server_takes_and_understands_the_mails(
    home: Home, master_key: str, maildev: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed in, a mail a budget; receiver, subject and both parts are read as they were meant."""
    assert master_key
    smtp, web = maildev
    names = ("web", "naïve 日本語", "batch")
    known(home, _now(), *names)
    for name in names:
        limited(home, _now(), name)
    publish(home, {(_now().date(), name): "85" for name in names})
    assert budget_state.evaluate(home, _now()) == 3
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://{USER}:{PASSWORD}@127.0.0.1:{smtp}?from=apiledger@costs.example")
    assert postman.deliver(home, _now).sent == 3
    mails = read(web)
    assert sorted(mail["subject"].split(":")[0] for mail in mails) == sorted(names)
    for mail in mails:
        assert [to["address"] for to in mail["to"]] == [MAIL]
        assert "85" in mail["text"]
        assert "<h1" in mail["html"]
        assert not mail.get("attachments")


def test_a_wrong_password_sends_nothing_and_a_hostile_name_adds_nothing(maildev: tuple[int, int]) -> None:
    """Another parser than ours finds one receiver and one line of subject in each."""
    from pipelines.alerts import budget_mail

    smtp, web = maildev
    message = budget_mail.message(telling(), sender="f@c.example", receiver=MAIL, message_id="<0@x.invalid>")
    with pytest.raises(NotSentError, match="to the sign-in"):
        MailServer.parse(f"smtp://{USER}:wrong@127.0.0.1:{smtp}?from=f@c.example").send(message, "budget")
    server = MailServer.parse(f"smtp://{USER}:{PASSWORD}@127.0.0.1:{smtp}?from=f@c.example")
    for number, name in enumerate(HOSTILE, 1):
        made = budget_mail.message(
            telling(name=name), sender="f@c.example", receiver=MAIL, message_id=f"<{number}@x.invalid>"
        )
        server.send(made, "budget")
    mails = read(web)
    assert len(mails) == len(HOSTILE)
    for mail in mails:
        assert [to["address"] for to in mail["to"]] == [MAIL]
        assert not mail.get("bcc")
        assert "\n" not in mail["subject"]
        assert mail["subject"].endswith(": 82 % of $500.00 for November 2026")
