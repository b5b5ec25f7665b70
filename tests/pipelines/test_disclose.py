"""`apiledger disclose`: with a reason, by two people, to a named key; anything less leaves nothing and is refused."""

import io
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pipelines.cli import cli
from tests.pipelines.gateway_log import line, put, query, take_in
from warehouse import database
from warehouse.control import audit, member, password
from warehouse.control.vault import Vault
from warehouse.home import Home

SECRET = "canary horses staple"
ADA, BEN, VIC = "ada@team.example", "ben@team.example", "vic@team.example"
REASON = "court order 12/2026 of the district court"


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("disclosing") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        put(
            home,
            "a.jsonl",
            [line(request_id=f"{who}", account_id=who, project=f"of-{who}") for who in ("acme", "globex")],
        )
        take_in(home)
        now, hashed = datetime.now(UTC).replace(tzinfo=None), password.hashed(SECRET)
        with database.control(home) as control:
            vault = Vault(control, now)
            number = member.operator(control, vault, now).account_no
            for email, role in ((ADA, member.ROLES[0]), (BEN, member.ROLES[1]), (VIC, member.ROLES[2])):
                with database.transaction(control):
                    member.join(control, vault, number, role, None, email, hashed, now)
    return home


@pytest.fixture
def lived(_made: Home, tmp_path: Path, master_key: str) -> Home:
    """A copy of a home with two accounts' calls, an owner, an editor and a viewer."""
    assert master_key
    shutil.copytree(_made.root, tmp_path / "own", symlinks=True)
    return Home(tmp_path / "own")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A recipient's public key, with the private one beside it."""
    made, pem = X25519PrivateKey.generate(), serialization.Encoding.PEM
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "court.pub").write_bytes(made.public_key().public_bytes(pem, spki))
    raw = serialization.NoEncryption()
    (tmp_path / "court.pem").write_bytes(made.private_bytes(pem, serialization.PrivateFormat.PKCS8, raw))
    return tmp_path / "court.pub"


def _run(home: Home, *words: str, answer: str = SECRET) -> Result:
    return CliRunner().invoke(cli, ["disclose", *words, "--home", str(home.root)], input=f"{answer}\n")


def _ask(home: Home, key: Path, *words: str, ground: str = "law", reason: str = REASON, who: str = ADA) -> Result:
    return _run(home, "ask", *words, "--ground", ground, "--reason", reason, "--to", str(key), "--as", who)


def _refused(done: Result) -> str:
    assert done.exit_code == 1, done.output
    return str(done.exception)


def _acts(home: Home) -> list[str]:
    with database.control(home) as control:
        assert audit.wrong(control, []) == []
        rows = control.execute("SELECT act FROM audit WHERE act LIKE 'disclosure.%' OR act = 'export.all' ORDER BY 1")
        return [act for (act,) in rows.fetchall()]


@pytest.mark.clause("AL-3.2")
@pytest.mark.clause("VA-5.3")
def test_an_account_is_disclosed_by_two_to_a_named_key(lived: Home, key: Path, tmp_path: Path) -> None:
    """What comes out is the account's rows and nobody else's; each step is an act; nothing is written twice."""
    assert _ask(lived, key, "acme").exit_code == 0
    target = tmp_path / "acme.envelope"
    assert "not approved" in _refused(_run(lived, "write", "1", str(target), "--to", str(key)))
    assert _run(lived, "approve", "1", "--as", BEN).exit_code == 0
    assert not target.exists()
    done = _run(lived, "write", "1", str(target), "--to", str(key))
    assert done.exit_code == 0, done.exception
    assert target.stat().st_mode & 0o777 == 0o600
    assert b"of-acme" not in target.read_bytes()
    opened = tmp_path / "acme.zip"
    words = ["disclose", "open", str(target), str(opened), "--key", str(key.with_suffix(".pem"))]
    assert CliRunner().invoke(cli, words).exit_code == 0
    with zipfile.ZipFile(opened) as packed:
        frames = {name: pl.read_parquet(io.BytesIO(packed.read(name))) for name in packed.namelist() if "parq" in name}
    assert frames["spend_daily.parquet"]["project"].to_list() == ["of-acme"]
    (cost,) = query(lived, "SELECT sum(cost_usd) FROM mart.spend_daily WHERE account = 'acme'")
    assert (frames["spend_daily.parquet"]["cost_usd"].sum(),) == cost
    assert {who for frame in frames.values() for who in frame["account"].to_list()} == {"acme"}
    assert "made already" in _refused(_run(lived, "write", "1", str(tmp_path / "again"), "--to", str(key)))
    assert not (tmp_path / "again").exists()
    assert _acts(lived) == ["disclosure.approved", "disclosure.asked", "disclosure.made"]
    with database.control(lived) as control:
        assert REASON not in repr(control.execute("SELECT * FROM disclosure").fetchall())
    assert "asked by member" in _run(lived, "list").output


