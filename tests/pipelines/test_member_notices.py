"""What members are told unasked: one mail for what happened, none for each time, and nothing in it that is secret."""

import os
import sqlite3
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.alerts import mail, mail_server, member_notices, notice_mail, postman
from retention import holding, privacy, rectify
from tests.pipelines.mail_trap import Trap
from warehouse import database
from warehouse.control import acceptance, arrival, audit, credential, notice, outbox, restriction, session, throttle
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.notice import Notice
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime(2026, 11, 22, 9)  # noqa: DTZ001 (naive moments are UTC here)
ADA, BEN, EVE = "ada@team.example", "ben@team.example", "eve@other.example"
KEY = "sk-admin-canary-4be1c9d07f22"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def trap(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """An account with two owners a month old, another's, and a mail server that is up."""
    assert master_key
    with database.control(home) as control:
        vault, before = Vault(control, NOW), NOW - 30 * DAY
        for email in (ADA, EVE):
            assert members.sign_up(control, vault, email, "hash", before)
        with database.transaction(control):
            members.join(control, vault, member(control, ADA).account_no, "owner", None, BEN, "hash", before)
    made = Trap()
    with made.up() as where:
        monkeypatch.setenv("APILEDGER_SMTP", f"smtp://{where}")
        yield made


def member(control: sqlite3.Connection, email: str) -> Member:
    """Who has an address."""
    found = members.find(control, Vault(control, NOW), email)
    assert found
    return found[0]


def fail(home: Home, email: str, times: int, now: datetime, place: str = "203.0.113.9") -> None:
    """So many wrong passwords; who has to wait, waits in vain."""
    with database.control(home) as control:
        guess = Guess.of(Vault(control, now), email, place)
        for _ in range(times):
            throttle.admit(control, guess, now)


def arrive(home: Home, email: str, ip: str, now: datetime) -> bool:
    """Sign in from somewhere; whether the place was new."""
    with database.control(home) as control:
        vault = Vault(control, now)
        who = member(control, email)
        is_new = arrival.note(control, vault, who, ip, now)
        session.begin(control, who.member_no, session.BY_PASSWORD, now)
        return is_new


def sent(home: Home, trap: Trap, now: datetime) -> list[tuple[str, str]]:
    """What a tick brings: receivers and subjects."""
    before = len(trap.mails)
    member_notices.enqueue(home, now)
    postman.deliver(home, lambda: now)
    return [
        (to[0], str(each["Subject"])) for each, to in zip(trap.mails[before:], trap.receivers[before:], strict=True)
    ]


def acts(home: Home) -> list[tuple[str, str]]:
    """The acts of the chain with their details, but for those of making accounts."""
    with database.control(home) as control:
        assert audit.wrong(control, []) == []
        found = audit.acts(control, NOW - HOUR, NOW + 400 * DAY)
    return [(each.act, each.detail) for each in found]


@pytest.mark.clause("AL-2.3")
@pytest.mark.clause("VA-4.6")
@pytest.mark.clause("VA-4.4")
def test_a_sign_in_from_a_new_place_is_told_once(home: Home, trap: Trap) -> None:
    """Not the first of a new account, not the same network again; after 30 days without it, it is new once more."""
    assert arrive(home, ADA, "192.0.2.7", NOW)
    assert not arrive(home, ADA, "192.0.2.201", NOW + HOUR)
    held = b"".join(path.read_bytes() for path in home.root.rglob("*") if path.is_file())
    assert [canary for canary in (b"192.0.2", ADA.encode()) if canary in held] == []
    assert sent(home, trap, NOW + HOUR) == [(ADA, "Somebody signed in to your account from a new place")]
    assert not arrive(home, ADA, "::ffff:192.0.2.9", NOW + HOUR)
    assert arrive(home, ADA, "2001:db8:1:2::7", NOW + HOUR)
    assert not arrive(home, ADA, "2001:db8:1:77::9", NOW + HOUR)
    assert len(sent(home, trap, NOW + HOUR)) == 1
    assert [act for act, _ in acts(home)] == ["sign_in.new_place"] * 2
    assert "192.0.2" not in str(trap.mails[0])
    with database.control(home) as control:
        vault = Vault(control, NOW)
        assert members.sign_up(control, vault, "new@team.example", "hash", NOW)
        control.execute("DELETE FROM known_place")
        assert control.execute("SELECT count(*) FROM mail").fetchone() == (0,)
    assert not arrive(home, "new@team.example", "192.0.2.7", NOW + HOUR)
    assert arrive(home, "new@team.example", "198.51.100.7", NOW + HOUR)
    assert arrive(home, ADA, "192.0.2.7", NOW + 40 * DAY)


@pytest.mark.clause("AL-2.3")
@pytest.mark.clause("VA-4.6")
def test_a_burst_of_failed_sign_ins_is_one_mail(home: Home, trap: Trap) -> None:
    """Four are nothing; a thousand over three days are one; the next burst is told, and a day later at the earliest."""
    fail(home, ADA, 4, NOW)
    assert sent(home, trap, NOW) == []
    fail(home, ADA, 1, NOW)
    fail(home, "nobody@team.example", 5, NOW)
    assert sent(home, trap, NOW) == [(ADA, "5 sign-ins to your account failed")]
    ends = NOW
    for minutes in range(0, 3 * 24 * 60, 45):
        ends = NOW + timedelta(minutes=minutes)
        fail(home, ADA, 5, ends, f"198.51.100.{minutes % 200}")
        assert sent(home, trap, ends) == []
    for hours, told in ((2, 1), (5, 0), (8, 0), (27, 1)):
        fail(home, ADA, 6, ends + hours * HOUR)
        assert len(sent(home, trap, ends + hours * HOUR)) == told
    assert [act for act, _ in acts(home)] == ["sign_in.failed"] * 3
    assert {to[0] for to in trap.receivers} == {ADA}


def test_a_burst_is_told_to_nobody_who_is_gone(home: Home, trap: Trap) -> None:
    """The throttle's rows go with the member; a burst that was queued is sent to nobody."""
    fail(home, ADA, 9, NOW)
    member_notices.enqueue(home, NOW)
    with database.control(home) as control:
        control.execute("DELETE FROM member WHERE member_no = ?", (member(control, ADA).member_no,))
    assert sent(home, trap, NOW) == []


@pytest.mark.clause("AL-2.3")
@pytest.mark.clause("VA-4.4")
def test_a_key_that_comes_changes_or_goes_is_told_to_every_owner(home: Home, trap: Trap) -> None:
    """Three mails each with provider and name, none with a letter of the key; the same key again is no news."""
    with database.control(home) as control:
        vault, account_no = Vault(control, NOW), member(control, ADA).account_no
        one = credential.add(control, vault, account_no, "openai", "Berlin", KEY, NOW)
        credential.add(control, vault, account_no, "openai", "Berlin", KEY, NOW)
        credential.add(control, vault, account_no, "openai", "Berlin", f"{KEY}-2", NOW)
        number = one.connection_no
    subjects = ["A key of OpenAI was added", "The key of OpenAI was replaced"]
    assert sorted(sent(home, trap, NOW)) == sorted((to, subject) for to in (ADA, BEN) for subject in subjects)
    with database.control(home) as control:
        credential.remove(control, account_no, number, NOW, actor_no=7)
    assert sorted(sent(home, trap, NOW)) == [(to, "The key of OpenAI was removed") for to in (ADA, BEN)]
    told = "".join(each.as_string() for each in trap.mails)
    assert "Berlin" in told
    assert KEY[:12] not in told
    assert KEY[-4:] not in told
    assert [act for act, _ in acts(home)] == ["key.added", "key.replaced", "key.removed"]


@pytest.mark.clause("AL-2.3")
def test_a_changed_role_is_written_down_with_who_changed_it(home: Home, trap: Trap) -> None:
    """By number; what it was and what it is, and to how many projects a viewer is limited, not to which."""
    assert trap
    with database.control(home) as control:
        ada, ben = member(control, ADA), member(control, BEN)
        members.change(control, ada.account_no, ben.member_no, "viewer", ("web", "secret"), NOW, ada.member_no)
        (act,) = [each for each in audit.acts(control, NOW, NOW + DAY) if each.act == "member.role"]
    assert (act.actor_no, act.object_no) == (ada.member_no, ben.member_no)
    assert act.detail == "role=owner->viewer projects=2"


def test_both_addresses_are_told_of_a_change_and_neither_rests_in_clear(home: Home, trap: Trap) -> None:
    """The one before is sealed while its mail waits, and gone with it; each mail says which of the two it is."""
    with database.control(home) as control:
        ada = member(control, ADA)
        found = holding.of_account(control, ada.account_no)
    assert rectify.address(home, found, ADA, "ada@new.example", NOW) == 1
    held = b"".join(path.read_bytes() for path in home.root.rglob("*") if path.is_file())
    assert [canary for canary in (ADA.encode(), b"ada@new.example") if canary in held] == []
    with database.control(home) as control:
        rows = control.execute("SELECT sealed_email FROM notice ORDER BY mail_no").fetchall()
        assert [sealed and sealed[:3] for (sealed,) in rows] == ["v1.", None]
    assert sorted(sent(home, trap, NOW)) == [
        ("ada@new.example", "You sign in with this address now"),
        (ADA, "Your account has another address now"),
    ]
    assert acts(home) == [("address.changed", "by=rectification")]


def test_a_notice_waits_a_week_for_a_server_and_no_longer(home: Home, trap: Trap) -> None:
    """Told late it still helps; later than that it alarms nobody, and nothing of it stays."""
    arrive(home, ADA, "192.0.2.7", NOW)
    arrive(home, BEN, "192.0.2.7", NOW - 2 * DAY)
    done = postman.deliver(home, lambda: NOW + 6 * DAY)
    assert (done.sent, done.withdrawn) == (1, 1)
    assert trap.receivers == [[ADA]]
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM mail").fetchone() == (0,)


def test_who_is_restricted_is_told_who_signs_in_and_nothing_else(home: Home, trap: Trap) -> None:
    """A restriction stops what is done with their data; a budget's mail waits, and no operator's address is needed."""
    with database.control(home) as control:
        number = member(control, ADA).account_no
        restriction.begin(control, number, [], NOW)
        control.execute(
            "INSERT INTO mail (account_no, class, message_id, state, queued_at, next_at)"
            " VALUES (?, 'budget', '<a@b>', 'queued', ?, ?)",
            (number, database.stamp(NOW), database.stamp(NOW)),
        )
    arrive(home, ADA, "192.0.2.7", NOW)
    assert [to for to, _ in sent(home, trap, NOW)] == [ADA]
    with database.control(home) as control:
        assert outbox.unsent(control) == {"queued": (1, None)}


def test_without_a_mail_server_nothing_is_queued_and_everything_written_down(
    home: Home, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mail waits for a server that may be named a year later; the acts are there."""
    monkeypatch.delenv("APILEDGER_SMTP")
    arrive(home, ADA, "192.0.2.7", NOW)
    fail(home, ADA, 6, NOW)
    member_notices.enqueue(home, NOW)
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM mail").fetchone() == (0,)
    assert [act for act, _ in acts(home)] == ["sign_in.new_place", "sign_in.failed"]
    assert trap.mails == []


@pytest.mark.clause("AL-2.6")
def test_every_notice_is_of_a_class_that_is_sent_and_says_what_to_do(home: Home) -> None:
    """Each kind has its class and its words; no link, no address but the receiver's; another class is refused."""
    for kind, mail_class in notice.MAIL_CLASSES.items():
        mail.admit(mail_class)
        said = Notice(kind, ADA, NOW, times=5, source="openai", label="main", unused_until=NOW.date(), number=3)
        if kind == "policy_changed":
            continue
        made = notice_mail.message(home, said, sender="a@b.example", message_id="<1@a.invalid>")
        for part in made.iter_parts():
            text = part.get_content()
            assert "http" not in text
            assert "@" not in text.replace("@media", "")
        assert made["Auto-Submitted"] == "auto-generated"
    with pytest.raises(mail.MailClassError):
        mail.admit("newsletter")
    server = mail_server.MailServer("127.0.0.1", 1, "none", "a@b.example")
    with pytest.raises(mail.MailClassError):
        server.send(made, "newsletter")


PRIVACY = 'version = "{}"\nin_force = {}\nmaterial = {}\nchanged = "Mail goes by Postbote now, {}."\n'


def write(home: Home, version: str, in_force: str, *, material: bool = True, age: timedelta = HOUR) -> Path:
    """The owner's words, written some time ago by NOW."""
    own = home.root / "privacy.toml"
    own.write_text(PRIVACY.format(version, in_force, str(material).lower(), version), encoding="utf-8")
    dated(own, age)
    return own


def dated(own: Path, age: timedelta) -> None:
    """Whatever the day of the test, a text was written some time ago by NOW; two never have the same moment."""
    written = (NOW - age).replace(tzinfo=UTC).timestamp()
    os.utime(own, (written, written + zlib.crc32(own.read_bytes()) / 2**32))


@pytest.mark.clause("AL-11.2")
@pytest.mark.clause("VA-4.4b")
@pytest.mark.clause("VA-4.4")
def test_a_material_change_is_mailed_once_to_each_member_before_it_holds(home: Home, trap: Trap) -> None:
    """Fourteen days at least, whatever the file says; not to who joins later, nor for what changes nothing."""
    assert sent(home, trap, NOW) == [], "the first text changes nothing for anybody"
    write(home, "2027-01-05", "2026-11-25")
    subject = "The privacy policy changes on 06 Dec 2026"
    assert sorted(sent(home, trap, NOW)) == [(email, subject) for email in (ADA, BEN, EVE)]
    body = trap.mails[0].get_body(("plain",))
    assert body
    assert "Mail goes by Postbote now, 2027-01-05." in body.get_content()
    with database.control(home) as control:
        assert members.sign_up(control, Vault(control, NOW), "new@team.example", "hash", NOW + HOUR)
    for days in range(1, 30):
        assert sent(home, trap, NOW + days * DAY) == []
    write(home, "2027-01-06", "2027-05-01", material=False)
    assert sent(home, trap, NOW + 30 * DAY) == []
    write(home, "2027-01-07", "2027-06-01")
    told = sent(home, trap, NOW + 31 * DAY)
    assert {subject for _, subject in told} == {"The privacy policy changes on 01 Jun 2027"}
    assert len(told) == 4
    assert [detail for act, detail in acts(home) if act == "policy.told"] == ["members=3", "members=4"]


@pytest.mark.clause("AL-11.2")
def test_a_text_that_is_being_written_is_not_mailed_yet(home: Home, trap: Trap) -> None:
    """What was saved a minute ago may be half a sentence; of two texts in an hour the newer one is told."""
    sent(home, trap, NOW)
    write(home, "2027-01-05", "2027-02-01", age=timedelta(minutes=1))
    assert sent(home, trap, NOW) == []
    member_notices.enqueue(home, NOW + timedelta(minutes=20))
    write(home, "2027-01-06", "2027-03-01")
    told = sent(home, trap, NOW + HOUR)
    assert {subject for _, subject in told} == {"The privacy policy changes on 01 Mar 2027"}
    assert sorted(to for to, _ in told) == [ADA, BEN, EVE]


@pytest.mark.clause("AL-11.2")
@pytest.mark.clause("VA-4.4b")
def test_a_member_who_was_not_told_in_time_is_said(home: Home, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Red from the day the text holds, until the mail is out or the member has accepted."""
    sent(home, trap, NOW)
    write(home, "2027-01-05", "2026-11-25")
    with monkeypatch.context() as unset:
        unset.delenv(postman.SETTING)
        member_notices.enqueue(home, NOW)
        with database.control(home) as control:
            assert privacy.noted(home, control, NOW).holds_on.isoformat() == "2026-12-06"
            assert acceptance.untold(control, (NOW + 13 * DAY).date()) == []
            (wrong,) = acceptance.untold(control, (NOW + 14 * DAY).date())
            assert "3 members were not told" in wrong
            eve = member(control, EVE)
            acceptance.accept(control, eve.member_no, eve.account_no, NOW)
    assert sorted(to for to, _ in sent(home, trap, NOW + 15 * DAY)) == [ADA, BEN]
    with database.control(home) as control:
        assert acceptance.untold(control, (NOW + 15 * DAY).date()) == []


@pytest.mark.clause("AL-11.1")
@pytest.mark.clause("AL-11.2")
def test_words_changed_under_one_version_or_date_turn_the_audit_red(home: Home, trap: Trap) -> None:
    """Until the text has a version and a date of its own; the same words under another version are no change."""

    def wrong(version: str, in_force: str, changed: str) -> list[str]:
        own = write(home, version, in_force)
        with own.open("a", encoding="utf-8") as handle:
            handle.write(f'region = "{changed}"\n')
        dated(own, HOUR)
        sent(home, trap, NOW + 2 * HOUR)
        with database.control(home) as control:
            return acceptance.changed_unseen(control)

    assert wrong("2027-01-05", "2027-02-01", "A") == []
    assert wrong("2027-01-05", "2027-02-02", "B") == [
        "the privacy policy was changed under version 2027-01-05: give its text another version"
    ]
    assert wrong("2027-01-06", "2027-02-01", "C") == [
        "the privacy policy was changed and is still in force since 2027-02-01: give it another date"
    ]
    assert wrong("2027-01-06.1", "2027-02-03", "C") == []
