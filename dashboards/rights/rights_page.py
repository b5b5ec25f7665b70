"""The rights of who is signed in: take all along, restrict, object, withdraw, ask; the operator sees what is due.

Only an owner asks for the whole account, since a bundle holds all of it. What is another account's is not there.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form
from dashboards.forms.form import Fields
from dashboards.rights import rights_parts
from dashboards.rights.rights_parts import IN_WORDS
from retention import holding, restrict
from retention.errors import RetentionError
from warehouse import database
from warehouse.control import objection, restriction, right
from warehouse.control.objection import PURPOSES
from warehouse.control.session import Session
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

_SAID = {
    "made": "Your bundle is ready below. It stays for 7 days.",
    "asked": "Your request is written down.",
    "restricted": "Nothing of your data is processed from now on; it is kept.",
    "lifted": "Your data is processed again, with what came meanwhile.",
    "objected": "It is not done any more.",
    "taken-back": "Your objection is taken back.",
    "withdrawn": "That connection is not read any more. Take its key out of the environment, too.",
    "destroyed": "The key is destroyed, and that connection is not read any more. Revoke the key at the provider, too.",
    "answered": "The request is answered.",
    "rectifying": "It is being put right wherever the name before is; the request below says when it is.",
    "waits": "By that name your rows are told from others': the operator looks at it first. The request is below.",
}

_OF_ACCOUNT = (rights_parts.restriction, rights_parts.objections, rights_parts.consents)


def owner(request: Request) -> Session | None:
    """The session of who uses the rights of their whole account; None for everybody else."""
    found = session.find(session.token_of(request.cookies))
    return found if found is not None and found.member.is_owner else None


def page(request: Request, *, wrong: str = "", status: int = 200) -> Response:
    """The page of rights, with what went wrong where something did."""
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    said = _SAID.get(request.query_params.get("said", ""), "")
    with database.control(Home.own()) as control:
        vault = Vault(control, session.now())
        if found.member.is_owner:
            parts = [rights_parts.everything(control, vault, found.member)]
            parts += [part(control, vault, found.member) for part in (rights_parts.own_copy, rights_parts.people)]
            parts += [part(control, found.member) for part in _OF_ACCOUNT]
            parts += [
                rights_parts.naming(found.member),
                rights_parts.asking(),
                rights_parts.requests(control, vault, found.member),
            ]
        else:
            parts = [rights_parts.own_copy(control, vault, found.member)]
            parts.append(
                '<h2>Your other rights</h2><p>Correct your address on <a href="/account">your account</a>, '
                '<a href="/account/delete">delete yourself</a>, ask by <a href="/account/help">Help</a>. An owner of '
                "your account uses its rights, for all of it.</p>"
            )
        if found.member.is_operator and found.member.is_owner:
            parts.append(rights_parts.due(control, vault))
    return form.page(
        request,
        "Your rights",
        lambda hidden: '<p><a href="/account">Back to your account</a></p>' + "".join(parts).replace("@form@", hidden),
        said=said,
        wrong=wrong,
        status=status,
    )


def _restrict(request: Request, _: Fields) -> Response:
    found = owner(request)
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        try:
            restrict.begin(control, holding.of_account(control, found.member.account_no), session.now())
        except RetentionError as error:
            return page(request, wrong=str(error), status=409)
        vault = Vault(control, session.now())
        right.carried_out(control, vault, found.member.account_no, "restriction", "restricted", session.now())
    return form.turned("/account/rights?said=restricted")


def _lift(request: Request, _: Fields) -> Response:
    found = owner(request)
    if found is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        restriction.lift(control, found.member.account_no, session.now())
    return form.turned("/account/rights?said=lifted")


def _object(request: Request, fields: Fields) -> Response:
    found = owner(request)
    purpose = next((each for each in PURPOSES if each == fields.get("purpose")), None)
    if found is None or purpose is None or (purpose == "agent_sessions" and not found.member.is_operator):
        return form.missing(request)
    with database.control(Home.own()) as control:
        objection.begin(control, found.member.account_no, purpose, session.now())
        vault = Vault(control, session.now())
        right.carried_out(control, vault, found.member.account_no, "objection", PURPOSES[purpose], session.now())
    return form.turned("/account/rights?said=objected")


def _take_back(request: Request, fields: Fields) -> Response:
    found = owner(request)
    purpose = next((each for each in PURPOSES if each == fields.get("purpose")), None)
    if found is None or purpose is None:
        return form.missing(request)
    with database.control(Home.own()) as control:
        objection.end(control, found.member.account_no, purpose)
    return form.turned("/account/rights?said=taken-back")


def _ask(request: Request, fields: Fields) -> Response:
    found = owner(request)
    if found is None or fields.get("kind") not in IN_WORDS:
        return form.missing(request)
    kind, _ = IN_WORDS[fields["kind"]]
    with database.control(Home.own()) as control:
        try:
            right.ask(
                control,
                Vault(control, session.now()),
                found.member.account_no,
                kind,
                fields.get("note", ""),
                session.now(),
            )
        except WarehouseError as error:
            return page(request, wrong=f"Nothing was written down: {error}.", status=422)
    return form.turned("/account/rights?said=asked")


def _answer(request: Request, fields: Fields) -> Response:
    found, number = owner(request), fields.get("number", "").strip()
    if found is None or not found.member.is_operator:
        return form.missing(request)
    with database.control(Home.own()) as control:
        vault, now = Vault(control, session.now()), session.now()
        try:
            asked = int(number[:18]) if number.isascii() and number.isdigit() else 0
            right.end(control, vault, asked, "done", fields.get("answer", ""), now, actor_no=found.member.member_no)
        except WarehouseError as error:
            return page(request, wrong=f"{error}.", status=422)
    return form.turned("/account/rights?said=answered")


_POSTED = {
    "restrict": _restrict,
    "lift": _lift,
    "object": _object,
    "take-back": _take_back,
    "ask": _ask,
    "answer": _answer,
}
ROUTES = [
    Route("/account/rights", page, methods=["GET"]),
    *(Route(f"/account/rights/{name}", form.posted(act), methods=["POST"]) for name, act in _POSTED.items()),
]
