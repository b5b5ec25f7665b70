"""The privacy policy: what it says to whoever asks, and that a change is shown until it is accepted."""

import hashlib
import re
from datetime import date, datetime
from pathlib import Path

import pytest
from streamlit.web.server.server import MEDIA_ENDPOINT

from dashboards.access import session
from pipelines.commands import notice_health
from retention import privacy, tested
from tests.dashboards.people_site import EMAIL, PASSWORD, Site, now, token
from warehouse import database
from warehouse.control import acceptance, audit, self_audit
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import PROJECT

# A text that is changed under its version is asked about as if it were said to be material: give it another version.
SHIPPED = {
    "2026-11-22": "fc396b791c5bbfb8192b49d06182fcd85d5fe5e1b54e1e007bef42464f89c835",
    "2026-11-23": "6972ffe69fc3269e04149ab285ff3199f9409d847bbe1f9d3d58de9912e930c7",
}


def own(site: Site, text: str) -> None:
    """The owner writes words of their own."""
    privacy.file_of(site.home).write_text(text, encoding="utf-8")


def accept(site: Site) -> tuple[int, dict[str, str], str]:
    """Press the button of the page that shows a change."""
    _, _, text = site.ask("GET", "/policy")
    number = re.search(r'name="text" value="(\d+)"', text)
    assert number
    return site.post("/policy", {"form": token(text), "text": number[1]})


@pytest.mark.clause("AL-10.1")
@pytest.mark.clause("VA-9.1")
@pytest.mark.clause("VA-11.1")
def test_the_policy_is_there_for_everybody(site: Site) -> None:
    """Without signing in: version, date, what and until when, processors, region, contact, promises; texts as text."""
    own(site, 'contact = "<b>privacy@team.example</b>"\nregion = "Frankfurt & nowhere else"\n')
    (site.home.root / "policy.toml").write_text("[kept_days]\nR-client = 14\n", encoding="utf-8")
    status, _, text = site.ask("GET", "/privacy")
    assert status == 200
    assert f"version 2026-11-23 · in force since {min(date(2026, 11, 23), now().date()):%d %b %Y}" in text
    assert "&lt;b&gt;privacy@team.example&lt;/b&gt;" in text
    assert "Frankfurt &amp; nowhere else" in text
    assert "14 days have passed" in text
    assert "tests/" not in text
    assert "AL-1.3 · kept · R-requests" in text
    assert "<code>expiry</code>: not run yet" in text
    with database.control(site.home) as control:
        control.execute(
            "INSERT INTO expiry (ran_at, clause, place, things, digest, chain) "
            "VALUES ('2026-11-21T03:00:00.000000Z', 'R-requests', 'model.requests', 3, '', '')"
        )
    shown = site.ask("GET", "/privacy")[2]
    assert "3 rows or files of R-requests gone on 2026-11-21 · 21 Nov 2026 03:00 UTC · receipt 1 of expiry" in shown


@pytest.mark.clause("AL-5.3")
def test_each_promise_shows_its_check_result_and_receipt(site: Site) -> None:
    """The check's last run with the act that vouches, by hash; what it found; the newest erasure's receipt; no more."""
    with database.control(site.home) as control:
        self_audit.write(control, {"inventory": 0, "passwords": 2}, now())
        number, chain = audit.tail(control) or (0, "")
        control.execute(
            """INSERT INTO erasure (erasure_no, kind, step, begun_at, done_at, counts) VALUES
               (7, 'account', 'done', '2026-11-20T01:00:00.000000Z', '2026-11-20T01:01:00.000000Z', '{}')"""
        )
        control.execute("INSERT INTO erasure_receipt (erasure_no, receipt, chain) VALUES (7, '{}', 'c0ffee')")
    text = site.ask("GET", "/privacy")[2]
    when = f"{now():%d %b %Y}"
    vouched = f'UTC · act {number} <code title="{chain}">{chain[:16]}</code>'
    assert "AL-1.1 · found wrong: passwords · E-members" in text
    assert f"<code>passwords</code>: 2 wrong · {when}" in text
    assert text.count(vouched) >= 4
    assert '1 done · 20 Nov 2026 01:01 UTC · receipt of erasure 7 <code title="c0ffee">' in text
    assert "<code>tests</code>: 1 file of tests" in text
    assert EMAIL not in text
    assert "The last one is more than a week old." not in text
    with database.control(site.home) as control:
        control.execute("UPDATE self_audit SET ran_at = '2026-01-01T00:00:00.000000Z' WHERE name = 'inventory'")
    assert "The last one is more than a week old." in site.ask("GET", "/privacy")[2]


