"""What an account has besides its calls and bills: all that people enter, ask and say, a word in every text of it."""

import sqlite3
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.retention.erased_world import Canary
from warehouse import allocation, database
from warehouse.control import (
    balance_watch,
    budget,
    claim,
    credit,
    disclosure,
    hold,
    invoice,
    key_rule,
    letter,
    naming,
    notice,
    outbox,
    payment_claim,
    plan,
    prepaid,
    right,
    session,
    ticket,
    token,
    zone,
)
from warehouse.control import wish as wishes
from warehouse.control.invoice import Invoice
from warehouse.control.member import Member
from warehouse.control.naming import Naming
from warehouse.control.plan import Plan
from warehouse.control.vault import Vault
from warehouse.control.wish import Wish
from warehouse.home import Home

_IN_RULES = ("account", "project", "sidekey", "team", "tag", "model", "provider", "centre", "second", "rule", "share",
             "narrow", "rest")  # fmt: skip
_RULES = """
[[rule]]
name = "{rule}"
account = "{account}"
project = "{project}"
cost_centre = "{centre}"
[[rule]]
name = "{share}"
account = "{account}"
key = "{sidekey}"
shares = {{ {centre} = "60", {second} = "40" }}
[[rule]]
name = "{narrow}"
account = "{account}"
team = "{team}"
tags = ["{tag}"]
provider = "{provider}"
model = "{model}"
cost_centre = "{second}"
[[rule]]
name = "{rest}"
account = "{account}"
by_use = "month"
"""


def allocate(home: Home, canaries: Iterable[Canary]) -> None:
    """Rules of cost centres: a project, a key in shares, a team's tag, and the rest of the account by use."""
    rules = "".join(_RULES.format_map({what: each.word(what) for what in _IN_RULES}) for each in canaries)
    (home.root / allocation.FILE).write_text(rules, encoding="utf-8")


def keep(
    control: sqlite3.Connection, vault: Vault, each: Canary, owner: Member, operator: Member, now: datetime
) -> None:
    """What is entered, asked and said of an account: a word in every text of it."""
    number, today = owner.account_no, now.date()
    month = (today.replace(day=1), today)
    for project in (None, each.word("project"), each.word("side")):
        place = budget.scope(control, each.account, project)
        kept = budget.put(control, vault, place, Decimal(5), (50,), f"{each.word('mail')}@example.org", now)
        outbox.enqueue(control, [outbox.Usage(kept, month[0], Decimal(4), 0, 1)], now)
    _paid(control, vault, each, place.account_no, now)
    zone.put(control, place.account_no, "Europe/Berlin", now)
    key_rule.put(control, each.account, each.word("sidekey"), each.word("side"), today, now)
    for kind, label, said in (("key", "key", "name"), ("project", "project", "name"), ("key", "sidekey", "sidename")):
        ((thing, whose),) = naming.numbers(control, kind, each.word(label), each.account)
        naming.put(
            control,
            thing,
            whose,
            Naming(each.word(said), each.word("answers"), (each.word("mark"),), now - timedelta(days=9)),
        )
    seller, name, covers = each.word("seller"), each.word("plan"), (each.word("covered"),)
    plan.add(control, Plan(0, name, seller, number, each.account, Decimal(20), 1, month[0], None, covers), now)
    invoice.add(control, [Invoice(seller, number, each.word("invoice"), *month, Decimal(20), plan=name)], now)
    asked = right.ask(control, vault, number, "rectification", f"said {each.word('note')}", now)
    right.end(control, vault, asked.request_no, "done", f"told {each.word('answer')}", now)
    waits = right.ask(control, vault, number, "rectification", "", now)
    wishes.put(control, vault, waits, Wish("account", each.account, each.word("note")))
    right.ask(control, vault, number, "question", f"how {each.word('question')}", now, owner)
    looks = session.begin(control, operator.member_no, session.BY_LINK, now)
    claim.open_account(
        control, vault, session.lookup(looks), operator.member_no, number, f"why {each.word('reason')}", now
    )
    session.end(control, session.lookup(looks), now)
    letter.invite(control, vault, number, f"{each.word('invited')}@example.org", "viewer", (each.word("project"),), now)
    ticket.invitation(
        control, vault, number, f"{each.word('invited')}@example.org", "viewer", (each.word("project"),), now
    )
    token.make(control, vault, owner, each.word("board"), now, now + timedelta(days=90))
    notice.tell(control, owner, "password_changed", now, at=(vault, f"{each.word('owner')}@team.example"))
    until = today + timedelta(days=90)
    hold.add(
        control,
        "dispute",
        [number],
        (month[0], today),
        (each.word("basis"), each.word("held")),
        until,
        now,
        (seller, each.word("invoice")),
    )
    disclosure.ask(
        control,
        vault,
        operator,
        number,
        "law",
        f"a court asked for it: {each.word('court')}",
        each.word("recipient"),
        now,
    )


def _paid(control: sqlite3.Connection, vault: Vault, each: Canary, account_no: int, now: datetime) -> None:
    """Prepaid credits: terms, a grant with its reason, a line with an address, a mail, a paying customer."""
    first: date = now.date().replace(day=1)
    prepaid.put(control, prepaid.Terms(account_no, first, is_prepaid=True, factor=Decimal("1.5")), now)
    reason = vault.seal(account_no, "credit_tx.sealed_reason", each.word("granted"))
    with database.transaction(control):
        credit.post(control, account_no, "adjustment", "adjust", first, 10**9, now, sealed_reason=reason)
    balance_watch.put(control, vault, account_no, Decimal(2), f"{each.word('low')}@example.org", now)
    balance_watch.evaluate(control, (), now, has_operator=False)
    payment_claim.put(control, each.word("customer"), account_no, first, now)
