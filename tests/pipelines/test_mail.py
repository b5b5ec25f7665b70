"""Mail: one address, five classes, and headers that no name from outside can add to."""

from datetime import date, datetime
from decimal import Decimal
from email import message_from_bytes, policy
from html.parser import HTMLParser

import pytest

from pipelines.alerts import budget_mail, mail
from pipelines.alerts.budget_mail import Telling
from pipelines.alerts.mail_server import MailServer
from pipelines.errors import PipelineError

NOW = datetime(2026, 11, 21, 22, 5)  # noqa: DTZ001 (naive moments are UTC here)
HOSTILE = (
    "web\r\nBcc: all@evil.example",
    "web\nSubject: won",
    "a\u2028Bcc: x@evil.example",
    "a\u0085b\x00c",
    "<script>alert(1)</script>",
    '"><img src=http://203.0.113.9/a.png>',
    "![a](http://203.0.113.9/a.png) $x^2$",
    "\u202egnp.exe",
    "naïve 日本語 🧾",
    "http://evil.example/login",
    "=?utf-8?q?Bcc=3A?=",
    "x" * 500,
    "",
)


class Tags(HTMLParser):
    """The tags and attributes of a page, as a reader of mail finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the names."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def telling(name: str = "web", spent: str = "412.07", **changed: object) -> Telling:
    """What a mail tells of a budget of 500 USD."""
    told: dict[str, object] = {
        "kind": "project",
        "name": name,
        "account": "acme",
        "monthly_usd": Decimal(500),
        "spent_usd": Decimal(spent),
        "unpriced_requests": 0,
        "thresholds": (50, 80),
        "period_start": date(2026, 11, 1),
        "crossed_at": NOW,
        "sandbox": False,
    }
    return Telling(**{**told, **changed})  # type: ignore[arg-type]  # the fields above, by name


@pytest.mark.attack("T15")
@pytest.mark.attack("T16")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_no_header_and_makes_no_markup(name: str) -> None:
    """One From, To and Subject, two parts, no tag and no address that a mail program would follow."""
    made = budget_mail.message(
        telling(name, account=name), sender="from@costs.example", receiver="to@team.example", message_id="<1@x.invalid>"
    )
    read = message_from_bytes(made.as_bytes(policy=policy.SMTP), policy=policy.default)
    assert sorted(read.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )
    assert str(read["To"]) == "to@team.example"
    assert not any(character in str(read["Subject"]) for character in "\r\n\u2028\u202e\x00")
    assert str(read["Subject"]).endswith(": 82 % of $500.00 for November 2026")
    assert len(str(read["Subject"])) < 120
    html = read.get_body(("html",)).get_content()  # type: ignore[union-attr]  # a mail with an HTML part
    read_html = Tags()
    read_html.feed(html)
    assert not read_html.tags & {"script", "img", "a", "link", "iframe", "svg", "form", "base", "object"}
    assert not read_html.attributes & {"src", "href", "srcset", "background", "action", "onerror", "onload"}
    assert "url(" not in html
    assert not any(address in html for address in ("http://", "203.0.113.9"))
    assert "evil.example" not in html
    for line in made.as_bytes(policy=policy.SMTP).split(b"\r\n"):
        assert len(line) <= 998
        assert b"\n" not in line


@pytest.mark.attack("T15")
@pytest.mark.parametrize(
    "text",
    [
        "a@x.example, b@y.example",
        "a@x.example;b@y.example",
        "A <a@x.example>",
        "a@x.example\r\nBcc: b@y.example",
        "a@x.example ",
        "a b@x.example",
        '"a b"@x.example',
        "a@localhost",
        "a@-x.example",
        "a@x..example",
        ".a@x.example",
        "a@b@x.example",
        "a@[127.0.0.1]",
        "a@exämple.org",
        f"{'a' * 65}@x.example",
        f"a@{'x' * 64}.example",
        f"a@{'x.' * 130}example",
        "",
        "a(comment)@x.example",
        "a@x.example\n",
    ],
)
def test_what_is_not_one_address_is_refused_unrepeated(text: str) -> None:
    """Two addresses, a name, a comment, a line end: none is an address, and the error does not say it."""
    assert not mail.is_address(text)
    if not mail.is_address(text.strip()):
        with pytest.raises(PipelineError) as refused:
            mail.checked_address(text)
        assert not text.strip() or text not in str(refused.value)


@pytest.mark.parametrize("text", ["a@b.example", "first.last+tag@sub.team.example", "o'neil@x-y.example"])
def test_one_address_is_taken(text: str) -> None:
    """What people have."""
    assert mail.checked_address(f" {text} ") == text


@pytest.mark.clause("AL-2.6")
@pytest.mark.parametrize("mail_class", ["marketing", "newsletter", "Budget", "", "budget\n"])
def test_a_mail_of_any_other_class_is_neither_made_nor_sent(mail_class: str) -> None:
    """The five purposes are all; the server is not even asked."""
    message = budget_mail.message(telling(), sender="f@c.example", receiver="t@t.example", message_id="<1@x.invalid>")
    with pytest.raises(mail.MailClassError):
        mail.compose(
            mail_class,
            sender="f@c.example",
            receiver="t@t.example",
            subject="Our offers",
            message_id="<1@x.invalid>",
            dated=NOW,
            text="x",
            html="x",
        )
    with pytest.raises(mail.MailClassError):
        # Nothing listens on port 1: a server that was asked would be another error.
        MailServer.parse("smtp://127.0.0.1:1?from=f@c.example").send(message, mail_class)


def test_the_classes_are_those_of_the_policy() -> None:
    """No class was added by the way."""
    assert {"budget", "balance", "security", "policy", "account"} == mail.CLASSES


def test_a_mail_says_what_was_reached_and_what_is_left() -> None:
    """The plain text, word by word."""
    assert budget_mail.text(telling(unpriced_requests=1204)) == (
        "Project web has reached 80 % of its budget for November 2026.\n\n"
        "Spent at least $412.07 of $500.00 (82 %).\n"
        "At least $412.07; 1,204 calls without a known price are not in it.\n\n"
        "Reached now:  50 %, 80 %\nLeft:         at most $87.93\nAccount:      acme\n"
        "Period:       1 to 30 November 2026, UTC\nAs of:        21 Nov 2026, 22:05 UTC\n\n"
        "You get this because your address is set for this budget. `apiledger budget remove` ends it.\n"
    )


def test_a_budget_that_is_overspent_says_by_how_much() -> None:
    """Past the whole of it, what is told is the excess; at the whole of it exactly, nothing is left."""
    over = budget_mail.text(telling(spent="612.07", thresholds=(100,)))
    assert "has gone past its budget" in over
    assert "Over by:      $112.07" in over
    exact = budget_mail.text(telling(spent="500", thresholds=(100,)))
    assert "has reached its budget" in exact
    assert "Left:         $0.00" in exact
    assert telling(spent="499.999999999999").percent == 99


def test_a_mail_of_the_sandbox_says_so() -> None:
    """Made-up spend alarms nobody."""
    made = budget_mail.message(
        telling(sandbox=True), sender="f@c.example", receiver="t@t.example", message_id="<1@x.invalid>"
    )
    assert str(made["Subject"]).startswith("[made-up data] ")
    assert "Made-up data" in budget_mail.text(telling(sandbox=True))
    assert "Made-up data" in budget_mail.html(telling(sandbox=True))
