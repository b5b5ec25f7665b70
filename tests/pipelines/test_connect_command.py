"""`apiledger connect`: a key is looked at before it is kept, pulled as its account's, and gone once it is removed."""

import base64
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.alerts import postman
from pipelines.bills import pull
from pipelines.bills.biller import billers
from pipelines.bills.billing_key import held
from pipelines.bills.landing import Pulled
from pipelines.cli import cli
from tests.pipelines.billed_world import KEYS, LATER, World, world
from tests.pipelines.mail_trap import Trap
from tests.retention.byte_scan import contents
from warehouse import database
from warehouse.control import claim, claim_rule, credential
from warehouse.control import member as members
from warehouse.control.credential import Credential, CredentialError
from warehouse.control.vault import Vault

NOW = LATER.replace(tzinfo=None)
OTHER_KEY = "sk-admin-second-canary-77b1e04c9d"
OPENAI = billers()["openai"]


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[World]:
    """Two days of one world; its keys are with people, not in the environment."""
    assert master_key
    with world(tmp_path, monkeypatch, days=2, calls=40) as made:
        for biller in billers().values():
            monkeypatch.delenv(biller.key_variable or "none", raising=False)
        assert not held(OPENAI)
        yield made


def takes(made: World, key: str) -> None:
    """From now on the provider takes this key alone, and repeats any other in its refusal."""
    made.apis["openai"].key = f"Bearer {key}"


def ask(made: World, *words: str, typed: str = "") -> Result:
    """Run a command of the group in the world's home; what is typed comes by standard input."""
    return CliRunner().invoke(cli, ["connect", *words, "--home", str(made.home.root)], input=f"{typed}\n")


def kept(made: World, account_no: int | None = None) -> list[Credential]:
    """What is stored."""
    with database.control(made.home) as control:
        return credential.of_account(control, account_no)


def signed_up(made: World, email: str, now: datetime = NOW) -> int:
    """Another account of the installation."""
    with database.control(made.home) as control:
        vault = Vault(control, now)
        members.operator(control, vault, now)
        members.sign_up(control, vault, email, "no hash", now)
        found = members.find(control, vault, email)
        assert found
        return found[0].account_no


def tick(made: World) -> list[Pulled]:
    """What each tick of the schedule does for one provider."""
    return pull.pull_each(made.home, OPENAI, NOW, lambda *_: None)


def places_of(made: World, *texts: str) -> set[str]:
    """The files of the home in which one of the texts stands, as it is or packed."""
    needles = [form for text in texts for form in (text.encode(), base64.b64encode(text.encode())[:-4])]
    return {name for name, body in contents(made.home.root) if any(needle in body for needle in needles)}


UNFIT = {
    ("openai", "sk-proj-canary0001canary"): "an OpenAI project key, which cannot read OpenAI's bills; an owner makes",
    ("anthropic", "sk-ant-api03-canary0001"): "an Anthropic API key, which cannot read Anthropic's bills",
    ("openai", "sk-ant-admin01-canary01"): "an admin key of Anthropic",
    ("openai", "two words canary0001"): "characters that no key has",
    ("openai", ""): "no key was given",
    ("openai", "sk-admin-revoked-canary01"): "OpenAI refuses it",
}


@pytest.mark.clause("AL-5.6")
def test_what_is_wrong_with_a_key_is_said_before_it_is_kept(billed: World) -> None:
    """By its letters without asking anyone, else by the provider's answer; what to make instead is in the sentence."""
    for (provider, key), said in UNFIT.items():
        assert billed.apis[provider].asked == [], key
        told = ask(billed, provider, typed=key)
        assert said in str(told.exception)
        assert billers()[provider].key_help in str(told.exception)
        assert kept(billed) == []
        assert "canary0" not in told.output + str(told.exception)
    assert billed.apis["openai"].asked
    assert places_of(billed, *(key for _, key in UNFIT if key)) == set()


