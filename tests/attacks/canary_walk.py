"""Members of several accounts at the dashboard, each doing what the dice say; all that comes back is searched.

An interleaving is two or three people of different accounts, each with an open page and a few acts, at the same moment
or in turn. Between interleavings versions are published and mails go out.
"""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, timedelta
from typing import Any

from pipelines.alerts import postman
from tests.attacks.canary_accounts import Accounts, Person, moment
from tests.attacks.canary_acts import ACTS, Act, Guest, Scene
from tests.attacks.canary_search import Search
from tests.attacks.visitor import Heard, Visitor
from tests.pipelines.gateway_log import take_in
from warehouse import database, publication


class Walk:
    """Interleavings one after another, the same for the same seed but for who is first where they act at once."""

    def __init__(self, accounts: Accounts, port: int, search: Search, seed: int, acts_each: int = 2) -> None:
        self.accounts, self.search, self._acts_each = accounts, search, acts_each
        self._scene = Scene(accounts, port, search)
        self._dice = random.Random(seed)  # noqa: S311 (no secret)
        self._read_mails = self._published = 0

    def interleave(self, acts: Sequence[Act] = tuple(ACTS)) -> None:
        """Let a few people act, at the same moment or in turn."""
        people = self._people()
        plan = [(place, *self._chosen(acts)) for place in range(len(people)) for _ in range(self._acts_each)]
        with ExitStack() as open_tabs:
            visitors = [Visitor(self._scene.port, self._scene.cookie(person)) for person in people]
            guests = [
                Guest(person, visitor, open_tabs.enter_context(visitor.tab()))
                for person, visitor in zip(people, visitors, strict=True)
            ]
            if self._dice.random() < 0.5:
                with ThreadPoolExecutor(len(guests)) as pool:
                    doing = [[each for each in plan if each[0] == place] for place in range(len(guests))]
                    list(pool.map(lambda each: self._do(guests, each), doing))
            else:
                self._dice.shuffle(plan)
                self._do(guests, plan)

    def _people(self) -> list[Person]:
        numbers = self._dice.sample([each.number for each in self.accounts.canaries], self._dice.choice((2, 2, 3)))
        people = [self._dice.choice(self.accounts.of(number)) for number in numbers]
        if self._dice.random() < 0.15:
            people[-1] = self.accounts.operator
        return people

    def _chosen(self, acts: Sequence[Act]) -> tuple[Act, random.Random]:
        (act,) = self._dice.choices(acts, [ACTS[each] for each in acts])
        return act, random.Random(self._dice.random())  # noqa: S311 (no secret)

    def _do(self, guests: list[Guest], plan: list[tuple[int, Act, random.Random]]) -> None:
        for place, act, dice in plan:
            act(self._scene, guests[place], guests[(place + 1) % len(guests)], dice)

    def publish(self, *, with_calls: bool = True) -> None:
        """A new version takes the place of the one before, as a rule with new calls of everybody."""
        home, now = self.accounts.home, moment().replace(tzinfo=UTC)
        self._published += 1
        if with_calls:
            self.accounts.log(f"more-{self._published}.jsonl", [40 + self._published])
            take_in(home, now)
        else:
            with database.held(home.build_lock), database.build(home) as build:
                publication.publish(home, build, now)
        self.search.steps["publication"] += 1

    def post_mails(self) -> None:
        """What is due goes out; each mail is searched as one that its receiver reads."""
        trap = self.accounts.trap
        postman.deliver(self.accounts.home, moment, limit=timedelta(minutes=5))
        for mail, receivers in list(zip(trap.mails, trap.receivers, strict=True))[self._read_mails :]:
            self._read_mails += 1
            (receiver,) = receivers
            whose = [each.number for each in self.accounts.canaries if f"zq{each.number:03}" in receiver]
            person = self.accounts.of(whose[0])[0] if whose else self.accounts.operator
            self.search.look("mail", person, [Heard(0, [("mail", mail.as_bytes()), *_texts(mail)])])


def _texts(mail: Any) -> list[tuple[str, bytes]]:
    return [("mail part", part.get_content().encode()) for part in mail.walk() if part.get_content_maintype() == "text"]
