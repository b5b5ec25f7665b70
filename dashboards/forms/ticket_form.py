"""The form behind a link: it sends the ticket that the link carries, with whatever else is asked for."""

from html import escape

from starlette.requests import Request
from starlette.responses import Response

from dashboards.access import bounce
from dashboards.forms import form
from warehouse.control import password, ticket

OLD_LINK = "This link was used already, or it is too old. Ask for another."
NEW_PASSWORD = form.field(
    "password",
    "Password",
    "password",
    hint=f"{password.SHORTEST} characters or more; a sentence is good.",
    more="autocomplete=new-password",
)


def page(request: Request, kind: ticket.Kind, title: str, asked: str, wrong: str = "", sent: str = "") -> Response:
    """The form of a kind of ticket; a browser that comes from another site asks once more, with its cookie."""
    if request.headers.get("sec-fetch-site") == "cross-site":
        return bounce.page()
    return form.page(
        request,
        title,
        lambda hidden: (
            f'<form method="post" action="/{kind}" data-ticket="keep">{hidden}'
            f'<input type="hidden" name="ticket" value="{escape(sent)}">{asked}{form.button(title)}</form>'
        ),
        wrong=wrong,
        status=422 if wrong else 200,
    )
