"""Consent withdrawn: the key is destroyed, after a second look and the password; with a new key it is given again."""

from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form, reauthentication
from dashboards.forms.form import Fields
from warehouse import database
from warehouse.control import consent, right
from warehouse.control.consent import Consent
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.home import Home


def _withdraw(request: Request, fields: Fields) -> Response:
    found, number = session.find(session.token_of(request.cookies)), fields.get("connection", "")
    if found is None or not found.member.is_owner or not (number.isascii() and number.isdigit()):
        return form.missing(request)
    member, now = found.member, session.now()
    with database.control(Home.own()) as control:
        mine = {one.connection_no: one for one in consent.of_account(control, member.account_no)}
        if (one := mine.get(int(number[:18]))) is None:
            return form.missing(request)
        if fields.get("sure") != "yes":
            return _asked_again(request, one, member)
        vault = Vault(control, now)
        if wrong := reauthentication.unproved(request, control, vault, found, fields.get(reauthentication.FIELD, "")):
            return _asked_again(request, one, member, wrong=f"Nothing was withdrawn: {wrong}.")
        gone = consent.withdraw(control, member.account_no, one.connection_no, now, actor_no=member.member_no)
        answer = f"connection {one.connection_no}" + (", its key is destroyed" if gone else "")
        right.carried_out(control, vault, member.account_no, "withdrawal", answer, now)
    return form.turned(f"/account/rights?said={'destroyed' if gone else 'withdrawn'}")


def _asked_again(request: Request, one: Consent, member: Member, wrong: str = "") -> Response:
    """A withdrawal is confirmed on a page of its own, which says what goes."""
    goes = (
        "The key is destroyed, with the data key that opens it; nobody can bring it back, and no bill is read with it "
        "any more. To consent again you give a key again."
        if one.is_stored
        else "No bill is read with it any more. Its key is in the environment of who runs this: take it away there."
    )
    sure = (
        f"<p>{escape(one.title)}: {goes} What was read stays. Revoke the key at the provider, too.</p>"
        '<form method="post" action="/account/rights/withdraw">@form@<input type="hidden" name="sure" value="yes">'
        f'<input type="hidden" name="connection" value="{one.connection_no}">{reauthentication.asked(member)}'
        f"{form.button('Withdraw', grave=True)}</form>"
        '<p><a href="/account/rights">Keep it</a></p>'
    )
    return form.page(
        request,
        "Withdraw the consent?",
        lambda hidden: sure.replace("@form@", hidden),
        wrong=wrong,
        status=422 if wrong else 200,
    )


ROUTES = [Route("/account/rights/withdraw", form.posted(_withdraw), methods=["POST"])]