def test_a_run_of_the_tests_beside_this_program_shows_its_result(site: Site) -> None:
    """How many passed, when, by the hash of the record; one that failed is found wrong; another program's is none."""
    place = tested.PLACE
    tested.write({"AL-6.1": 3, "AL-6.2": 1}, {"AL-6.2": 2}, datetime(2026, 11, 22, 9))  # noqa: DTZ001 - UTC
    whole = hashlib.sha256(place.read_bytes()).hexdigest()
    text = site.ask("GET", "/privacy")[2]
    assert f'<code>tests</code>: 3 passed · 22 Nov 2026 09:00 UTC · record <code title="{whole}">' in text
    assert "AL-6.2 · found wrong: tests" in text
    assert "2 of 3 tests failed" in text
    place.write_text(place.read_text().replace(tested.program(), "0c1f"))
    assert "<code>tests</code>: 1 file of tests" in site.ask("GET", "/privacy")[2]


@pytest.mark.clause("AL-11.1")
@pytest.mark.clause("VA-10.1")
def test_a_change_is_shown_until_it_is_accepted(site: Site) -> None:
    """No page, no socket and no file before; the version and the moment are stored; nobody is asked twice."""
    site.sign_in()
    assert site.ask("GET", "/figures")[0] == 200
    own(site, 'version = "2027-01-05"\nin_force = 2027-02-01\nchanged = "Mail goes by <i>Postbote</i> now."\n')
    assert site.ask("GET", "/figures")[0] == 403
    assert site.ask("GET", f"{MEDIA_ENDPOINT}/abc.csv")[0] == 403
    status, headers, _ = site.ask("GET", "/figures", Accept="text/html")
    assert (status, headers["location"]) == (303, "/policy")
    assert site.ask("GET", "/account", Accept="text/html")[0] == 200
    _, _, text = site.ask("GET", "/policy")
    assert "Mail goes by &lt;i&gt;Postbote&lt;/i&gt; now." in text
    assert "You accepted the one of 2026-11-23." in text
    assert accept(site)[1]["location"] == "/"
    assert site.ask("GET", "/figures")[0] == 200
    assert site.ask("GET", "/policy")[1]["location"] == "/"
    with database.control(site.home) as control:
        found = members.find(control, Vault(control, now()), EMAIL)
        assert found
        told = acceptance.accepted(control, found[0].member_no)
    assert [version for version, _ in told] == ["2027-01-05", "2026-11-23"]
    assert (now() - told[0][1]).total_seconds() < 60


def test_a_change_that_is_none_asks_nobody(site: Site) -> None:
    """`material = false` under a new version: noted, shown on the page, and nothing to accept; the next one asks."""
    site.sign_in()
    assert site.ask("GET", "/figures")[0] == 200
    own(site, 'version = "2027-01-05"\nmaterial = false\nregion = "The same place, spelled right"\n')
    assert site.ask("GET", "/figures")[0] == 200
    own(site, 'version = "2027-01-06"\nregion = "Another place"\n')
    assert site.ask("GET", "/figures")[0] == 403


