"""OWASP ASVS 5.0, level 1: the table is whole and its tests are there; and what no other test shows of it."""

import ast
import re
import secrets
from collections.abc import Iterator

import pytest

from dashboards.access import session
from tests import asvs_marks
from tests.dashboards import people_site
from tests.dashboards.people_site import EMAIL, PASSWORD, Site, now, served, token
from warehouse import database
from warehouse.control import member as members
from warehouse.control import password, throttle, ticket
from warehouse.control import session as sessions
from warehouse.control.vault import Vault
from warehouse.home import PROJECT, Home

# Level 1 of the release 5.0.0, chapters 3, 6, 7, 11 and 14: how many each section has.
SECTIONS = {
    "3.2": 2, "3.3": 1, "3.4": 2, "3.5": 3, "6.1": 1, "6.2": 8, "6.3": 2, "6.4": 2, "7.2": 4, "7.4": 2, "11.3": 2,
    "11.4": 1, "14.2": 1, "14.3": 1,
}  # fmt: skip
LEVEL_1 = {f"{section}.{number}" for section, most in SECTIONS.items() for number in range(1, most + 1)}
TABLE = {one.id: one for one in asvs_marks.requirements()}
NEXT = "an owl reads nine maps"
PRODUCT = sorted(
    path
    for package in ("dashboards", "pipelines", "retention", "warehouse")
    for path in (PROJECT / package).rglob("*.py")
)
LIBRARIES = ("cryptography", "argon2", "hashlib", "Crypto", "nacl")


def _collected(test: str) -> bool:
    """Whether a node id names a test that a run collects, one that is not skipped whatever happens."""
    file, _, name = test.partition("::")
    path = PROJECT / file
    if not (file.startswith("tests/") and path.name.startswith("test_") and name.startswith("test_") and path.exists()):
        return False
    found = [
        one
        for one in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(one, ast.FunctionDef) and one.name == name
    ]
    marks = [ast.unparse(mark) for one in found for mark in one.decorator_list]
    return len(found) == 1 and not any(mark.startswith(("pytest.mark.skip", "pytest.mark.xfail")) for mark in marks)


def test_the_table_has_every_requirement_once() -> None:
    """Neither one too few nor one too many, by the table's own list and by the chapters'."""
    assert len(TABLE) == len(asvs_marks.requirements())
    assert TABLE.keys() == LEVEL_1
    assert len(LEVEL_1) == 32
    text = asvs_marks.TABLE.read_text(encoding="utf-8")
    assert set(re.findall(r'"(\d+\.\d+\.\d+)"', text.partition("[[requirement]]")[0])) == LEVEL_1 | {"5.0.0"}


@pytest.mark.parametrize("number", sorted(TABLE))
def test_a_requirement_is_shown_by_tests_that_are_there(number: str) -> None:
    """Each test it names is collected; without tests it says why nothing could meet it."""
    one = TABLE[number]
    assert one.says
    assert [test for test in one.tests if not _collected(test)] == []
    assert bool(one.tests) != bool(one.not_applicable)


def test_a_test_that_is_not_there_is_found() -> None:
    """Another name, another file, something that no run collects: each counts as missing."""
    here = "tests/attacks/test_asvs.py"
    assert _collected(f"{here}::test_a_test_that_is_not_there_is_found")
    for wrong in (f"{here}::test_nothing", f"{here}::_collected", "tests/asvs_marks.py::requirements", "x.py::test_x"):
        assert not _collected(wrong)


def test_the_marks_are_those_of_the_table(request: pytest.FixtureRequest) -> None:
    """`-m asvs` selects what the table names, this file's own tests for a start."""
    for item in request.session.items:
        marks = {mark.args[0] for mark in item.iter_markers("asvs")}
        assert marks == {one.id for one in TABLE.values() if item.nodeid.partition("[")[0] in one.tests}


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """The routes behind the gate, with one person's account."""
    assert master_key
    with database.control(home) as control:
        assert members.sign_up(control, Vault(control, now()), EMAIL, people_site.HASH, now())
    with served(people_site.app()) as port:
        yield Site(port, home)