@pytest.mark.clause("AL-5.2")
def test_a_key_is_in_no_file_from_the_first_to_the_last(billed: World) -> None:
    """Connected, pulled, refused by a provider that echoes it, removed: no file has it, and at last not its seal."""
    key = KEYS["openai"]
    told = ask(billed, "openai", typed=key)
    assert "is connected" in told.output, told.exception
    takes(billed, OTHER_KEY)
    (refused,) = tick(billed)
    assert "refused" in str(refused.skipped)
    assert [one.state for one in kept(billed)] == ["refused"]
    assert "refuses" in ask(billed, "check").output
    takes(billed, key)
    assert ask(billed, "openai", typed=key).exit_code == 0
    assert tick(billed)[0].rows > 0
    assert [one.state for one in kept(billed)] == ["working"]
    listed = ask(billed, "list").output
    assert key[-4:] in listed
    assert key[:12] not in listed + told.output + str(refused.skipped)
    with database.control(billed.home) as control:
        ((sealed,),) = control.execute("SELECT sealed_key FROM credential").fetchall()
    (billed.home.tmp / "planted").write_text(key)
    assert places_of(billed, key) == {"tmp/planted"}
    (billed.home.tmp / "planted").unlink()
    assert any(sealed.encode() in body for _, body in contents(billed.home.root))
    number = kept(billed)[0].connection_no
    database.copied_control(billed.home, billed.home.control_file.with_name("control.before-m999.sqlite"))
    # Another program has the store open, as the dashboard does: closing alone empties no log.
    with database.control(billed.home):
        assert "destroyed" in ask(billed, "remove", str(number)).output
        assert places_of(billed, key) == set()
        assert not any(sealed.encode() in body for _, body in contents(billed.home.root))


def test_a_removed_key_is_pulled_no_more_and_a_pull_under_way_stores_nothing(billed: World) -> None:
    """Removed while the provider answers: nothing of the answer is stored; at the next tick nobody is asked."""
    api = billed.apis["openai"]
    ask(billed, "openai", typed=KEYS["openai"])
    (one,) = kept(billed)

    def removing(_: object) -> None:
        if kept(billed)[0].state != "removed":
            assert ask(billed, "remove", str(one.connection_no)).exit_code == 0

    api.refresh = removing
    (pulled,) = tick(billed)
    assert "removed while it was read" in str(pulled.skipped)
    with database.control(billed.home) as control:
        assert control.execute("SELECT count(*) FROM report_day").fetchone() == (0,)
    asked = len(api.asked)
    assert [each.skipped for each in tick(billed)] == ["OPENAI_ADMIN_KEY is not set"]
    assert len(api.asked) == asked
    assert "There is no such connection" in str(ask(billed, "remove", str(one.connection_no)).exception).capitalize()


