"""A name put right by the owner of the account; what concerns somebody else waits for the operator, who approves it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form, reauthentication
from dashboards.forms.form import Fields
from dashboards.processes import own_process
from dashboards.rights import rights_page
from retention import holding, rectifying
from retention.errors import RetentionError
from warehouse import database
from warehouse.control import right
from warehouse.control import wish as wishes
from warehouse.control.vault import Vault
from warehouse.control.wish import Wish
from warehouse.errors import WarehouseError
from warehouse.home import Home


def _rectify(request: Request, fields: Fields) -> Response:
    found, now, home = rights_page.owner(request), session.now(), Home.own()
    if found is None:
        return form.missing(request)
    wish = Wish(fields.get("named", ""), fields.get("old", "").strip(), fields.get("new", "").strip())
    with database.control(home) as control:
        vault, own = Vault(control, now), holding.of_account(control, found.member.account_no)
        if wrong := reauthentication.unproved(request, control, vault, found, fields.get("name-proof", "")):
            return rights_page.page(request, wrong=f"Nothing was put right: {wrong}.", status=422)
        try:
            rectifying.hold(control, own, wish)
        except RetentionError as error:
            return rights_page.page(request, wrong=f"Nothing was put right: {error}.", status=422)
        waits = rectifying.concerns_others(own, wish)
        asked = right.ask(control, vault, own.owner_no, "rectification", "", now)
        wishes.put(control, vault, asked, wish)
    if not waits:
        _begin(home, asked.request_no)
    return form.turned(f"/account/rights?said={'waits' if waits else 'rectifying'}")


def _approve(request: Request, fields: Fields) -> Response:
    """The operator lets a name be put right that concerns others, or takes one up again that was broken off."""
    found, number = rights_page.owner(request), fields.get("number", "").strip()
    if found is None or not found.member.is_operator or not (number.isascii() and number.isdigit()):
        return form.missing(request)
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        try:
            asked = right.find(control, vault, int(number[:18]))
        except WarehouseError:
            return form.missing(request)
        if wishes.of(control, vault, asked) is None:
            return rights_page.page(
                request, wrong="That request names nothing to be put right, or was taken up.", status=422
            )
    _begin(Home.own(), asked.request_no)
    return form.turned("/account/rights?said=rectifying")


def _begin(home: Home, request_no: int) -> None:
    words = (str(home.root.absolute()), str(request_no), session.now().isoformat())
    own_process.begin("retention.rectifying", *words)


ROUTES = [
    Route("/account/rights/rectify", form.posted(_rectify), methods=["POST"]),
    Route("/account/rights/approve", form.posted(_approve), methods=["POST"]),
]
