"""The sensor: a new version is asked once, and what is due goes out at the next look."""

from datetime import date

import dagster as dg
import pytest

from pipelines.orchestration import alert
from tests.pipelines.mail_trap import Trap
from tests.pipelines.spend_version import MAIL, known, limited, publish
from warehouse.home import Home


def look(cursor: str | None) -> tuple[str, str | None]:
    """One tick of the sensor; what it says and the cursor it leaves."""
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        said = alert.budget_alerts(context)
        assert isinstance(said, dg.SkipReason)
        return str(said.skip_message), context.cursor


@pytest.mark.clause("AL-2.2")
def test_a_new_version_is_asked_and_its_mail_sent_in_one_look(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to do, no server, then the mail; then nothing more until a version, a budget or the day is new."""
    assert master_key
    today = alert._now()
    monkeypatch.delenv("APILEDGER_SMTP", raising=False)
    known(home, today, "web")
    publish(home, {(today.date(), "web"): "10"})
    nothing = "0 new mails; 0 sent, 0 put off, 0 given up, 0 withdrawn"
    said, cursor = look(None)
    assert said == nothing
    limited(home, today, "web")
    said, cursor = look(cursor)
    assert said == nothing
    publish(home, {(today.date(), "web"): "85"})
    said, cursor = look(cursor)
    assert said == "mails wait for a mail server: set APILEDGER_SMTP or run `apiledger budget server`"
    trap = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", "smtp://u:secret-7f3a@192.0.2.1?tls=none&from=f@c.example")
    said, cursor = look(cursor)
    assert "in the clear" in said
    assert "secret-7f3a" not in said
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{trap.port}?from=f@c.example")
    with trap.up():
        assert look(cursor)[0] == "0 new mails; 1 sent, 0 put off, 0 given up, 0 withdrawn"
        assert look(cursor)[0] == nothing
        assert look(None)[0] == nothing
    assert trap.receivers == [[MAIL]]


def test_the_next_look_depends_on_version_budgets_and_day(home: Home, master_key: str) -> None:
    """Each of them makes another state; nothing personal is in it."""
    assert master_key
    today = alert._now()
    known(home, today, "web")
    publish(home, {(date(2026, 11, 1), "web"): "10"})
    states = [alert.state(home, today)]
    limited(home, today, "web")
    states.append(alert.state(home, today))
    limited(home, today, "web", monthly="5")
    states.append(alert.state(home, today))
    publish(home, {})
    states.append(alert.state(home, today))
    states.append(alert.state(home, today.replace(year=today.year + 1)))
    assert len(set(states)) == len(states)
    assert not any("web" in state or "@" in state for state in states)
