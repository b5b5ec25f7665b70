"""A key of the wrong kind is told by its first letters, sent nowhere, and never repeated."""

import pytest

from pipelines import passage
from pipelines.bills import billing_key
from pipelines.bills.biller import billers
from pipelines.bills.pull import pull
from tests.pipelines.billed_world import LATER
from warehouse.home import Home

REST = "T3BlbkFJcanary00aa11"


@pytest.mark.parametrize(
    ("provider", "prefix", "said"),
    [
        ("openai", "sk-proj-", "an OpenAI project key"),
        ("openai", "sk-svcacct-", "an OpenAI service account's key"),
        ("openai", "sk-ant-admin01-", "an admin key of Anthropic"),
        ("openai", "sk-ant-api03-", "an Anthropic API key"),
        ("anthropic", "sk-ant-api03-", "an Anthropic API key"),
        ("anthropic", "sk-ant-oat01-", "a Claude sign-in token"),
        ("anthropic", "sk-admin-", "an admin key of OpenAI"),
    ],
)
def test_a_key_of_another_kind_is_sent_nowhere(
    provider: str, prefix: str, said: str, home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named by its kind with what to make instead, and no connection is made with it."""
    assert master_key
    biller = billers()[provider]
    # Nobody listens there: a request would be an error of another kind.
    monkeypatch.setenv(biller.address_variable, "http://127.0.0.1:9/")
    monkeypatch.setenv(biller.key_variable, prefix + REST)
    passage.make_home(home, LATER)
    told = pull(home, biller, LATER, lambda *_: None).skipped or ""
    assert told.startswith(f"{biller.key_variable} holds {said}, which cannot read {biller.title}'s bills; ")
    assert biller.key_help in told
    assert REST not in told


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        ("openai", "sk-admin-x"),
        ("anthropic", "sk-ant-admin01-x"),
        ("openai", "sk-x"),
        ("openai", "other"),
        ("openai", ""),
    ],
)
def test_a_key_of_the_right_kind_or_of_none_that_is_known_is_used(provider: str, key: str) -> None:
    """Providers change how their keys look: only what is known to be wrong is held back."""
    assert billing_key.wrong(billers()[provider], key, billers().values()) is None