@pytest.mark.soak
@pytest.mark.clause("AL-3.1")
def test_each_connection_sends_its_own_key_and_is_billed_to_its_account(
    billed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two accounts and the environment at one provider: three pulls; the bill carries the label its account holds."""
    ada = signed_up(billed, "ada@team.example")
    assert ask(billed, "openai", "--account", "ada@team.example", typed=KEYS["openai"]).exit_code == 0
    takes(billed, OTHER_KEY)
    bob = signed_up(billed, "bob@team.example")
    assert ask(billed, "openai", "--account", str(bob), typed=OTHER_KEY).exit_code == 0
    assert "connected already" in str(ask(billed, "openai", typed=OTHER_KEY).exception)
    found = tick(billed)
    assert [bool(one.skipped) for one in found] == [True, False]
    takes(billed, KEYS["openai"])
    (again,) = kept(billed, ada)
    with database.control(billed.home) as control:
        control.execute("UPDATE connection SET refused_key = NULL")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEYS["openai"])
    found = tick(billed)
    # The environment's key is a connection's: its bill would count twice.
    assert [one.connection_no for one in found] == [again.connection_no, kept(billed, bob)[0].connection_no, None]
    assert found[0].rows > 0
    assert "reads the bill already" in str(found[2].skipped)
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    billed.take_in()
    owners = billed.query("SELECT DISTINCT account FROM mart.spend_by_source WHERE source = 'bill' ORDER BY 1")
    assert owners == sorted([(f"account {ada}",), (f"account {bob}",)])
    with database.control(billed.home) as control:
        assert claim.labels_of(control, ada) == (f"account {ada}",)
        with pytest.raises(CredentialError, match="no such connection") as foreign:
            credential.remove(control, bob, again.connection_no, NOW)
        with pytest.raises(CredentialError) as absent:
            credential.remove(control, bob, 1, NOW)
        assert str(foreign.value) == str(absent.value)


def test_the_operators_first_key_goes_on_with_the_bills_of_the_environments(
    billed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moving a key from the environment into the store reads no day twice; another key is another connection."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEYS["openai"])
    assert billed.pull("openai").rows > 0
    assert ask(billed, "openai", typed=KEYS["openai"]).exit_code == 0
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    assert [one.rows for one in tick(billed)] == [0]
    takes(billed, OTHER_KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEYS["openai"])
    assert ask(billed, "openai", "--name", "second", typed=OTHER_KEY).exit_code == 0
    with database.control(billed.home) as control:
        assert control.execute("SELECT count(*), count(DISTINCT account_no) FROM connection").fetchone() == (2, 1)


def test_a_claimed_accounts_calls_are_in_its_holders_bill_and_counted_once(billed: World) -> None:
    """Before the claim the log and the bill are two; after it the difference alone is added: the sum is the bill."""
    ada = signed_up(billed, "ada@team.example")
    assert ask(billed, "openai", "--account", str(ada), typed=KEYS["openai"]).exit_code == 0
    tick(billed)
    billed.take_in()
    query = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE provider = 'openai'"
    labels = billed.query("SELECT DISTINCT account FROM mart.spend_daily WHERE basis = 'log' AND provider = 'openai'")
    ((twice,),) = billed.query(query)
    assert twice > billed.billed("openai")
    with database.control(billed.home) as control:
        for (label,) in labels:
            claim_rule.put(control, f"{label[:-1]}*", ada, NOW)
    billed.take_in()
    assert billed.query(query) == [(billed.billed("openai"),)]


def test_a_refused_key_is_told_to_whose_it_is(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mail goes to the account's owner and says where to give another; one that waits goes with the key."""
    trap = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{trap.port}?from=apiledger@costs.example")
    monkeypatch.setenv("APILEDGER_OPERATOR_MAIL", "operator@team.example")
    ada = signed_up(billed, "ada@team.example")
    assert ask(billed, "openai", "--account", str(ada), typed=KEYS["openai"]).exit_code == 0
    takes(billed, OTHER_KEY)
    with trap.up():
        assert tick(billed)[0].skipped
        postman.deliver(billed.home, lambda: NOW)
        assert trap.receivers == [["ada@team.example"]] * 2
        mails = {str(mail["Subject"]).removeprefix("[made-up data] "): mail for mail in trap.mails}
        assert set(mails) == {"A key of OpenAI was added", "OpenAI refuses the key: its bills are not read"}
        body = mails["OpenAI refuses the key: its bills are not read"].get_body(("plain",)).get_content()  # type: ignore[union-attr] # it has one
        assert "on the page Connections" in body
        assert "OPENAI_ADMIN_KEY" not in body
    takes(billed, KEYS["openai"])
    assert ask(billed, "openai", "--account", str(ada), typed=KEYS["openai"]).exit_code == 0
    takes(billed, OTHER_KEY)
    assert tick(billed)[0].skipped
    with database.control(billed.home) as control:
        credential.remove(control, ada, kept(billed)[0].connection_no, NOW)
        query = "SELECT state FROM mail JOIN refusal USING (mail_no) ORDER BY mail_no"
        assert control.execute(query).fetchall() == [("sent",), ("withdrawn",)]


def test_a_program_gets_one_json_object(billed: World) -> None:
    """As the dashboard asks: kept or not, in sentences, without the key."""
    refused = json.loads(ask(billed, "openai", "--answer", "json", typed="sk-proj-canary0001canary").stdout)
    assert refused["kept"] is False
    done = json.loads(ask(billed, "openai", "--answer", "json", typed=KEYS["openai"]).stdout)
    assert (done["kept"], done["state"]) == (True, "working")
    assert any("openai.com/policies" in line for line in done["said"])
    names = [
        json.loads(line)["name"]
        for line in CliRunner().invoke(cli, ["connect", "providers", "--answer", "json"]).stdout.splitlines()
    ]
    assert {"openai", "anthropic", "openrouter", "deepseek", "vercel"} == set(names)
    assert "OPENAI_ADMIN_KEY" not in os.environ
