"""T07 at its full size: ten thousand guesses at one account, one at each of ten thousand, from one place and from many.

Every address of 127.0.0.0/8 is this machine, so that the served dashboard sees as many places as an attacker has.
"""

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from tests.dashboards import people_site
from tests.dashboards.people_site import EMAIL, HASH, PASSWORD, Site, now, served
from warehouse import database
from warehouse.control import member as members
from warehouse.control import throttle, ticket
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault
from warehouse.home import Home

pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("master_key")]
GUESSES = 10_000
HOME_PLACE = "127.0.0.1"


@dataclass
class Guesser:
    """Somebody at one place with a form of the sign-in, which they send again and again over one connection."""

    connection: http.client.HTTPConnection
    port: int
    cookie: str
    hidden: str

    def guess(self, email: str, secret: str) -> int:
        """The status that a try is answered with."""
        fields = urlencode({"form": self.hidden, "email": email, "password": secret})
        headers = {
            "Origin": f"http://127.0.0.1:{self.port}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": self.cookie,
        }
        self.connection.request("POST", "/sign-in", fields, headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


@pytest.fixture
def site(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The routes behind the gate, with one person's account."""
    monkeypatch.setenv("APILEDGER_HOME", str(home.root))
    with database.control(home) as control:
        assert members.sign_up(control, Vault(control, now()), EMAIL, HASH, now())
    with served(people_site.app()) as port:
        yield Site(port, home)


def _at(site: Site, place: str) -> Guesser:
    """A guesser at a place; their form is the one that the site's own browser got."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60, source_address=(place, 0))
    hidden = site.fresh()
    return Guesser(connection, site.port, site.cookie, hidden)


def _once(site: Site, place: str, email: str, secret: str) -> int:
    one = _at(site, place)
    with closing(one.connection):
        return one.guess(email, secret)


@pytest.mark.attack("T07")
@pytest.mark.clause("AL-2.3")
def test_ten_thousand_guesses_at_one_account(site: Site) -> None:
    """From 100 places at once: about a hundred are tried, and the owner comes in all the while, and by a link."""
    assert _once(site, HOME_PLACE, EMAIL, PASSWORD) == 303
    answers: Counter[int] = Counter()
    counted = threading.Lock()

    def guesses(first: int) -> None:
        for place in range(first, first + 25):
            one = _at(Site(site.port, site.home), f"127.0.1.{place + 1}")
            with closing(one.connection):
                told = Counter(one.guess(EMAIL, f"a wrong word {n}") for n in range(GUESSES // 100))
            with counted:
                answers.update(told)

    threads = [threading.Thread(target=guesses, args=(25 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    came_in = 0
    while any(thread.is_alive() for thread in threads):
        assert _once(Site(site.port, site.home), HOME_PLACE, EMAIL, PASSWORD) == 303
        came_in += 1
        threads[0].join(1)
    for thread in threads:
        thread.join()
    assert came_in > 1
    assert answers.keys() == {401, 429}
    assert sum(answers.values()) == GUESSES
    # A hundred, and a few for each five minutes that the storm may last.
    assert answers[401] <= 110
    assert _once(site, "127.0.9.9", EMAIL, PASSWORD) == 429
    with database.control(site.home) as control:
        found = members.find(control, Vault(control, now()), EMAIL)
        assert found
        link = ticket.link(control, found[0], now())
    hidden = site.fresh("/link")
    assert site.post("/link", {"form": hidden, "ticket": link})[0] == 303


@pytest.mark.attack("T07")
def test_one_guess_at_each_of_ten_thousand_accounts(site: Site) -> None:
    """From one place: sixty are tried, then it waits; whose accounts they are come in at the first try."""
    sprayer = _at(site, "127.0.2.1")
    with closing(sprayer.connection):
        answers = Counter(sprayer.guess(f"p{n}@team.example", "Summer 2026 again") for n in range(GUESSES - 1))
        answers.update([sprayer.guess(EMAIL, "Summer 2026 again")])
    assert answers[401] <= 64
    assert answers[401] + answers[429] == GUESSES
    assert _once(site, HOME_PLACE, EMAIL, PASSWORD) == 303


@pytest.mark.attack("T07")
@pytest.mark.parametrize("places", [200, GUESSES])
def test_spraying_from_many_places_is_bounded_by_place_and_by_account(home: Home, places: int) -> None:
    """A day of it: a place gets 72 an hour at most, an account 388 a day; its owner comes in from home at any hour."""
    moment, hours = now(), 24
    with database.control(home) as control:
        control.execute("PRAGMA synchronous=OFF")
        vault = Vault(control, moment)
        owners = [Guess.of(vault, f"p{n}@team.example", f"192.0.2.{n}") for n in range(50)]
        for one in owners:
            assert not throttle.admit(control, one, moment)
            throttle.succeeded(control, one, moment)
        by_place: Counter[tuple[int, int]] = Counter()
        by_account: Counter[int] = Counter()
        for number in range(GUESSES):
            at = moment + timedelta(hours=hours) * number / GUESSES
            # Everybody's address once, and the first fifty again and again.
            account = number % 50 if number % 2 else number
            place = number % places
            guess = Guess.of(vault, f"p{account}@team.example", f"198.51.{place // 250}.{place % 250}")
            if not throttle.admit(control, guess, at):
                by_place[place, int((at - moment).total_seconds() // 3600)] += 1
                by_account[account] += 1
            if number % 500 == 0:
                owner = owners[number // 500 % 50]
                assert not throttle.admit(control, owner, at)
                throttle.succeeded(control, owner, at)
        # A place: 60 at once, then one in five minutes. An account: 100, then one in five minutes.
        assert max(by_place.values()) <= 72
        assert max(by_account.values()) <= 100 + 12 * hours
        assert all(not throttle.admit(control, one, moment + timedelta(hours=hours)) for one in owners)