def _mine(site: Site) -> str:
    return session.form_token(site.cookie.partition("=")[2])


def test_every_form_of_the_dashboard_is_guarded(home: Home, master_key: str, whole_dashboard: int) -> None:
    """3.5: each route that is not only read is a POST, refused without our origin, and without our token."""
    from dashboards import app

    assert master_key
    site = Site(whole_dashboard, home)
    with database.control(home) as control:
        member = members.operator(control, Vault(control, now()), now())
        site.cookie = f"sid={sessions.begin(control, member.member_no, sessions.BY_LINK, now())}"
    changing = {route.path for route in app.ROUTES if (route.methods or set()) - {"GET", "HEAD"}}
    reading = {route.path for route in app.ROUTES if "GET" in (route.methods or set())}
    assert {"/sign-in", "/account/delete", "/connections/add", "/account/rights/export"} & changing
    for route in app.ROUTES:
        if route.methods:
            assert route.methods in ({"GET", "HEAD"}, {"POST"}), route.path
        else:
            # What programs ask is read alone, whatever is sent to it.
            assert site.post(route.path.replace("{path:path}", "x"), {"form": "x"})[0] == 405, route.path
    for path in sorted(changing):
        for wrong in ({"Origin": "http://evil.example"}, {"Origin": f"http://127.0.0.1:{site.port}"}):
            assert site.post(path, {"form": "x"}, **wrong)[0] == 403, path
        if path not in reading:
            site.ask("GET", path)
    assert site.ask("GET", "/account")[0] == 200


def test_the_readme_says_how_guessing_is_slowed() -> None:
    """6.1.1: the figures of the code, and that an owner gets in."""
    people = (PROJECT / "README.md").read_text(encoding="utf-8").partition("## People")[2].partition("\n## ")[0]
    told = " ".join(people.split())
    assert (throttle._FREE_GUESSES, throttle._LONGEST_WAIT.seconds, throttle.MEMORY.seconds) == (5, 300, 3600)
    assert (throttle._PLACE_FAILURES, throttle._ACCOUNT_FAILURES) == (60, 100)
    for words in ("after five", "up to five minutes", "60 from one place", "100 at one address", "an hour later"):
        assert words in told, words
    assert "not locked out by others" in told


@pytest.mark.parametrize(
    "secret",
    [
        "gruvelatimok",
        "GRUVELATIMOK",
        "904172835561",
        "?!~%&|;<>\"'`$",
        "ツキヨノカラスハヤクカエレ",
        " gruve latimo ",
        "тихая ночь над рекой",
        "g" + "ruvelatimo" * 3 + "x\x00y",
    ],
)
def test_any_kind_of_character_makes_a_password(secret: str) -> None:
    """6.2.5, 6.2.1: letters of one case, figures or signs alone, blanks, any script; eleven characters are too few."""
    password.check(secret, EMAIL)
    with pytest.raises(password.PasswordRefusedError, match="at least 12"):
        password.check(secret[: password.SHORTEST - 1], EMAIL)


def test_a_password_is_changed_by_who_knows_the_one_before(site: Site) -> None:
    """6.2.2, 6.2.3: without the current one, or with another, nothing changes; with it the new one holds."""
    site.sign_in()
    for known in ({}, {"current": ""}, {"current": "not this one"}):
        assert site.post("/account/password", {"form": _mine(site), "password": NEXT, **known})[0] == 422
    assert site.post("/account/password", {"form": _mine(site), "current": PASSWORD})[0] == 422
    assert site.post("/account/password", {"form": _mine(site), "current": PASSWORD, "password": NEXT})[0] == 303
    assert site.sign_in()[0] == 401
    assert site.sign_in(secret=NEXT)[0] == 303


