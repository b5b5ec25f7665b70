"""What the page of rights shows, part by part: forms as HTML, with `@form@` where each one's hidden field goes."""

import sqlite3
from html import escape

from dashboards.access import session
from dashboards.forms import form, reauthentication
from retention import own_people, portability
from warehouse.control import consent as consents_of
from warehouse.control import objection, right
from warehouse.control import restriction as restrictions
from warehouse.control import wish as wishes
from warehouse.control.member import Member
from warehouse.control.objection import PURPOSES
from warehouse.control.outside_id import NAMED
from warehouse.control.right import Kind
from warehouse.control.right import Request as Asked
from warehouse.control.vault import Vault
from warehouse.home import Home

# What a person asks for in words; the others are carried out at once.
IN_WORDS: dict[str, tuple[Kind, str]] = {
    "rectification": ("rectification", "Correct something about me"),
    "erasure": ("erasure", "Erase everything"),
    "access": ("access", "Tell me something else about my data"),
}


def _form(path: str, inner: str, button: str, *, calm: bool = True) -> str:
    return f'<form method="post" action="/account/rights/{path}">@form@{inner}{form.button(button, calm=calm)}</form>'


def everything(control: sqlite3.Connection, vault: Vault, member: Member) -> str:
    """The bundle of the account: a button that makes one, and those that wait to be fetched."""
    there = [one for one in right.of_account(control, vault, member.account_no) if one.subject is None]
    return (
        "<h2>Take everything along</h2><p>All that is held of your account, as JSON, CSV, Parquet and FOCUS, with a "
        "list of hashes. Another apiledger can take it in.</p>"
        f"{_form('export', reauthentication.asked(member), 'Make my bundle', calm=False)}{_waiting(there, 'Bundle')}"
    )


def own_copy(control: sqlite3.Connection, vault: Vault, member: Member) -> str:
    """The copy of the member alone, whatever their role."""
    there = [one for one in right.of_account(control, vault, member.account_no) if one.member_no == member.member_no]
    return (
        "<h2>A copy of what is held of you</h2><p>Your address, role, sessions, sign-ins and acts, as JSON, CSV and "
        "Parquet. What the account has is in its owners' bundle.</p>"
        f"{_form('copy', reauthentication.asked(member, 'own-proof'), 'Make my copy')}{_waiting(there, 'Copy')}"
    )


def people(control: sqlite3.Connection, vault: Vault, member: Member) -> str:
    """The copy of a user of the account, for who asks its owners for one."""
    requests = right.of_account(control, vault, member.account_no)
    return (
        "<h2>A copy for one of your users</h2><p>For who asked you: their own calls, and nobody else's.</p>"
        + _form("copy-of", whose("person") + reauthentication.asked(member, "person-proof"), "Make their copy")
        + _waiting([one for one in requests if one.subject in own_people.KINDS], "Copy")
    )


def whose(prefix: str) -> str:
    """The fields that say which user of an account is meant."""
    kinds = "".join(
        f'<option value="{kind}">{meaning.capitalize()}</option>' for kind, meaning in own_people.KINDS.items()
    )
    return (
        f'<label for="{prefix}-kind">Who</label><select id="{prefix}-kind" name="person">{kinds}</select>'
        f'<label for="{prefix}-whose">Id</label><input id="{prefix}-whose" name="whose" required autocomplete="off" '
        f'aria-describedby="{prefix}-whose-hint"><small id="{prefix}-whose-hint">As your gateway\'s log has it.</small>'
        f'<label for="{prefix}-account">Account, where several names of yours have that id</label>'
        f'<input id="{prefix}-account" name="account" autocomplete="off">'
    )


def _waiting(requests: list[Asked], what: str) -> str:
    """The bundles that wait to be fetched."""
    rows = ""
    for one in requests:
        file = portability.bundle_file(Home.own(), one.request_no)
        if one.kind == "access" and file.exists():
            size = f"{max(1, file.stat().st_size // 1024):,} kB"
            link = f'<a href="/account/rights/bundle/{one.request_no}">{what} of {one.asked_at:%d %b %Y}</a>'
            rows += f"<li>{link}, request {one.request_no}, {size}</li>"
    return f"<ul>{rows}</ul>" if rows else ""


def restriction(control: sqlite3.Connection, member: Member) -> str:
    """Whether they are restricted; nothing for the operator, who owns the installation."""
    since = restrictions.since(control, member.account_no)
    if member.is_operator:
        return ""
    if since is None:
        return (
            "<h2>Restrict</h2><p>Your data is kept, and nothing is done with it: no bill is read, no figure made, no "
            f"alert sent, until you lift it.</p>{_form('restrict', '', 'Restrict my data')}"
        )
    return f"<h2>Restrict</h2><p>Restricted since {since:%d %b %Y}.</p>{_form('lift', '', 'Lift the restriction')}"


def objections(control: sqlite3.Connection, member: Member) -> str:
    """What they object to, by purpose."""
    there, rows = objection.of_account(control, member.account_no), ""
    for purpose, meaning in PURPOSES.items():
        if purpose == "agent_sessions" and not member.is_operator:
            # They are read on the operator's machine alone.
            continue
        hidden = f'<input type="hidden" name="purpose" value="{purpose}">'
        since = there.get(purpose)
        state = "allowed" if since is None else f"objected on {since:%d %b %Y}"
        act = _form("object", hidden, "Object") if since is None else _form("take-back", hidden, "Take back")
        rows += f"<tr><td>{escape(meaning.capitalize())}</td><td>{state}</td><td>{act}</td></tr>"
    return f'<h2>Object</h2><div class="scroll"><table aria-label="Objections">{rows}</table></div>'


