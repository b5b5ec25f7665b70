"""What a person does at the dashboard, by chance: pages, files, routes, forms, thefts, errors, signing in, a bundle.

Each act asks the site and has all that comes back searched; its words and numbers are their own, another's or nobody's.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.routing import Route
from streamlit.web.server.server import MEDIA_ENDPOINT

from dashboards import app
from dashboards.api.resources import RESOURCES
from dashboards.figures.spend_filter import DIMENSIONS
from tests.attacks.canary_accounts import Accounts, Person, moment
from tests.attacks.canary_search import Search
from tests.attacks.visitor import Heard, Tab, Visitor
from tests.dashboards.people_site import PASSWORD
from warehouse import allocation, database
from warehouse.control import session as sessions
from warehouse.control import token as tokens
from warehouse.control.vault import Vault

PAGES = (
    "", "spend", "models", "projects", "keys", "allocation", "reconciliation", "changes", "invoices", "budgets",
    "credits", "freshness", "operator",
)  # fmt: skip
_WITH_FILES = ("spend", "models", "projects", "keys", "allocation", "reconciliation", "credits", "invoices", "changes")
# What an address may ask of a page, and the words of which class it would be asked with.
_ASKED = {
    "account": "account", "project": "project", "team": "team", "key": "key", "provider": "provider", "model": "model",
    "centre": "centre", "one": "project", "q": "account",
}  # fmt: skip
_PLAIN: tuple[dict[str, list[str]], ...] = (
    {"grain": ["total"], "by": ["account", "project"]},
    {"grain": ["hour"], "by": ["key", "model"]},
    {"by": ["team"], "span": ["90 days"]},
    {"figure": ["log"], "with": ["first"]},
    {"only": ["unused"], "from": ["2001-01-01"]},
)
_HOSTILE = ("') OR true--", "x' UNION SELECT label FROM model.account--", "%", "zq%", "\\", "query('SELECT 1')", "\x00")
# What a form of somebody with other intentions is filled with: texts of their own, words of none, numbers of others.
_TEXTS = {
    "email": "owner", "invited": "invited", "address": "mail", "note": "note", "question": "question",
    "reason": "reason", "answer": "answer", "label": "keyname", "projects": "project", "whose": "owner",
}  # fmt: skip
_WORDS = {
    "role": "viewer", "what": "account", "purpose": "alerts", "kind": "access", "monthly": "12", "thresholds": "50",
    "provider": "nobody", "key": "sk-admin-nothing", "sure": "yes", "text": "1", "ticket": "x" * 43, "to": "/spend",
    "typed": "x", "known": "x", "current": "x", "password": "x",
}  # fmt: skip
# These change what their own account sees from then on, or have acts of their own.
_APART = frozenset({
    "/account/rights/restrict", "/account/rights/export", "/account/rights/approve", "/account/open", "/sign-in",
    "/link",
})  # fmt: skip


@dataclass
class Guest:
    """A person at the site: their browser, their open page, what the operator opened, the files they were given."""

    person: Person
    visitor: Visitor
    tab: Tab
    opened: int | None = None
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scene:
    """The site on a port with everybody in it, and the search of what they are given."""

    accounts: Accounts
    port: int
    search: Search

    def look(self, kind: str, guest: Guest, *heard: Heard, sent: list[str] | None = None) -> None:
        """Search what a guest was given; `sent` are words that they said themselves."""
        self.search.look(kind, guest.person, heard, sent or [], guest.opened)

    def ruled(self, person: Person, path: str) -> list[str]:
        """The words of the rules of cost centres, a file that the operator writes and reads on their own page of it."""
        if person.account is not None or not path.startswith("/centres"):
            return []
        rules = (self.accounts.home.root / allocation.FILE).read_text(encoding="utf-8")
        return re.findall(r"zq\d{3}[a-z]+?xv", rules)

    def secret(self, person: Person) -> str:
        """A token of a person, without an end."""
        with database.control(self.accounts.home) as control:
            vault = Vault(control, moment())
            for one in tokens.listed(control, person.member.account_no):
                if one.member_no == person.member.member_no and one.expires_at is None:
                    tokens.revoke(control, one.token_no, moment())
            return tokens.make(control, vault, person.member, "a program", moment(), None)

    def cookie(self, person: Person) -> str:
        """A session of a person: what is ended or opened in it is nobody else's."""
        with database.control(self.accounts.home) as control:
            return sessions.begin(control, person.member.member_no, sessions.BY_PASSWORD, moment())


