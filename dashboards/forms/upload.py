"""A form that brings a file: the same checks as of every form, then the fields and the file's text."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from dashboards.access import session
from dashboards.forms import form
from dashboards.forms.form import Fields

FILE = "file"
_MOST_BYTES = 256 * 1024
_MOST_FIELDS = 20
# What comes with a file that is none of text.
UNREADABLE = "\0"
Handler = Callable[[Request, Fields, str], Response]


def posted(handler: Handler, back_to: str) -> Callable[[Request], Awaitable[Response]]:
    """A route that answers a form with a file: 403 and nothing done unless a page of ours, in this browser, sent it.

    The handler gets the file's text, empty where none was chosen, UNREADABLE where it is no UTF-8.
    """

    async def answer(request: Request) -> Response:
        told = request.headers.get("content-length", "")
        if told.isascii() and told.isdigit() and int(told[:18]) > _MOST_BYTES:
            wrong = f"Nothing was taken: a file has {_MOST_BYTES // 1024} kB at most."
            back = f'<p><a href="{escape(back_to)}">Back</a></p>'
            return form.page(request, "That file is too large", lambda _: back, wrong=wrong, status=413)
        body = await form.taken(request, "multipart/form-data", _MOST_BYTES)
        if body is None:
            return form.refused(request)
        found = await _parsed(request, body)
        if found is None or not session.fits_form(session.token_of(request.cookies), found[0].get("form", "")):
            return form.refused(request)
        return await run_in_threadpool(handler, request, *found)

    return answer


async def _parsed(request: Request, body: bytes) -> tuple[Fields, str] | None:
    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, once(), max_files=1, max_fields=_MOST_FIELDS)
    try:
        sent = await parser.parse()
    except (MultiPartException, ValueError):
        return None
    fields, content = {}, b""
    for name, value in sent.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
        else:
            fields[name] = value
    await sent.close()
    return fields, _text(content)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return UNREADABLE
