"""Outside ids: our own random numbers stand for them, names follow them with their dates, and ids rest sealed."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.pipelines.gateway_log import NOW, line, one, put, query, take_in
from warehouse import database
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every home here has its key."""
    return master_key


@pytest.mark.clause("VA-4.1")
@pytest.mark.clause("VA-5.1")
def test_an_id_keeps_its_number_and_two_accounts_share_none(home: Home) -> None:
    """Over passes the same id is the same number; the same text under another account or kind is another."""
    with database.control(home) as control:
        ids = [OutsideIds(control, Vault(control, NOW), NOW) for _ in range(2)]
        accounts = ids[0].accounts("gateway_jsonl", ["acme", "globex"])
        assert ids[1].accounts("gateway_jsonl", ["globex", "acme"]) == accounts
        asked = [(accounts[name], "web", "web") for name in ("acme", "globex")]
        numbers = {*ids[0].numbers("project", "gateway_jsonl", asked).values()}
        assert {*ids[1].numbers("project", "gateway_jsonl", asked).values()} == numbers
        numbers |= {*ids[0].numbers("team", "gateway_jsonl", asked).values(), *accounts.values()}
        assert len(numbers) == 6
        assert all(0 < number < 2**53 for number in numbers)


@pytest.mark.clause("VA-4.1")
def test_an_id_rests_sealed_and_opens_with_its_accounts_key(home: Home) -> None:
    """The control store can say what an id was, to who holds the master key."""
    with database.control(home) as control:
        vault = Vault(control, NOW)
        ids = OutsideIds(control, vault, NOW)
        account = ids.accounts("litellm", ["acme"])["acme"]
        ids.numbers("user", "litellm", [(account, "zoe@example.org", None)])
        sealed = control.execute("SELECT account_no, sealed FROM outside_id ORDER BY kind").fetchall()
        assert [vault.open(owner, "outside_id.sealed", text) for owner, text in sealed] == ["acme", "zoe@example.org"]


def test_a_name_that_changes_closes_the_one_before(home: Home) -> None:
    """The number stays, so no fact moves; the old name has an end, the new one a beginning, the mart shows today's."""

    def told(alias: str) -> str:
        return (
            '{"id": "u", "litellm_call_id": "' + alias + '", "startTime": 1795288717.5, "endTime": 1795288718.5, '
            '"status": "success", "model": "gpt-4o", "custom_llm_provider": "openai", "prompt_tokens": 1, '
            '"completion_tokens": 1, "metadata": {"user_api_key_team_id": "t-1", "user_api_key_team_alias": "'
            + alias
            + '"}}'
        )

    put(home, "a.jsonl", [told("blue team")], "litellm")
    take_in(home)
    later = NOW + timedelta(days=1)
    put(home, "b.jsonl", [told("green team")], "litellm")
    take_in(home, later)
    names = query(home, "SELECT label, valid_from, valid_to FROM model.team ORDER BY valid_from")
    changed = later.replace(tzinfo=None)
    assert names == [("blue team", datetime(1, 1, 1), changed), ("green team", changed, None)]  # noqa: DTZ001
    assert one(home, "SELECT count(DISTINCT team_no) FROM model.requests") == 1
    assert query(home, "SELECT team, sum(requests) FROM mart.spend_daily GROUP BY team") == [("green team", 2)]


def test_a_call_that_names_no_account_is_the_operators_own(home: Home) -> None:
    """Without an account a call is whose the gateway is."""
    put(home, "a.jsonl", [line(account_id=...)])
    take_in(home, datetime(2026, 11, 21, tzinfo=UTC))
    assert query(home, "SELECT account FROM mart.spend_daily") == [("own",)]