Act = Callable[[Scene, Guest, Guest, random.Random], None]


def page(scene: Scene, guest: Guest, other: Guest, dice: random.Random) -> None:
    """A page, for what its address asks: names of their own, of another account, of nobody, and SQL."""
    query: dict[str, list[str]] = dict(dice.choice(({}, {}, *_PLAIN)))
    for name, what in dice.sample(sorted(_ASKED.items()), dice.choice((0, 0, 1, 2))):
        whose = dice.choice((guest.person.account, other.person.account, None))
        query[name] = [dice.choice(_HOSTILE) if whose is None else whose.word(what)]
    if guest.person.account is None and dice.random() < 0.5:
        opening(scene, guest, other, dice)
    sent, name = [word for words in query.values() for word in words], dice.choice(PAGES)
    scene.look(f"page {name or 'overview'}", guest, guest.tab.run(name, query), sent=sent)


def opening(scene: Scene, guest: Guest, other: Guest, _dice: random.Random) -> None:
    """Open another's account with a reason; for the operator alone it opens."""
    number = str(other.person.member.account_no)
    scene.look("form", guest, guest.visitor.post("/account/open", account=number, reason="they asked for help"))
    if guest.person.account is None and other.person.account is not None:
        guest.opened = other.person.account.number


def file(scene: Scene, guest: Guest, _other: Guest, dice: random.Random) -> None:
    """A table of a page taken away, in whatever form."""
    name = dice.choice(_WITH_FILES)
    scene.look(f"page {name}", guest, guest.tab.run(name))
    if guest.tab.buttons:
        told = guest.tab.press(dice.choice(guest.tab.buttons)[1])
        guest.files += _addresses(told)
        scene.look("file", guest, told, *(guest.visitor.get(address) for address in _addresses(told)))


def stolen(scene: Scene, guest: Guest, other: Guest, dice: random.Random) -> None:
    """What was another's falls into their hands: a file's address, a button's number, a session of Streamlit's."""
    if other.files:
        scene.look("stolen file", guest, guest.visitor.get(dice.choice(other.files)))
    # Theirs as they are now: the other one goes on meanwhile, and a page that is drawn anew has other buttons.
    if buttons := list(other.tab.buttons):
        guest.tab.run("")
        told = guest.tab.press(dice.choice(buttons)[1])
        fetched = [guest.visitor.get(address) for address in _addresses(told)]
        scene.look("stolen button", guest, told, *fetched)
    if other.tab.session_id:
        with guest.visitor.tab(other.tab.session_id) as taken:
            try:
                taken.run(dice.choice(PAGES[:6]))
            finally:
                # A page that is taken over may never be drawn to its end: what came of it came.
                scene.look("stolen session", guest, taken.heard)


def route(scene: Scene, guest: Guest, other: Guest, dice: random.Random) -> None:
    """Any of the plain pages, with a number of another's where its address has one."""
    path = dice.choice([each.path for each in routes("GET")])
    path = re.sub(r"\{\w+(:\w+)?\}", lambda _: _number(scene, other, dice), path)
    scene.look("route", guest, guest.visitor.get(path), sent=scene.ruled(guest.person, path))


def machine(scene: Scene, guest: Guest, other: Guest, dice: random.Random) -> None:
    """A program with a token of theirs asks any of what programs may ask: by their own names, another's, and SQL."""
    resource = dice.choice(RESOURCES)
    query: dict[str, list[str]] = {"format": [dice.choice(("json", "csv", "parquet"))]}
    if resource.path == "/api/spend":
        query["group_by"] = [",".join(dice.sample(sorted(DIMENSIONS), 3))]
    known = {one.name: one for one in resource.own}
    for name, what in dice.sample(sorted(_ASKED.items()), 2):
        if name in known:
            whose = dice.choice((guest.person.account, other.person.account, None))
            query[name] = [dice.choice(_HOSTILE) if whose is None else whose.word(what)]
    path = dice.choice((f"{resource.path}?{urlencode(query, doseq=True)}", "/metrics", "/api/nothing", "/healthz"))
    if dice.random() < 0.8:
        path = f"{resource.path}?{urlencode(query, doseq=True)}"
    program = Visitor(scene.port)
    told = program.ask("GET", path, Authorization=f"Bearer {scene.secret(guest.person)}")
    scene.look("machine", guest, told, sent=[word for words in query.values() for word in words])


