"""Becoming a member: by sign-up or an invitation; each asks for a password and an agreement.

Sign-up answers an address that has an account as one that has none.
"""

import re
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form, ticket_form
from dashboards.forms.form import Fields
from dashboards.people import sign_in
from dashboards.rights import privacy
from warehouse import database
from warehouse.control import member as members
from warehouse.control import password, throttle, ticket
from warehouse.control.password import PasswordRefusedError
from warehouse.control.session import BY_PASSWORD
from warehouse.control.throttle import Guess
from warehouse.control.vault import Vault
from warehouse.home import Home

_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII
)
NO_ADDRESS = "That is not one e-mail address."


def is_address(text: str) -> bool:
    """Whether a text is one e-mail address, in ASCII, without a name beside it."""
    return _ADDRESS.fullmatch(text) is not None


def agreed(fields: Fields) -> str:
    """What is missing before anybody may be a member; empty where nothing is."""
    if fields.get("of_age") != "yes":
        return "Only who is 18 or older may have an account."
    return "" if fields.get("policy") == "yes" else "Without accepting the policy there is no account."


def _agree() -> str:
    """The two ticks; the version is of the text that holds now."""
    return (
        '<label class="check"><input type="checkbox" name="of_age" value="yes" required>I am 18 or older</label>'
        '<label class="check"><input type="checkbox" name="policy" value="yes" required>'
        f'<span>I accept the <a href="/privacy">privacy policy</a> of {escape(privacy.version())}</span></label>'
    )


def _sign_up_page(request: Request, wrong: str = "", status: int = 200) -> Response:
    return form.page(
        request,
        "Make an account",
        lambda hidden: (
            f'<form method="post" action="/sign-up">{hidden}'
            f"{form.field('email', 'E-mail', 'email', more='autocomplete=username')}{ticket_form.NEW_PASSWORD}"
            f"{_agree()}{form.button('Make an account')}</form>"
            '<p><a href="/sign-in">Sign in instead</a></p>'
        ),
        wrong=wrong,
        status=status,
    )


def _sign_up(request: Request, fields: Fields) -> Response:
    email, secret = fields.get("email", "").strip(), fields.get("password", "")
    if missing := agreed(fields):
        return _sign_up_page(request, missing, 422)
    if not is_address(email):
        return _sign_up_page(request, NO_ADDRESS, 422)
    try:
        password.check(secret, email)
    except PasswordRefusedError as error:
        return _sign_up_page(request, f"Choose another one: {error}.", 422)
    now = session.now()
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        guess = Guess.of(vault, "", request.client.host if request.client else "")
        if throttle.wait(control, guess, now):
            return _sign_up_page(request, "Too many tries from here. Try again in a few minutes.", 429)
        throttle.count(control, guess.place, now)
        members.sign_up(control, vault, email, password.hashed(secret), now)
    return form.turned("/sign-in?said=new")


def _invitation_page(request: Request, wrong: str = "", sent: str = "") -> Response:
    asked = ticket_form.NEW_PASSWORD + _agree()
    return ticket_form.page(request, "invitation", "Accept the invitation", asked, wrong, sent)


def _invitation(request: Request, fields: Fields) -> Response:
    sent, secret, now = fields.get("ticket", ""), fields.get("password", ""), session.now()
    if missing := agreed(fields):
        return _invitation_page(request, missing, sent)
    with database.control(Home.own()) as control:
        vault = Vault(control, now)
        found = ticket.find(control, "invitation", sent, now)
        if found is None or found.role is None:
            return _invitation_page(request, ticket_form.OLD_LINK)
        email = found.email(vault)
        try:
            password.check(secret, email)
        except PasswordRefusedError as error:
            return _invitation_page(request, f"Choose another one: {error}.", sent)
        kept = password.hashed(secret)
        with database.transaction(control):
            used = ticket.use(control, "invitation", sent, now)
            number = used and members.join(
                control, vault, found.account_no, found.role, found.projects, email, kept, now
            )
        if not number:
            return _invitation_page(request, ticket_form.OLD_LINK)
        return sign_in.begun(request, control, number, BY_PASSWORD, "/")


ROUTES = [
    Route("/sign-up", _sign_up_page, methods=["GET"]),
    Route("/sign-up", form.posted(_sign_up), methods=["POST"]),
    Route("/invitation", _invitation_page, methods=["GET"]),
    Route("/invitation", form.posted(_invitation), methods=["POST"]),
]