@pytest.mark.clause("AL-3.2")
@pytest.mark.clause("VA-5.3")
def test_without_reason_right_or_a_second_person_nothing_leaves(lived: Home, key: Path, tmp_path: Path) -> None:
    """Each is refused with its own sentence, and leaves no disclosure that could be written."""
    assert "say why" in _refused(_ask(lived, key, "acme", reason="because"))
    assert "owners and editors" in _refused(_ask(lived, key, "acme", who=VIC))
    wrong = _run(
        lived, "ask", "acme", "--ground", "law", "--reason", REASON, "--to", str(key), "--as", ADA, answer="another"
    )
    assert "nobody has that address and password" in _refused(wrong)
    assert "a merger is of all accounts" in _refused(_ask(lived, key, "acme", ground="merger"))
    assert "a merger is of all accounts" in _refused(_ask(lived, key, "--all"))
    assert _acts(lived) == []
    assert _ask(lived, key, "acme").exit_code == 0
    assert "another member has to" in _refused(_run(lived, "approve", "1", "--as", ADA))
    assert "not approved" in _refused(_run(lived, "write", "1", str(tmp_path / "x"), "--to", str(key)))
    with database.control(lived) as control:
        control.execute("UPDATE disclosure SET approved_by = 7, approved_at = '2026-01-01T00:00:00.000000Z'")
    assert "too long ago" in _refused(_run(lived, "write", "1", str(tmp_path / "x"), "--to", str(key)))
    assert not (tmp_path / "x").exists()


@pytest.mark.clause("VA-5.4")
@pytest.mark.clause("AL-3.2")
def test_all_leaves_in_a_merger_to_the_key_that_was_approved_alone(lived: Home, key: Path, tmp_path: Path) -> None:
    """Another key than the approved one is refused; what is written has every account and opens for that key alone."""
    assert _ask(lived, key, "--all", ground="merger").exit_code == 0
    assert _run(lived, "approve", "1", "--as", BEN).exit_code == 0
    other = tmp_path / "other.pub"
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    made = X25519PrivateKey.generate().public_key()
    other.write_bytes(made.public_bytes(serialization.Encoding.PEM, spki))
    target = tmp_path / "all.envelope"
    assert "another key" in _refused(_run(lived, "write", "1", str(target), "--to", str(other)))
    assert not target.exists()
    done = _run(lived, "write", "1", str(target), "--to", str(key))
    assert done.exit_code == 0, done.exception
    opened = tmp_path / "all.zip"
    words = ["disclose", "open", str(target), str(opened), "--key", str(key.with_suffix(".pem"))]
    assert CliRunner().invoke(cli, words).exit_code == 0
    with zipfile.ZipFile(opened) as packed:
        spend = pl.read_parquet(io.BytesIO(packed.read("spend_daily.parquet")))
    assert sorted(spend["account"].to_list()) == ["acme", "globex"]
    assert _acts(lived) == ["disclosure.approved", "disclosure.asked", "export.all"]