def test_a_password_field_hides_it_and_takes_it_from_a_manager(site: Site) -> None:
    """6.2.6, 6.2.7: each has the type, says which password it wants, and nothing keeps anybody from pasting."""
    site.sign_in()
    pages = [site.ask("GET", path)[2] for path in ("/account", "/account/delete")]
    site.fresh()
    pages += [site.ask("GET", path)[2] for path in ("/sign-in", "/sign-up", "/reset", "/invitation")]
    fields = [field for text in pages for field in re.findall(r"<input[^>]*>", text)]
    secret = [field for field in fields if re.search(r'name="(\w*-)?(password|known|current)"', field)]
    assert len(secret) >= 8
    for field in secret:
        assert 'type="password"' in field
        assert re.search(r"autocomplete=(current|new)-password", field), field
        assert not re.search(r"readonly|maxlength|pattern", field)
    assert not [text for text in pages if re.search(r"\son[a-z]+=|addEventListener|onpaste", text)]
    connecting = (PROJECT / "dashboards" / "people" / "connections.py").read_text(encoding="utf-8")
    assert re.search(r'form\.field\(\s*"key",\s*"Key",\s*"password",', connecting)


def test_a_password_is_taken_as_it_is_typed(site: Site) -> None:
    """6.2.8: 256 characters with blanks around them and letters that look alike; nothing near it signs in."""
    exact = " Ärger im Café " + "".join(chr(0x4E00 + 7 * number) for number in range(239)) + "z "
    assert len(exact) == password.LONGEST
    hidden = site.fresh("/sign-up")
    fields = {"email": "exact@team.example", "password": exact, "of_age": "yes", "policy": "yes"}
    assert site.post("/sign-up", {"form": hidden, **fields})[0] == 303
    near = (exact.strip(), exact[:-1], exact + "z", exact.upper(), exact.replace("é", "e\u0301"), exact[:72])
    for wrong in near:
        with database.control(site.home) as control:
            control.execute("DELETE FROM throttle")
        assert site.sign_in("exact@team.example", wrong)[0] == 401
    assert site.sign_in("exact@team.example", exact)[0] == 303


def test_nobody_is_a_member_by_default(home: Home, master_key: str) -> None:
    """6.3.2: no row in a new home; the operator, once there, is signed in by no password at all."""
    assert master_key
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM member").fetchone() == (0,)
        operator = members.operator(control, Vault(control, now()), now())
        kept = members.password_of(control, operator)
    assert kept is None
    assert not operator.has_password
    with served(people_site.app()) as port:
        site = Site(port, home)
        for name in ("admin", "root", "operator", "admin@localhost", ""):
            assert site.sign_in(name, name or "admin")[0] == 401