def consents(control: sqlite3.Connection, member: Member) -> str:
    """Their connections with the consent to each; nothing where they have none."""
    rows = ""
    for one in consents_of.of_account(control, member.account_no):
        hidden = f'<input type="hidden" name="connection" value="{one.connection_no}">'
        since = f"since {one.given_at:%d %b %Y}"
        state, act = since, _form("withdraw", hidden, "Withdraw")
        if one.withdrawn_at is not None:
            state = f"withdrawn on {one.withdrawn_at:%d %b %Y}" + (", its key is destroyed" if one.is_stored else "")
            act = '<a href="/connections">Give a key anew</a>' if one.is_stored else ""
        rows += f"<tr><td>{escape(one.title)}</td><td>{state}</td><td>{act}</td></tr>"
    if not rows:
        return ""
    return f'<h2>Consent to connections</h2><div class="scroll"><table aria-label="Consents">{rows}</table></div>'


def naming(member: Member) -> str:
    """What the account's own things are called, put right by its owner."""
    kinds = "".join(f'<option value="{kind}">{kind.capitalize()}</option>' for kind in NAMED)
    return (
        "<h2>Correct a name</h2><p>Of the account in a log, a project, a team or a key: the name before is in no "
        "table, file or older version then, and the log's own is not believed again. Your address is on "
        '<a href="/account">your account</a>.</p>'
        + _form(
            "rectify",
            f'<label for="named">Of</label><select id="named" name="named">{kinds}</select>'
            + form.field("old", "As it is now", more="autocomplete=off")
            + form.field("new", "As it should be", more='autocomplete=off maxlength="64"')
            + reauthentication.asked(member, "name-proof"),
            "Put it right",
        )
    )


def asking() -> str:
    """What they ask for in words."""
    kinds = "".join(f'<option value="{kind}">{meaning}</option>' for kind, (_, meaning) in IN_WORDS.items())
    note = '<label for="note">In your words</label><input id="note" name="note" maxlength="2000">'
    return "<h2>Ask</h2><p>You are answered within a month.</p>" + _form(
        "ask", f'<label for="kind">What</label><select id="kind" name="kind">{kinds}</select>{note}', "Ask"
    )


def requests(control: sqlite3.Connection, vault: Vault, member: Member) -> str:
    """What they have asked for by their rights, and how it stands."""
    every = [one for one in right.of_account(control, vault, member.account_no) if one.kind != "question"]
    found = [one for one in every if one.member_no in {None, member.member_no}]
    if not found:
        return ""
    return f'<h2>Your requests</h2><ul class="entries" aria-label="Your requests">{_entries(found)}</ul>'


def questions(control: sqlite3.Connection, vault: Vault, member: Member) -> str:
    """What a member has asked for help with, and how it stands; nothing where they asked nothing."""
    every = right.of_account(control, vault, member.account_no)
    found = [one for one in every if one.member_no == member.member_no and one.kind == "question"]
    if not found:
        return ""
    return f'<h2>Your questions</h2><ul class="entries" aria-label="Your questions">{_entries(found)}</ul>'


def _entries(found: list[Asked], *, with_account: bool = False) -> str:
    rows = ""
    for one in found:
        days = one.age_days(session.now().date())
        age = f", {days} {'day' if days == 1 else 'days'} old" if one.ended_at is None else ""
        whose = f" of account {one.account_no}{age}" if with_account else ""
        said = "".join(
            f"<br>{who}: {escape(text)}" for who, text in (("Asked", one.note), ("Answer", one.answer)) if text
        )
        asked = f"asked {one.asked_at:%d %b %Y}, {_state(one)}"
        rows += f"<li><b>{one.request_no}, {one.kind}</b>{whose}<br>{asked}{said}</li>"
    return rows


def _state(one: Asked) -> str:
    late = " <b>(overdue)</b>" if one.is_overdue(session.now().date()) else ""
    return f"due {one.due_on:%d %b %Y}{late}" if one.ended_at is None else f"{one.state} {one.ended_at:%d %b %Y}"


def due(control: sqlite3.Connection, vault: Vault) -> str:
    """For the operator: what waits for an answer, the one that is due first at the top."""
    found = right.listed(control, vault)
    if not found:
        return "<h2>To be answered</h2><p>Nobody waits for an answer.</p>"
    answer = form.field("number", "Request") + form.field("answer", "Answer", hint="The person reads it here.")
    return (
        '<h2>To be answered</h2><ul class="entries" aria-label="To be answered">'
        f"{_entries(found, with_account=True)}</ul>{_approving(control, vault, found)}"
        + _form("answer", answer, "Mark as answered")
    )


def _approving(control: sqlite3.Connection, vault: Vault, found: list[Asked]) -> str:
    """The names that are to be put right, and concern more than their account."""
    rows = ""
    for one in found:
        if (wish := wishes.of(control, vault, one)) is not None:
            hidden = f'<input type="hidden" name="number" value="{one.request_no}">'
            rows += (
                f"<li>{one.request_no}: the {escape(wish.kind)} {escape(wish.old)} is to be called {escape(wish.new)}"
                f"{_form('approve', hidden, f'Approve {one.request_no}')}</li>"
            )
    return f'<ul class="entries" aria-label="To be approved">{rows}</ul>' if rows else ""