def form(scene: Scene, guest: Guest, other: Guest, dice: random.Random) -> None:
    """Any of the forms, with every field that any of them has: numbers are another's, texts their own."""
    path = dice.choice([each.path for each in routes("POST") if each.path not in _APART])
    mine, theirs = guest.person.account, other.person.account
    fields = {name: mine.word(what) if mine else "a reason" for name, what in _TEXTS.items()}
    fields |= {name: f"{fields[name]}@example.org" for name in ("email", "invited", "address")} | _WORDS
    fields |= {name: _number(scene, other, dice) for name in ("member", "account", "connection", "number")}
    fields["scope"] = f"{_number(scene, other, dice)}-{dice.choice((0, 1))}"
    sent = scene.ruled(guest.person, path)
    if theirs is not None and dice.random() < 0.3:
        fields["email"] = other.person.email
        sent.append(theirs.word(other.person.seat))
    # Who signs out here, signs out of a session of its own.
    visitor = Visitor(scene.port, scene.cookie(guest.person))
    scene.look("form", guest, visitor.post(path, **fields), sent=sent)


def error(scene: Scene, guest: Guest, _other: Guest, dice: random.Random) -> None:
    """Addresses that are none, methods that nobody takes, forms that are broken."""
    path = dice.choice(
        ("/nothing", "/account/rights/bundle/x", f"{MEDIA_ENDPOINT}/none.csv", "/_stcore/none", "/erased/1/2/3")
    )
    body = dice.choice(("form=1", "%ff%fe", "a" * 17_000))
    broken = {"Content_Type": "application/x-www-form-urlencoded", "Origin": "http://evil.example"}
    answers = (
        guest.visitor.get(path),
        guest.visitor.ask("PUT", "/account", "x"),
        guest.visitor.ask("POST", dice.choice(("/account/email", "/budget/set", path)), body, **broken),
    )
    assert max(answer.status for answer in answers) < 500
    scene.look("error", guest, *answers)


def signing_in(scene: Scene, guest: Guest, other: Guest, dice: random.Random) -> None:
    """In, and out again: with their own word, a wrong one, or at another's address."""
    visitor = Visitor(scene.port, f"nobody-yet-{dice.random()}")
    mine = guest.person.email
    email, secret = dice.choice(((mine, PASSWORD), (mine, "wrong"), (other.person.email, "wrong")))
    heard = visitor.post("/sign-in", email=email, password=secret)
    given = re.search(r"sid=([^;]+)", heard.text)
    after = Visitor(scene.port, given[1] if given else "")
    scene.look("sign-in", guest, heard, after.get("/account"), after.post("/sign-out"), after.get("/account"))


def bundle(scene: Scene, guest: Guest, other: Guest, _dice: random.Random) -> None:
    """Everything of one's own, packed, one's own copy, that of a user and of another's; then what anybody packed."""
    made = [guest.visitor.post("/account/rights/export", proof=PASSWORD), guest.visitor.get("/account/rights")]
    made.append(guest.visitor.post("/account/rights/copy", **{"own-proof": PASSWORD}))
    named = [f"{each.word('user')}@example.org" for each in (guest.person.account, other.person.account) if each]
    asked = {"person": "user", "person-proof": PASSWORD}
    told = [guest.visitor.post("/account/rights/copy-of", whose=text, **asked) for text in named]
    with database.control(scene.accounts.home) as control:
        query = "SELECT request_no FROM rights_request WHERE kind = 'access' ORDER BY 1 DESC LIMIT 9"
        numbers = [number for (number,) in control.execute(query)]
    fetched = [guest.visitor.get(f"/account/rights/bundle/{number}") for number in numbers]
    scene.look("bundle", guest, *told, sent=named)
    scene.look("bundle", guest, *made, *fetched)


# How often each is done.
ACTS: dict[Act, int] = {
    page: 40,
    file: 16,
    stolen: 12,
    route: 14,
    form: 14,
    error: 4,
    signing_in: 2,
    bundle: 1,
    machine: 10,
}


def routes(method: str) -> list[Route]:
    """Every route of the dashboard's own that takes a method: a new one is walked by itself."""
    return [each for each in app.ROUTES if method in (each.methods or ())]


def _number(scene: Scene, other: Guest, dice: random.Random) -> str:
    """A number of another's, or of nobody."""
    theirs = other.person.account
    connection = scene.accounts.connections.get(theirs.number, 1) if theirs else 1
    member = other.person.member
    return str(dice.choice((member.member_no, member.account_no, connection, dice.randrange(40))))


def _addresses(heard: Heard) -> list[str]:
    return [name.decode() for _, data in heard.parts for name in re.findall(rb"/media/[\w.]+", data)]