def test_words_changed_under_the_same_version_are_noticed(site: Site) -> None:
    """The hash tells: members are asked, whatever `material` says, and doctor names the version."""
    site.sign_in()
    assert site.ask("GET", "/figures")[0] == 200
    own(site, 'material = false\nregion = "Quietly somewhere else"\n')
    assert site.ask("GET", "/figures")[0] == 403
    (found,) = notice_health.findings(site.home, now())
    assert "version 2026-11-23" in found.what


def test_what_was_accepted_is_what_was_shown(site: Site) -> None:
    """A text that changed between the page and the button is shown first."""
    site.sign_in()
    site.ask("GET", "/figures")
    own(site, 'version = "2027-01-05"\n')
    _, _, text = site.ask("GET", "/policy")
    assert 'name="text"' not in text, "another version of the same words is no change"
    own(site, 'version = "2027-01-05"\nregion = "A"\n')
    _, _, text = site.ask("GET", "/policy")
    number = re.search(r'name="text" value="(\d+)"', text)
    assert number
    own(site, 'version = "2027-01-06"\nregion = "B"\n')
    fields = {"form": token(text), "text": number[1]}
    assert site.post("/policy", fields)[1]["location"] == "/policy"
    assert site.ask("GET", "/figures")[0] == 403


def test_a_socket_needs_the_acceptance_as_well(site: Site) -> None:
    """The handshake is refused while something waits to be accepted."""
    site.sign_in()
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec_WebSocket_Version": "13",
    }
    site.ask("GET", "/figures")
    own(site, 'version = "2027-01-05"\nregion = "Elsewhere"\n')
    assert site.ask("GET", "/_stcore/stream", **upgrade)[0] == 403


def test_a_file_that_cannot_be_read_locks_nobody_out(site: Site) -> None:
    """The page says so, doctor says why, and who accepted the text before goes on."""
    site.sign_in()
    own(site, 'verzion = "2027-01-05"\n')
    assert site.ask("GET", "/privacy")[0] == 500
    assert site.ask("GET", "/figures")[0] == 200
    (found,) = notice_health.findings(site.home, now())
    assert "verzion" in found.what


def test_members_without_a_contact_are_told_of(site: Site) -> None:
    """VA-11.1: with a second member an address for their rights is asked for."""
    assert list(notice_health.findings(site.home, now())) == []
    with database.control(site.home) as control:
        members.sign_up(control, Vault(control, now()), "bob@team.example", "hash", now())
    assert "no address" in next(notice_health.findings(site.home, now())).what
    own(site, 'contact = "privacy@team.example"\n')
    assert list(notice_health.findings(site.home, now())) == []


def test_the_shipped_words_are_those_of_their_version(site: Site) -> None:
    """Other words need another version here and in the file; the store's version is the file's."""
    notice = privacy.notice(site.home)
    assert SHIPPED[notice.version] == notice.sha256
    assert notice.version == acceptance.SHIPPED_VERSION
    assert Path(PROJECT / "retention" / "privacy.toml").exists()


@pytest.mark.clause("AL-6.1")
def test_the_only_cookie_of_ours_is_the_sessions(site: Site) -> None:
    """Every page, signed in and not: one name, HttpOnly, Strict, for the whole site and no other host."""
    paths = ["/sign-in", "/sign-up", "/forgot", "/reset", "/invitation", "/address", "/link", "/privacy", "/policy"]
    paths += ["/account", "/figures"]
    given: list[str] = []

    def walk() -> None:
        for path in paths:
            site.cookie = kept
            given.extend(v for k, v in site.ask("GET", path, Accept="text/html")[1].items() if k == "set-cookie")

    kept = ""
    walk()
    site.sign_in(EMAIL, PASSWORD)
    kept = site.cookie
    site.post("/sign-in", {"form": session.form_token(kept.partition("=")[2]), "email": EMAIL, "password": PASSWORD})
    walk()
    assert len(given) >= 8
    for cookie in given:
        name, *parts = (part.strip() for part in cookie.split(";"))
        assert name.partition("=")[0] == "sid"
        assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(parts)
        assert not any(part.lower().startswith("domain") for part in parts)