def test_ids_and_tickets_are_random_and_of_one_use(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6.4.1, 7.2.3: 32 bytes of the system's own each time, no two alike; a ticket is good once, and for minutes."""
    assert master_key
    drawn: list[int] = []

    class Counting:
        @staticmethod
        def token_urlsafe(count: int) -> str:
            drawn.append(count)
            return real(count)

    real = secrets.token_urlsafe
    moment = now()
    for module in (sessions, ticket):
        monkeypatch.setattr(module, "secrets", Counting)
    with database.control(home) as control:
        control.execute("PRAGMA synchronous=OFF")
        member = members.operator(control, Vault(control, moment), moment)
        made = [sessions.begin(control, member.member_no, sessions.BY_PASSWORD, moment) for _ in range(200)]
        links = [ticket.link(control, member, moment) for _ in range(200)]
        assert len({*made, *links}) == 400
        assert drawn == [32] * 400
        assert all(re.fullmatch(r"[\w-]{43}", one) for one in (*made, *links))
        with database.transaction(control):
            assert ticket.use(control, "link", links[0], moment)
            assert ticket.use(control, "link", links[0], moment) is None
            assert ticket.use(control, "link", links[1], moment + ticket.LASTS["link"]) is None
    assert max(ticket.LASTS.values()).days <= 3


def test_who_signs_in_again_has_another_session(site: Site) -> None:
    """7.2.4: the id of before opens nothing after another sign-in in the same browser, or a changed password."""
    site.sign_in()
    before = site.cookie
    fields = {"form": _mine(site), "email": EMAIL, "password": PASSWORD}
    status, headers, _ = site.post("/sign-in", fields)
    assert status == 303
    site.cookie = headers["set-cookie"].partition(";")[0]
    assert site.cookie != before
    assert site.ask("GET", "/figures")[0] == 200
    assert site.ask("GET", "/figures", Cookie=before)[0] == 403
    second = site.cookie
    _, headers, _ = site.post("/account/password", {"form": _mine(site), "current": PASSWORD, "password": NEXT})
    third = headers["set-cookie"].partition(";")[0]
    assert third != second
    assert [site.ask("GET", "/figures", Cookie=one)[0] for one in (second, third)] == [403, 200]


def test_ciphers_and_hashes_are_the_approved_ones() -> None:
    """11.3, 11.4: what the product takes from its libraries, by name; a weak one would be a new name here."""
    taken, hashes = set(), set()
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(LIBRARIES):
                taken |= {f"{node.module}.{name.name}" for name in node.names}
            elif isinstance(node, ast.Import):
                taken |= {name.name for name in node.names if name.name.startswith(LIBRARIES)}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "hashlib" or (node.value.id == "hashes" and node.attr.isupper()):
                    hashes.add(f"{node.value.id}.{node.attr}")
            elif (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "file_digest"
            ):
                hashes.add(f"hashlib.{ast.literal_eval(node.args[1])}")
    primitives = "cryptography.hazmat.primitives"
    assert taken <= {
        "cryptography.exceptions.InvalidTag",
        "cryptography.exceptions.UnsupportedAlgorithm",
        f"{primitives}.hashes",
        f"{primitives}.serialization",
        f"{primitives}.asymmetric.x25519.X25519PrivateKey",
        f"{primitives}.asymmetric.x25519.X25519PublicKey",
        f"{primitives}.ciphers.aead.AESGCM",
        f"{primitives}.kdf.hkdf.HKDF",
        "argon2.PasswordHasher",
        "argon2.exceptions.InvalidHashError",
        "argon2.exceptions.VerificationError",
        "hashlib",
        "hashlib.sha256",
    }
    assert f"{primitives}.ciphers.aead.AESGCM" in taken
    assert hashes <= {"hashlib.sha256", "hashlib.blake2b", "hashlib.file_digest", "hashes.SHA256"}
    weak = {path.name for path in PRODUCT if re.search(r"\b(md5|sha1)\w*\(", path.read_text(encoding="utf-8"))}
    assert weak == {"record.py"}, "the number of a call, which the table names as a gap"


def test_no_secret_is_in_an_address(site: Site) -> None:
    """14.2.1: every form is a POST, a ticket stands behind the #, and one before it does nothing."""
    forms = [form for path in PRODUCT for form in re.findall(r"<form[^>]*", path.read_text(encoding="utf-8"))]
    assert len(forms) > 20
    assert [form for form in forms if 'method="post"' not in form] == []
    with database.control(site.home) as control:
        found = members.find(control, Vault(control, now()), EMAIL)
        assert found
        sent = ticket.link(control, found[0], now())
    hidden = site.fresh()
    assert site.ask("GET", f"/link?ticket={sent}")[0] == 200
    assert site.post(f"/link?ticket={sent}", {"form": hidden})[0] == 401
    assert site.ask("GET", f"/sign-in?email={EMAIL}&password=canary+horses+staple")[0] == 200
    assert site.ask("GET", "/figures")[0] == 403
    assert token(site.ask("GET", "/link")[2])
    assert site.post("/link", {"form": hidden, "ticket": sent})[0] == 303
