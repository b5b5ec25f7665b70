"""The privacy page, open to all: each promise, whether it is kept, what shows it, and the last self-audit's result."""

from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards import form
from retention import edition, installation
from retention.promises import CHECKS, Promise
from warehouse import database
from warehouse.control import member as members
from warehouse.control import self_audit
from warehouse.control.self_audit import Looked
from warehouse.home import Home


def _page(request: Request) -> Response:
    home = Home.own()
    _, promised = edition.in_force(home)
    said = installation.load(home.root / edition.POLICY_FILE)
    with database.control(home) as control:
        looked = self_audit.newest(control)
    told = "".join(f"<li>{escape(text)}</li>" for text in dict.fromkeys(one.says for one in promised if one.kept))
    contact = f"<p>Questions and requests: {escape(said.contact)}</p>" if said.contact else ""
    region = f"<p>Data rests in: {escape(said.region)}</p>" if said.region else ""
    return form.page(
        request,
        "Privacy policy",
        lambda _: (
            f"<p>Of {members.POLICY_VERSION}. What it promises and a machine carries out here, in short:</p><ul>{told}"
            "<li>Of you it holds your e-mail address, sealed, and a hash of your password that nobody can turn back."
            "</li><li>One cookie, which keeps you signed in; nothing counts what you look at.</li></ul>"
            f"{contact}{region}{_audit(looked)}{_promises(promised, looked)}"
        ),
    )


def _audit(looked: dict[str, Looked]) -> str:
    if not looked:
        return "<h2>Self-audit</h2><p>The first one is made within a week.</p>"
    rows = "".join(
        f"<tr><td>{escape(CHECKS.get(name, name))}</td><td>{f'{one.wrong} wrong' if one.wrong else 'holds'}</td>"
        f"<td>{one.ran_at:%d %b %Y %H:%M}</td><td>{one.audit_no}</td></tr>"
        for name, one in looked.items()
    )
    return (
        '<h2>Self-audit</h2><div class="scroll"><table aria-label="Self-audit"><tr><th>Looked at</th><th>Result</th>'
        f"<th>When (UTC)</th><th>Act</th></tr>{rows}</table></div>"
    )


def _promises(promised: list[Promise], looked: dict[str, Looked]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.id)}</td><td>{escape(one.says)}</td><td>{_state(one, looked)}</td></tr>"
        for one in promised
    )
    return (
        '<h2>Every promise</h2><div class="scroll"><table aria-label="Promises"><tr><th>Clause</th><th>Promise</th>'
        f"<th>Kept</th></tr>{rows}</table></div>"
    )


def _state(promise: Promise, looked: dict[str, Looked]) -> str:
    """Kept, kept by what was looked at last, found wrong, or what it lacks."""
    wrong = [name for name in promise.checks if name in looked and looked[name].wrong]
    if wrong:
        return f"Found wrong: {escape(', '.join(wrong))}"
    return "Yes" if promise.kept else f"Not yet: {escape(promise.lacks or '')}"


ROUTES = [Route("/privacy", _page, methods=["GET"])]
