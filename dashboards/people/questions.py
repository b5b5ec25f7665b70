"""The page Help: a member asks the operator something, sees by when it is answered, and reads the answer.

For every member, whatever their role; a question is its member's, and the others of the account do not read it.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.forms import form
from dashboards.forms.form import Fields
from dashboards.rights import rights_parts
from warehouse import database
from warehouse.control import right
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

_SAID = {"asked": "Your question is written down. You are told by mail when it is answered, where mails go out."}


def _page(request: Request, *, wrong: str = "", status: int = 200) -> Response:
    found = session.find(session.token_of(request.cookies))
    if found is None:
        return form.turned("/sign-in")
    with database.control(Home.own()) as control:
        asked = rights_parts.questions(control, Vault(control, session.now()), found.member)
    return form.page(
        request,
        "Help",
        lambda hidden: (
            '<p><a href="/account">Back to your account</a> · <a href="/account/rights">Your rights</a></p>'
            f"<p>Ask whoever runs this site. You are answered within {right.HELP_DUE.days} days; they read "
            "what you write, so leave out keys and passwords.</p>"
            f'<form method="post" action="/account/help">{hidden}<label for="question">Your question</label>'
            f'<textarea id="question" name="question" required rows="5" maxlength="{right.LONGEST_NOTE}"></textarea>'
            f"{form.button('Ask')}</form>{asked}"
        ),
        said=_SAID.get(request.query_params.get("said", ""), "") if not wrong else "",
        wrong=wrong,
        status=status,
    )


def _ask(request: Request, fields: Fields) -> Response:
    found, now = session.find(session.token_of(request.cookies)), session.now()
    if found is None:
        return form.turned("/sign-in")
    with database.control(Home.own()) as control:
        try:
            question = fields.get("question", "")
            right.ask(control, Vault(control, now), found.member.account_no, "question", question, now, found.member)
        except WarehouseError as error:
            return _page(request, wrong=f"Nothing was written down: {error}.", status=422)
    return form.turned("/account/help?said=asked")


ROUTES = [
    Route("/account/help", _page, methods=["GET"]),
    Route("/account/help", form.posted(_ask), methods=["POST"]),
]
